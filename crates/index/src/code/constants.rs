//! The numbers that registers hold at a place in a function, as far as the code just before says so.

use super::conventions::CALLER_SAVED;
use super::graph::Graph;
use super::operation::{Operand, Operation, Place, Register, Registers};

/// How many blocks to look back: each must be the only one that leads to the next.
const BLOCKS: usize = 4;

/// What is known of each register.
pub type Known = [Option<i64>; Register::COUNT];

/// The registers just before the operation with this number of a block.
pub fn before(graph: &Graph, block: u32, operation: usize) -> Known {
    let mut path = vec![block];
    while path.len() <= BLOCKS
        && let Some(&[before]) = path.last().map(|&block| graph.predecessors(block))
        && !path.contains(&before)
    {
        path.push(before);
    }
    let mut known = [None; Register::COUNT];
    for &other in path.iter().rev() {
        let operations = graph.operations(other);
        let until = if other == block { operation.min(operations.len()) } else { operations.len() };
        for instruction in &operations[..until] {
            step(&instruction.operation, &mut known);
        }
    }
    known
}

fn step(operation: &Operation, known: &mut Known) {
    let value = |operand: Operand, known: &Known| match operand {
        Operand::Constant(value) => Some(value),
        Operand::Register(register) => known[usize::from(register.0)],
    };
    let result = match *operation {
        Operation::Copy { to, from, bytes } => {
            let narrow = |value: i64| if bytes == 4 { value & 0xffff_ffff } else { value };
            Some((to, value(from, known).map(narrow)))
        }
        Operation::Address { to, of: Place { base, index, displacement, .. } } => {
            let base = base.map_or(Some(0), |base| value(Operand::Register(base), known));
            let index = index.map_or(Some(0), |(index, scale)| {
                Some(value(Operand::Register(index), known)?.wrapping_mul(i64::from(scale)))
            });
            Some((to, base.zip(index).map(|(a, b)| a.wrapping_add(b).wrapping_add(displacement))))
        }
        Operation::Add { to, a, b } => {
            let sum = value(Operand::Register(a), known).zip(value(b, known));
            Some((to, sum.map(|(a, b)| a.wrapping_add(b))))
        }
        Operation::And { to, a, mask } => {
            let both = value(Operand::Register(a), known).zip(value(mask, known));
            Some((to, both.map(|(a, b)| a & b)))
        }
        Operation::ShiftLeft { to, a, bits } => {
            Some((to, value(Operand::Register(a), known).map(|value| value.wrapping_shl(bits.into()))))
        }
        Operation::Multiply { to, a, by } => {
            Some((to, value(Operand::Register(a), known).map(|value| value.wrapping_mul(by))))
        }
        Operation::Load { to, .. } => Some((to, None)),
        Operation::Choose { to, other } => {
            let (stays, changes) = (known[usize::from(to.0)], known[usize::from(other.0)]);
            Some((to, stays.filter(|_| stays == changes)))
        }
        Operation::Call(_) => return forget(CALLER_SAVED, known),
        Operation::Other { writes, .. } => return forget(writes, known),
        Operation::Store { .. }
        | Operation::Jump(_)
        | Operation::Branch { .. }
        | Operation::Return
        | Operation::Trap
        | Operation::Nothing => None,
    };
    if let Some((to, value)) = result {
        known[usize::from(to.0)] = value;
    }
}

fn forget(registers: Registers, known: &mut Known) {
    for register in registers.iter() {
        if let Some(value) = known.get_mut(usize::from(register.0)) {
            *value = None;
        }
    }
}
