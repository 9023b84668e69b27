//! The control-flow graph of a function.
//!
//! Blocks are joined by what the instructions say and by what the image says elsewhere ([`Landmarks`]). Calls do not
//! end a block, but those of functions that never come back do.

mod edges;

use super::conventions::Convention;
use super::functions::Function;
use super::landmarks::Landmarks;
use super::operation::{Instruction, Operation, Place, Register, Registers, Target};
use super::{Lift, Memory};
use std::ops::Range;

/// More code than this has no function that was ever compiled; the rest of it is left out.
const MAX_BYTES: u64 = 1 << 20;
/// More entries than this has no jump table.
const MAX_TABLE: u64 = 4096;

/// A run of instructions that is entered only at its start and left only at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its addresses.
    pub range: Range<u64>,
    /// Its instructions, in [`Graph::instructions`].
    pub instructions: Range<u32>,
}

/// The graph of one function. Block 0 is where the function starts.
#[derive(Debug, Default)]
pub struct Graph {
    /// All instructions, part by part, ascending in each. Thunks are replaced by what they stand for: a jump to the
    /// return thunk is a `Return`, a call of an indirect thunk is an indirect call, and a call of a helper with a
    /// convention of its own is an `Other` (or `Nothing`) that writes what the helper changes.
    pub instructions: Vec<Instruction>,
    /// All blocks, ascending by their instructions; also those that cannot be reached.
    pub blocks: Vec<Block>,
    /// Whether the function has more code than was looked at.
    pub truncated: bool,
    successors: Adjacency,
    predecessors: Adjacency,
    order: Vec<u32>,
}

impl Graph {
    /// The blocks that may follow a block.
    pub fn successors(&self, block: u32) -> &[u32] {
        self.successors.of(block)
    }

    /// The blocks that a block may follow.
    pub fn predecessors(&self, block: u32) -> &[u32] {
        self.predecessors.of(block)
    }

    /// The blocks that can be reached from the start, in reverse postorder: but for loops, each after those that it
    /// may follow.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The operations of a block.
    pub fn operations(&self, block: u32) -> &[Instruction] {
        let Range { start, end } = self.blocks[block as usize].instructions;
        &self.instructions[start as usize..end as usize]
    }

    /// The block that has the instruction at an address.
    pub fn block_at(&self, address: u64) -> Option<u32> {
        // Parts of a function are few, and blocks ascend in each.
        self.blocks.iter().position(|block| block.range.contains(&address)).map(|block| block as u32)
    }
}

/// Edges by the block that they leave.
#[derive(Debug, Default)]
struct Adjacency {
    starts: Vec<u32>,
    to: Vec<u32>,
}

impl Adjacency {
    /// From edges in ascending order.
    fn new(blocks: usize, edges: impl Iterator<Item = (u32, u32)>) -> Self {
        let (mut starts, mut to) = (Vec::with_capacity(blocks + 1), Vec::new());
        for (from, target) in edges {
            while starts.len() <= from as usize {
                starts.push(to.len() as u32);
            }
            to.push(target);
        }
        starts.resize(blocks + 1, to.len() as u32);
        Self { starts, to }
    }

    fn of(&self, block: u32) -> &[u32] {
        match (self.starts.get(block as usize), self.starts.get(block as usize + 1)) {
            (Some(&start), Some(&end)) => &self.to[start as usize..end as usize],
            _ => &[],
        }
    }
}

/// What is needed to build graphs.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The image's memory.
    pub memory: &'a dyn Memory,
    /// Its tables.
    pub landmarks: &'a Landmarks,
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").finish_non_exhaustive()
    }
}

impl Graph {
    /// Builds the graph of a function.
    pub fn build(function: &Function, around: Surroundings<'_>, lift: &mut dyn Lift) -> Self {
        let mut builder = Builder::new(function, around, lift);
        builder.replace_thunks();
        builder.find_edges(lift);
        builder.finish()
    }
}

/// How an instruction is left, other than to the next one.
struct Exit {
    /// The instruction's last operation.
    from: usize,
    /// The first operation of where it leads.
    to: usize,
}

struct Builder<'a> {
    around: Surroundings<'a>,
    graph: Graph,
    /// The parts: their addresses and their operations.
    parts: Vec<(Range<u64>, Range<usize>)>,
    exits: Vec<Exit>,
    /// Per operation: a block starts here. One more than there are operations.
    leads: Vec<bool>,
    /// Per operation: it is the last one of an instruction after which the next one does not follow.
    ends: Vec<bool>,
}

impl<'a> Builder<'a> {
    fn new(function: &Function, around: Surroundings<'a>, lift: &mut dyn Lift) -> Self {
        let mut graph = Graph::default();
        let mut parts = Vec::new();
        let mut left = MAX_BYTES;
        for part in function.parts() {
            let length = (part.end - part.start).min(left);
            graph.truncated |= length < part.end - part.start;
            left -= length;
            let part = part.start..part.start + length;
            let Some(bytes) = around.memory.bytes(part.clone()) else { continue };
            let first = graph.instructions.len();
            lift.lift(bytes, part.start, &mut graph.instructions);
            parts.push((part, first..graph.instructions.len()));
        }
        let operations = graph.instructions.len();
        let (leads, ends) = (vec![false; operations + 1], vec![false; operations]);
        Self { around, graph, parts, exits: Vec::new(), leads, ends }
    }

