//! Where the blocks of a function lead: by its instructions, and by the tables of the image.

use super::{Builder, Exit, MAX_TABLE};
use crate::code::Lift;
use crate::code::operation::{Instruction, Operation, Place, Register, Target};

impl Builder<'_> {
    pub(super) fn find_edges(&mut self, lift: &mut dyn Lift) {
        for i in 0..self.graph.instructions.len() {
            let Instruction { length, operation, .. } = self.graph.instructions[i];
            if length == 0 {
                continue;
            }
            match operation {
                Operation::Jump(Target::Direct(to)) => {
                    self.ends[i] = true;
                    self.jump(i, to, lift);
                }
                Operation::Jump(Target::Indirect(register)) => {
                    self.ends[i] = true;
                    self.jump_table(i, register);
                }
                Operation::Branch { address } => {
                    self.leads[i + 1] = true;
                    self.jump(i, address, lift);
                }
                Operation::Return => self.ends[i] = true,
                Operation::Trap => self.ends[i] = !self.comes_back(i),
                _ => {}
            }
        }
        for part in 0..self.parts.len() {
            self.landmark_edges(part, lift);
        }
    }

    /// Whether a trap goes on. When the image has no table of them it may, unless traps follow (padding).
    fn comes_back(&self, trap: usize) -> bool {
        self.around.landmarks.comes_back(self.graph.instructions[trap].address).unwrap_or_else(|| {
            let next = self.graph.instructions.get(trap + 1);
            next.is_some_and(|next| next.operation != Operation::Trap)
        })
    }

    fn exit(&mut self, from: usize, to: u64) -> bool {
        let Some(to) = self.find(to) else { return false };
        self.leads[to] = true;
        self.leads[from + 1] = true;
        self.exits.push(Exit { from, to });
        true
    }

    /// A jump to a place in the function, or to a detour that comes back to it.
    fn jump(&mut self, from: usize, to: u64, lift: &mut dyn Lift) {
        if self.exit(from, to) || !self.around.landmarks.is_detour(to) {
            return;
        }
        // A test of a bit, a jump and another jump.
        const LONGEST: u64 = 32;
        let Some(bytes) = (1..=LONGEST).rev().find_map(|n| self.around.memory.bytes(to..to.checked_add(n)?)) else {
            return;
        };
        let mut operations = Vec::new();
        lift.lift(bytes, to, &mut operations);
        for instruction in operations {
            match instruction.operation {
                Operation::Branch { address } => _ = self.exit(from, address),
                Operation::Jump(Target::Direct(address)) => {
                    self.exit(from, address);
                    break;
                }
                Operation::Jump(_) | Operation::Return | Operation::Trap => break,
                _ => {}
            }
        }
    }

    /// A jump to an address in a table: the compiler's `switch`.
    fn jump_table(&mut self, jump: usize, register: Register) {
        let start = jump.saturating_sub(12);
        let before = &self.graph.instructions[start..jump];
        let table = before.iter().rev().find_map(|instruction| match instruction.operation {
            Operation::Load {
                to,
                from: Place { base: None, index: Some((_, 8)), displacement, per_cpu: false },
                ..
            } if to == register => Some(displacement.cast_unsigned()),
            _ => None,
        });
        let Some(table) = table else { return };
        for entry in 0..MAX_TABLE {
            let target = table.checked_add(entry * 8).and_then(|at| self.pointer(at));
            if !target.is_some_and(|target| self.exit(jump, target)) {
                break;
            }
        }
    }

    /// The edges that the image has in tables.
    fn landmark_edges(&mut self, part: usize, lift: &mut dyn Lift) {
        let landmarks = self.around.landmarks;
        let range = self.parts[part].0.clone();
        for &(from, to) in landmarks.jumps(&range) {
            let Some(first) = self.find(from) else { continue };
            let last = self.last(first);
            self.ends[last] = false;
            self.exit(last, to);
        }
        for &(from, to) in landmarks.faults(&range) {
            let Some(first) = self.find(from) else { continue };
            if self.exit(self.last(first), to) {
                self.leads[first] = true;
            }
        }
        for alternative in landmarks.alternatives(&range) {
            let Some(first) = self.find(alternative.original.start) else { continue };
            let last = self.last(first);
            // A jump may become none, or something else a jump.
            if matches!(self.graph.instructions[last].operation, Operation::Jump(_)) {
                self.exit(last, alternative.original.end);
            }
            let Some(bytes) = self.around.memory.bytes(alternative.replacement.clone()) else { continue };
            let mut operations = Vec::new();
            lift.lift(bytes, alternative.replacement.start, &mut operations);
            for instruction in operations {
                if let Operation::Jump(Target::Direct(to)) | Operation::Branch { address: to } = instruction.operation {
                    self.exit(last, to);
                }
            }
        }
    }
}
