//! All calls of an image.
//!
//! One pass over the transfers of control, functions side by side. A jump to another function is a tail call; a jump
//! to an address in a register is one too, unless it is a `switch` of the function itself.

use super::conventions::Convention;
use super::functions::{Function, FunctionId, Functions};
use super::graph::{Graph, Surroundings};
use super::landmarks::Landmarks;
use super::operation::{Instruction, Operation, Registers, Target};
use super::x86::X86;
use super::{Lift, Memory, Transfer};
use rayon::prelude::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use std::ops::Range;

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallKind {
    /// By its address.
    Direct,
    /// By a jump, as the last thing that the caller does.
    Tail,
    /// By an address in a register or in memory; a jump or a call.
    Indirect,
}

impl CallKind {
    /// As tables have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Tail => "tail",
            Self::Indirect => "indirect",
        }
    }
}

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Address of the call or jump.
    pub address: u64,
    /// The function that it is in.
    pub caller: FunctionId,
    /// Address of the function called, `None` when indirect. Of a label inside a function: that function's.
    pub callee: Option<u64>,
    /// How.
    pub kind: CallKind,
}

/// The calls of an image. Calls of the profiling hook (`__fentry__`), which is patched out, are left out.
#[derive(Debug, Default)]
pub struct Calls {
    /// By caller, and ascending by address in each part of it.
    list: Vec<Call>,
    /// Where a caller's calls begin in `list`; one more than there are functions.
    starts: Vec<u32>,
    /// Numbers in `list` of those with a callee, ascending by callee.
    by_callee: Vec<u32>,
    /// How many calls of the profiling hook were left out.
    pub hooks: usize,
    /// Functions that never come back, found by how they end.
    never: Vec<u64>,
}

/// What one function says.
#[derive(Default)]
struct Found {
    calls: Vec<Call>,
    hooks: usize,
    never: bool,
}

impl Calls {
    /// Finds the calls of an image's functions.
    pub fn of(functions: &Functions, memory: &dyn Memory, landmarks: &Landmarks) -> Self {
        let around = Surroundings { memory, landmarks };
        let all: Vec<_> = functions.iter().collect();
        let found: Vec<Found> = all
            .par_iter()
            .with_min_len(256)
            .map_init(X86::default, |lift, &(id, function)| scan(id, function, functions, around, lift))
            .collect();
        let mut calls = Self::default();
        for (found, (_, function)) in found.into_iter().zip(&all) {
            calls.starts.push(calls.list.len() as u32);
            calls.list.extend(found.calls);
            calls.hooks += found.hooks;
            if found.never {
                calls.never.push(function.range.start);
            }
        }
        calls.starts.push(calls.list.len() as u32);
        calls.by_callee = (0..calls.list.len() as u32).filter(|&i| calls.list[i as usize].callee.is_some()).collect();
        let list = &calls.list;
        calls.by_callee.sort_unstable_by_key(|&i| (list[i as usize].callee, i));
        calls
    }

    /// All calls, by caller.
    pub fn all(&self) -> &[Call] {
        &self.list
    }

    /// The calls that a function does.
    pub fn from(&self, caller: FunctionId) -> &[Call] {
        let at = caller.0 as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&start), Some(&end)) => &self.list[start as usize..end as usize],
            _ => &[],
        }
    }

    /// The calls of the function at an address.
    pub fn to(&self, callee: u64) -> impl Iterator<Item = &Call> {
        let of = |i: &u32| self.list[*i as usize].callee;
        let start = self.by_callee.partition_point(|i| of(i) < Some(callee));
        let rest = &self.by_callee[start..];
        rest[..rest.partition_point(|i| of(i) == Some(callee))].iter().map(|&i| &self.list[i as usize])
    }

    /// Functions that never come back, found by how they end: nothing in them returns or jumps out, and the last thing
    /// that they do is a call, or a jump that stays.
    pub fn never_return(&self) -> &[u64] {
        &self.never
    }
}

