//! Follows the values of one function through its control-flow graph, and notes what happens to them.
//!
//! A loop is followed as if it changed nothing at first; what turns out to be changed at its end becomes a join at its
//! start, and the function is followed again. So a register that a loop leaves alone keeps its value.

mod steps;

use super::values::{JUNK, JoinAt, Node, NodeId, STACK, Special, Value, Values};
use crate::code::{Graph, Register};
use crate::debug::Binding;
use rustc_hash::FxHashSet;

/// The registers of the first six arguments, by the calling convention of x86-64.
pub const ARGUMENTS: [Register; 6] = [Register(5), Register(4), Register(1), Register(2), Register(8), Register(9)];
/// The register of a result.
pub const RESULT: Register = Register(0);
/// The stack pointer.
const STACK_POINTER: Register = Register(7);
/// From the entry stack pointer to the canonical frame address of DWARF: the return address lies between.
const FRAME: i64 = 8;
/// Passes over a function after which loops are taken to change everything.
const PASSES: usize = 12;
/// How much of the stack behind an address that was handed out may be written by others.
const HANDED_OUT: i64 = 512;

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callee {
    /// The function at an address.
    Direct(u64),
    /// The function at the address that a value is.
    Indirect(Value),
}

/// Something that says more of values.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A call, or a jump out of the function.
    Call {
        /// The number of the instruction.
        instruction: u32,
        /// Who is called.
        callee: Callee,
        /// The registers of arguments, whether or not they are meant.
        arguments: [Value; 6],
        /// What is returned; `None` of a jump.
        result: Option<NodeId>,
    },
    /// A value is stored, all eight bytes of it.
    Store {
        /// Where.
        address: Value,
        /// In this CPU's share of memory.
        per_cpu: bool,
        /// What.
        value: Value,
    },
    /// The function returns a value (or nothing, and this is what is left in the register).
    Return(Value),
    /// A value may have become another behind our back.
    Became {
        /// Before.
        from: Value,
        /// After.
        to: NodeId,
    },
    /// Debug information names the type of a value.
    Bound {
        /// The value.
        value: Value,
        /// What it points to, resolved, when it is a pointer; else what lies there.
        binding: u32,
        /// The value is the address of the variable.
        in_memory: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    base: NodeId,
    offset: i64,
    value: Value,
}

#[derive(Clone, Debug)]
struct State {
    registers: [Value; Register::COUNT],
    slots: Vec<Slot>,
}

impl Default for State {
    fn default() -> Self {
        Self { registers: [Value::of(JUNK); Register::COUNT], slots: Vec::new() }
    }
}

impl State {
    fn copy_from(&mut self, other: &Self) {
        self.registers = other.registers;
        self.slots.clear();
        self.slots.extend_from_slice(&other.slots);
    }

    fn slot(&self, base: NodeId, offset: i64) -> Option<Value> {
        self.slots.iter().find(|slot| slot.base == base && slot.offset == offset).map(|slot| slot.value)
    }

    fn set(&mut self, register: Register, value: Value) {
        if let Some(place) = self.registers.get_mut(usize::from(register.0)) {
            *place = value;
        }
    }

    fn get(&self, register: Register) -> Value {
        self.registers.get(usize::from(register.0)).copied().unwrap_or(Value::of(JUNK))
    }
}

/// Follows functions, one after the other; its buffers are used again.
#[derive(Debug, Default)]
pub struct Follower {
    /// The nodes of the last function.
    pub values: Values,
    /// What was noted of it.
    pub events: Vec<Event>,
    order: Vec<u32>,
    position: Vec<u32>,
    predecessors: Vec<u32>,
    predecessors_of: Vec<u32>,
    entries: Vec<State>,
    exits: Vec<State>,
    forced: Vec<Forced>,
    forced_slots: FxHashSet<(u32, bool, i64)>,
    escaped: Vec<(bool, i64)>,
    ends: Vec<u64>,
    state: State,
}

/// What changes in the loop that a block starts.
#[derive(Clone, Copy, Debug, Default)]
struct Forced {
    registers: u32,
    header: bool,
    everything: bool,
}

impl Follower {
    /// Follows a function. `bindings` are sorted by their start.
    pub fn follow(&mut self, graph: &Graph, bindings: &[Binding], special: Special) {
        let count = graph.blocks.len();
        self.arrange(graph);
        self.forced.clear();
        self.forced.resize(count, Forced::default());
        self.forced_slots.clear();
        self.escaped.clear();
        self.ends.clear();
        self.ends.extend(bindings.iter().scan(0, |end: &mut u64, binding| {
            *end = binding.end.max(*end);
            Some(*end)
        }));
        self.entries.resize_with(count.max(self.entries.len()), State::default);
        self.exits.resize_with(count.max(self.exits.len()), State::default);
        for block in 0..count {
            let header = self.predecessors(block).iter().any(|&p| self.position[p as usize] >= self.position[block]);
            self.forced[block].header = header;
        }
        for pass in 0.. {
            self.values.start(special);
            self.events.clear();
            for turn in 0..self.order.len() {
                let block = self.order[turn];
                self.enter(block);
                if self.forced[block as usize].header {
                    self.entries[block as usize].copy_from(&self.state);
                }
                self.walk(graph, block, bindings);
                self.exits[block as usize].copy_from(&self.state);
            }
            if !self.close_loops(pass >= PASSES) {
                break;
            }
        }
    }

    fn predecessors(&self, block: usize) -> &[u32] {
        &self.predecessors[self.predecessors_of[block] as usize..self.predecessors_of[block + 1] as usize]
    }

