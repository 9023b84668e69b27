//! Sums, masks, shifts, products, and moves that depend on something.

use super::Out;
use super::operands::{Simple, constant, memory_bytes, operand, place};
use crate::code::operation::{Operand, Operation, Place, Register};
use iced_x86::Mnemonic;

pub(super) fn address(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let (Simple::Register(to, bytes), Some(of)) = (operand(decoded, 0), place(decoded)) else {
        return false;
    };
    let displacement = Operand::Constant(of.displacement);
    match (of.base, of.index) {
        // lea takes no notice of the segment.
        (None, None) => out.push(Operation::Copy { to, from: constant(of.displacement, bytes), bytes }),
        (Some(a), None) if of.displacement == 0 => {
            out.push(Operation::Copy { to, from: Operand::Register(a), bytes });
        }
        (Some(a), None) => {
            out.push(Operation::Add { to, a, b: displacement });
            out.narrow(to, bytes);
        }
        _ => {
            out.push(Operation::Address { to, of: Place { per_cpu: false, ..of } });
            out.narrow(to, bytes);
        }
    }
    true
}

/// The second operand as a number or a register, loaded into the scratch register when it is in memory.
fn second(decoded: &iced_x86::Instruction, out: &mut Out<'_>, bytes: u8) -> Option<Operand> {
    Some(match operand(decoded, 1) {
        Simple::Register(register, _) => Operand::Register(register),
        Simple::Constant(value) => Operand::Constant(value),
        Simple::Memory(from) => {
            out.push(Operation::Load { to: Register::SCRATCH, from, bytes });
            Operand::Register(Register::SCRATCH)
        }
        _ => return None,
    })
}

/// `add`, `sub`, `and`, `or`, `xor`, to a register or to memory.
pub(super) fn arithmetic(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let mnemonic = decoded.mnemonic();
    match operand(decoded, 0) {
        Simple::Register(to, bytes) => {
            let same = matches!(operand(decoded, 1), Simple::Register(other, _) if other == to);
            if same && matches!(mnemonic, Mnemonic::Xor | Mnemonic::Sub) {
                out.push(Operation::Copy { to, from: Operand::Constant(0), bytes });
                return true;
            }
            let Some(b) = second(decoded, out, bytes) else { return false };
            combine(mnemonic, to, b, bytes, out);
        }
        Simple::Memory(place) => {
            let bytes = memory_bytes(decoded);
            let b = match operand(decoded, 1) {
                Simple::Register(register, _) => Operand::Register(register),
                Simple::Constant(value) => Operand::Constant(value),
                _ => return false,
            };
            if !matches!(bytes, 4 | 8) {
                return false;
            }
            out.push(Operation::Load { to: Register::SCRATCH, from: place, bytes });
            combine(mnemonic, Register::SCRATCH, b, bytes, out);
            out.push(Operation::Store { to: place, from: Operand::Register(Register::SCRATCH), bytes });
        }
        _ => return false,
    }
    true
}

/// `to = to (mnemonic) b`.
fn combine(mnemonic: Mnemonic, to: Register, b: Operand, bytes: u8, out: &mut Out<'_>) {
    match (mnemonic, b) {
        (Mnemonic::Add, b) => out.push(Operation::Add { to, a: to, b }),
        (Mnemonic::Sub, Operand::Constant(value)) => {
            out.push(Operation::Add { to, a: to, b: Operand::Constant(value.wrapping_neg()) });
        }
        (Mnemonic::And, Operand::Constant(value)) => {
            return out.push(Operation::And { to, a: to, mask: constant(value, bytes) });
        }
        (Mnemonic::And, mask) => out.push(Operation::And { to, a: to, mask }),
        (Mnemonic::Or, Operand::Constant(-1)) => {
            return out.push(Operation::Copy { to, from: constant(-1, bytes), bytes });
        }
        _ => return out.unknown(to),
    }
    out.narrow(to, bytes);
}

/// `inc` and `dec`.
pub(super) fn add_constant(decoded: &iced_x86::Instruction, out: &mut Out<'_>, by: i64) -> bool {
    match operand(decoded, 0) {
        Simple::Register(to, bytes) => combine(Mnemonic::Add, to, Operand::Constant(by), bytes, out),
        Simple::Memory(place) if matches!(memory_bytes(decoded), 4 | 8) => {
            let bytes = memory_bytes(decoded);
            out.push(Operation::Load { to: Register::SCRATCH, from: place, bytes });
            combine(Mnemonic::Add, Register::SCRATCH, Operand::Constant(by), bytes, out);
            out.push(Operation::Store { to: place, from: Operand::Register(Register::SCRATCH), bytes });
        }
        _ => return false,
    }
    true
}

pub(super) fn zero_extend(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    match (operand(decoded, 0), operand(decoded, 1)) {
        (Simple::Register(to, _), Simple::Low(a, bytes)) => {
            let mask = Operand::Constant(if bytes == 1 { 0xff } else { 0xffff });
            out.push(Operation::And { to, a, mask });
        }
        (Simple::Register(to, _), Simple::Memory(from)) => {
            out.push(Operation::Load { to, from, bytes: memory_bytes(decoded) });
        }
        _ => return false,
    }
    true
}

pub(super) fn shift_left(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let (Simple::Register(to, bytes), Simple::Constant(by)) = (operand(decoded, 0), operand(decoded, 1)) else {
        return false;
    };
    let bits = (by & if bytes == 8 { 63 } else { 31 }) as u8;
    out.push(Operation::ShiftLeft { to, a: to, bits });
    out.narrow(to, bytes);
    true
}

/// `imul` of a value by a number; the other forms are unknown values.
pub(super) fn multiply(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let (Simple::Register(to, bytes), Simple::Constant(by)) = (operand(decoded, 0), operand(decoded, 2)) else {
        return false;
    };
    let Some(Operand::Register(a)) = second(decoded, out, bytes) else { return false };
    if by > 0 && by.count_ones() == 1 {
        out.push(Operation::ShiftLeft { to, a, bits: by.trailing_zeros() as u8 });
    } else {
        out.push(Operation::Multiply { to, a, by });
    }
    out.narrow(to, bytes);
    true
}

pub(super) fn exchange(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    match (operand(decoded, 0), operand(decoded, 1)) {
        // `xchg %ax, %ax` and its kin are padding.
        (Simple::Register(a, 8) | Simple::Low(a, 2), Simple::Register(b, 8) | Simple::Low(b, 2)) if a == b => {}
        (Simple::Register(a, bytes), Simple::Register(b, _)) => {
            out.push(Operation::Copy { to: Register::SCRATCH, from: Operand::Register(a), bytes });
            out.push(Operation::Copy { to: a, from: Operand::Register(b), bytes });
            out.push(Operation::Copy { to: b, from: Operand::Register(Register::SCRATCH), bytes });
        }
        (Simple::Memory(place), Simple::Register(register, bytes))
        | (Simple::Register(register, bytes), Simple::Memory(place)) => {
            out.push(Operation::Load { to: Register::SCRATCH, from: place, bytes });
            out.push(Operation::Store { to: place, from: Operand::Register(register), bytes });
            out.push(Operation::Copy { to: register, from: Operand::Register(Register::SCRATCH), bytes });
        }
        _ => return false,
    }
    true
}

pub(super) fn choose(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let Simple::Register(to, bytes) = operand(decoded, 0) else { return false };
    let Some(Operand::Register(other)) = second(decoded, out, bytes) else { return false };
    out.push(Operation::Choose { to, other });
    out.narrow(to, bytes);
    true
}