    /// The first operation of the instruction at, or around, an address.
    fn find(&self, address: u64) -> Option<usize> {
        let (_, operations) = self.parts.iter().find(|(part, _)| part.contains(&address))?;
        let part = &self.graph.instructions[operations.clone()];
        let last = part.partition_point(|instruction| instruction.address <= address).checked_sub(1)?;
        let start = part[last].address;
        let back = part[..last].iter().rev().take_while(|instruction| instruction.address == start).count();
        Some(operations.start + last - back)
    }

    /// The last operation of the instruction whose first one this is.
    fn last(&self, first: usize) -> usize {
        let rest = &self.graph.instructions[first..];
        first + rest.iter().position(|instruction| instruction.length > 0).unwrap_or(0)
    }

    fn replace_thunks(&mut self) {
        for i in 0..self.graph.instructions.len() {
            let operation = self.graph.instructions[i].operation;
            let replaced = match operation {
                Operation::Call(Target::Direct(to)) => match self.around.landmarks.convention(to) {
                    Some(Convention::Indirect(register)) => Operation::Call(Target::Indirect(register)),
                    Some(Convention::Clobbers(writes)) => clobber(writes),
                    Some(Convention::Never) => {
                        self.ends[i] = true;
                        operation
                    }
                    Some(Convention::Return) | None => operation,
                },
                Operation::Call(Target::Indirect(Register::SCRATCH)) => match self.patched_call(i) {
                    Some(writes) => clobber(writes),
                    None => operation,
                },
                Operation::Jump(Target::Direct(to)) => match self.around.landmarks.convention(to) {
                    Some(Convention::Indirect(register)) => Operation::Jump(Target::Indirect(register)),
                    Some(Convention::Return) => Operation::Return,
                    _ => operation,
                },
                _ => operation,
            };
            self.graph.instructions[i].operation = replaced;
        }
    }

    /// What a call changes whose callee is in a fixed place (`pv_ops`) and has a convention of its own.
    fn patched_call(&self, call: usize) -> Option<Registers> {
        let Operation::Load { from: Place { base: None, index: None, displacement, per_cpu: false }, .. } =
            self.graph.instructions[call.checked_sub(1)?].operation
        else {
            return None;
        };
        self.around.landmarks.patched_call(displacement.cast_unsigned())
    }

    fn pointer(&self, at: u64) -> Option<u64> {
        let bytes = self.around.memory.bytes(at..at.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    fn finish(mut self) -> Graph {
        let operations = self.graph.instructions.len();
        for (_, part) in &self.parts {
            self.leads[part.start] = true;
            if let Some(last) = part.end.checked_sub(1).filter(|_| !part.is_empty()) {
                self.ends[last] = true;
            }
        }
        for i in 0..operations {
            // Padding is one block, not one a byte.
            let trap =
                |i: usize| self.ends.get(i) == Some(&true) && self.graph.instructions[i].operation == Operation::Trap;
            if self.ends[i] && !(trap(i) && trap(i + 1)) {
                self.leads[i + 1] = true;
            }
        }
        let mut block_of = vec![0_u32; operations];
        let mut start = 0;
        for i in 0..operations {
            if i + 1 < operations && !self.leads[i + 1] {
                continue;
            }
            let block = self.graph.blocks.len() as u32;
            block_of[start..=i].fill(block);
            let (first, last) = (&self.graph.instructions[start], &self.graph.instructions[i]);
            let instructions = start as u32..i as u32 + 1;
            self.graph.blocks.push(Block { range: first.address..last.next(), instructions });
            start = i + 1;
        }
        let mut edges: Vec<(u32, u32)> =
            self.exits.iter().map(|exit| (block_of[exit.from], block_of[exit.to])).collect();
        for (block, next) in (0..).zip(self.graph.blocks.iter().skip(1)) {
            if !self.ends[next.instructions.start as usize - 1] {
                edges.push((block, block + 1));
            }
        }
        edges.sort_unstable();
        edges.dedup();
        let blocks = self.graph.blocks.len();
        self.graph.successors = Adjacency::new(blocks, edges.iter().copied());
        let mut back: Vec<_> = edges.iter().map(|&(from, to)| (to, from)).collect();
        back.sort_unstable();
        self.graph.predecessors = Adjacency::new(blocks, back.into_iter());
        self.graph.order = reverse_postorder(&self.graph.successors, blocks);
        self.graph
    }
}

fn clobber(writes: Registers) -> Operation {
    if writes.is_empty() { Operation::Nothing } else { Operation::Other { writes, memory: false } }
}

fn reverse_postorder(successors: &Adjacency, blocks: usize) -> Vec<u32> {
    let mut seen = vec![false; blocks];
    let mut order = Vec::with_capacity(blocks);
    if blocks == 0 {
        return order;
    }
    seen[0] = true;
    // A block, and how many of its successors were visited.
    let mut path = vec![(0_u32, 0_usize)];
    while let Some((block, visited)) = path.last_mut() {
        match successors.of(*block).get(*visited) {
            Some(&next) => {
                *visited += 1;
                if !std::mem::replace(&mut seen[next as usize], true) {
                    path.push((next, 0));
                }
            }
            None => {
                order.push(*block);
                path.pop();
            }
        }
    }
    order.reverse();
    order
}