    /// Orders blocks so that, loops aside, each comes after those that lead to it.
    fn arrange(&mut self, graph: &Graph) {
        let count = graph.blocks.len();
        self.predecessors_of.clear();
        self.predecessors.clear();
        self.predecessors_of.push(0);
        for block in 0..count {
            self.predecessors.extend_from_slice(graph.predecessors(block as u32));
            self.predecessors_of.push(self.predecessors.len() as u32);
        }
        const NEW: u32 = u32::MAX;
        self.position.clear();
        self.position.resize(count, NEW);
        self.order.clear();
        let mut path = Vec::new();
        // What is not reached from the entry (by edges that we know) is followed as well, from unknown registers.
        for start in 0..count {
            if self.position[start] != NEW {
                continue;
            }
            let before = self.order.len();
            self.position[start] = 0;
            path.push((start, 0));
            while let Some((block, edge)) = path.last_mut() {
                match graph.successors(*block as u32).get(*edge) {
                    Some(&to) => {
                        *edge += 1;
                        if self.position[to as usize] == NEW {
                            self.position[to as usize] = 0;
                            path.push((to as usize, 0));
                        }
                    }
                    None => {
                        self.order.push(*block as u32);
                        path.pop();
                    }
                }
            }
            self.order[before..].reverse();
        }
        for (position, &block) in self.order.iter().enumerate() {
            self.position[block as usize] = position as u32;
        }
    }

    /// Sets the state at the start of a block from the ends of those before it.
    fn enter(&mut self, block: u32) {
        let mut state = std::mem::take(&mut self.state);
        let index = block as usize;
        let forced = self.forced[index];
        let position = self.position[index];
        let range = self.predecessors_of[index] as usize..self.predecessors_of[index + 1] as usize;
        let before = |at: usize| {
            let from = self.predecessors[at];
            (self.position[from as usize] < position).then_some(from as usize)
        };
        let first = range.clone().find_map(before);
        match first {
            _ if block == 0 => {
                for (number, place) in state.registers.iter_mut().enumerate() {
                    *place = Value::of(match Register(number as u8) {
                        STACK_POINTER => STACK,
                        Register::SCRATCH => JUNK,
                        register => self.values.add(Node::Entry(register)),
                    });
                }
                state.slots.clear();
            }
            Some(first) => state.copy_from(&self.exits[first]),
            None => {
                state = State::default();
            }
        }
        for (number, place) in state.registers.iter_mut().enumerate() {
            let register = Register(number as u8);
            if register == Register::SCRATCH {
                *place = Value::of(JUNK);
                continue;
            }
            let others = range.clone().filter_map(before).map(|from| self.exits[from].registers[number]);
            if block != 0 && others.clone().any(|other| other.node == JUNK) {
                *place = Value::of(JUNK);
                continue;
            }
            let own = *place;
            let join = forced.everything || forced.registers >> number & 1 == 1;
            if !join && others.clone().all(|other| other == own) {
                continue;
            }
            if own.node == JUNK {
                continue;
            }
            let at = JoinAt::Register(block, register);
            let mut id = self.values.join(at, own);
            for other in others {
                if other != own {
                    id = self.values.join(at, other);
                }
            }
            *place = Value::of(id);
        }
        if forced.everything {
            state.slots.clear();
        }
        let mut slots = std::mem::take(&mut state.slots);
        slots.retain_mut(|slot| {
            let others = range.clone().filter_map(before).map(|from| self.exits[from].slot(slot.base, slot.offset));
            if others.clone().any(|other| other.is_none()) {
                return false;
            }
            let own = slot.value;
            let join = forced.header && self.forced_slots.contains(&(block, slot.base == STACK, slot.offset));
            if !join && others.clone().flatten().all(|other| other == own) {
                return true;
            }
            let at = JoinAt::Slot(block, slot.base, slot.offset);
            let mut id = self.values.join(at, own);
            for other in others.flatten() {
                if other != own {
                    id = self.values.join(at, other);
                }
            }
            slot.value = Value::of(id);
            true
        });
        state.slots = slots;
        self.state = state;
    }

    /// Compares the ends of loops with their starts. True when something has to be followed again.
    fn close_loops(&mut self, give_up: bool) -> bool {
        let mut again = false;
        for block in 0..self.forced.len() {
            if !self.forced[block].header {
                continue;
            }
            for at in self.predecessors_of[block] as usize..self.predecessors_of[block + 1] as usize {
                let from = self.predecessors[at] as usize;
                if self.position[from] < self.position[block] {
                    continue;
                }
                let (entry, exit) = (&self.entries[block], &self.exits[from]);
                for number in 0..usize::from(Register::SCRATCH.0) {
                    let (start, end) = (entry.registers[number], exit.registers[number]);
                    if start.node == JUNK || end.node == JUNK {
                        continue;
                    }
                    if self.forced[block].everything || self.forced[block].registers >> number & 1 == 1 {
                        self.values.join(JoinAt::Register(block as u32, Register(number as u8)), end);
                    } else if start != end {
                        self.forced[block].registers |= 1 << number;
                        again = true;
                    }
                }
                for slot in &entry.slots {
                    let end = exit.slot(slot.base, slot.offset);
                    let key = (block as u32, slot.base == STACK, slot.offset);
                    if self.forced_slots.contains(&key) {
                        let cell = Value { node: slot.base, offset: slot.offset };
                        let end = end.unwrap_or_else(|| self.values.load(cell, 8, false));
                        self.values.join(JoinAt::Slot(block as u32, slot.base, slot.offset), end);
                    } else if end != Some(slot.value) {
                        self.forced_slots.insert(key);
                        again = true;
                    }
                }
            }
        }
        if again && give_up {
            for forced in self.forced.iter_mut().filter(|forced| forced.header) {
                if forced.everything {
                    return false;
                }
                forced.everything = true;
            }
        }
        again
    }
}