fn scan(
    caller: FunctionId,
    function: &Function,
    functions: &Functions,
    around: Surroundings<'_>,
    lift: &mut X86,
) -> Found {
    let mut found = Found::default();
    let (mut leaves, mut switches) = (false, false);
    // The address after the last transfer of the main part, when that was a call, or a jump that stays.
    let mut after_last = None;
    for (i, part) in function.parts().enumerate() {
        let Some(bytes) = around.memory.bytes(part.clone()) else { continue };
        lift.scan(bytes, part.start, &mut |address, length, transfer| {
            let next = address.wrapping_add(u64::from(length));
            let mut add = |callee, kind| found.calls.push(Call { address, caller, callee, kind });
            let mut last = None;
            match transfer {
                Transfer::Call(Some(to)) => match around.landmarks.convention(to) {
                    Some(Convention::Indirect(_)) => add(None, CallKind::Indirect),
                    Some(Convention::Clobbers(Registers(0))) if is_hook(functions, to) => found.hooks += 1,
                    _ => {
                        add(Some(called(functions, to)), CallKind::Direct);
                        last = Some(next);
                    }
                },
                Transfer::Call(None) => add(None, CallKind::Indirect),
                Transfer::Jump(Some(to)) | Transfer::Branch(to) if !function.contains(to) => {
                    match around.landmarks.convention(to) {
                        Some(Convention::Return) => leaves = true,
                        Some(Convention::Indirect(_)) => switches = true,
                        _ if around.landmarks.is_detour(to) => {}
                        _ => {
                            leaves = true;
                            add(Some(called(functions, to)), CallKind::Tail);
                        }
                    }
                }
                Transfer::Jump(None) => switches = true,
                Transfer::Return => leaves = true,
                Transfer::Jump(_) => last = Some(next),
                Transfer::Branch(_) => {}
            }
            if i == 0 {
                after_last = last;
            }
        });
    }
    if switches {
        add_indirect_jumps(caller, function, around, lift, &mut found.calls);
    }
    found.never = !leaves
        && !switches
        && after_last.is_some_and(|next| only_padding(next..function.range.end, around.memory, lift));
    found
}

/// Whether a function is the profiling hook. Asked only for functions that change nothing.
fn is_hook(functions: &Functions, address: u64) -> bool {
    functions.starting(address).is_some_and(|id| matches!(&*functions[id].name, "__fentry__" | "mcount"))
}

/// The function that an address belongs to, or the address.
fn called(functions: &Functions, address: u64) -> u64 {
    functions.containing(address).map_or(address, |id| functions[id].range.start)
}

/// The indirect jumps that are no `switch`.
fn add_indirect_jumps(
    caller: FunctionId,
    function: &Function,
    around: Surroundings<'_>,
    lift: &mut X86,
    calls: &mut Vec<Call>,
) {
    let graph = Graph::build(function, around, lift);
    for block in 0..graph.blocks.len() as u32 {
        if let Some(&Instruction { address, operation: Operation::Jump(Target::Indirect(_)), .. }) =
            graph.operations(block).last()
            && graph.successors(block).is_empty()
        {
            calls.push(Call { address, caller, callee: None, kind: CallKind::Indirect });
        }
    }
    // Main part first, then the others, as they were scanned.
    calls.sort_by_key(|call| (function.parts().position(|part| part.contains(&call.address)), call.address));
}

/// Whether there is only what a compiler fills gaps with.
fn only_padding(range: Range<u64>, memory: &dyn Memory, lift: &mut X86) -> bool {
    const LONGEST: u64 = 256;
    if range.is_empty() {
        return true;
    }
    if range.end - range.start > LONGEST {
        return false;
    }
    let Some(bytes) = memory.bytes(range.clone()) else { return false };
    let mut operations = Vec::new();
    lift.lift(bytes, range.start, &mut operations);
    operations.iter().all(|instruction| matches!(instruction.operation, Operation::Trap | Operation::Nothing))
}
