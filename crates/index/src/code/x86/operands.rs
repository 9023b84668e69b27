//! The operands of an instruction.

use super::DWARF;
use crate::code::operation::{Operand, Place, Register};
use iced_x86::OpKind;

/// What an operand is, when it can be said simply.
#[derive(Clone, Copy)]
pub(super) enum Simple {
    /// A whole register (or the low half of one) and its width in bytes.
    Register(Register, u8),
    /// The lowest bytes of a register.
    Low(Register, u8),
    Constant(i64),
    Memory(Place),
    /// Segment and vector registers, `ah`, fs.
    Other,
}

/// The general register of a name of any width, and its width in bytes; 0 for `ah` and its kin.
pub(super) fn general(register: iced_x86::Register) -> Option<(Register, u8)> {
    if !register.is_gpr() {
        return None;
    }
    let full = register.full_register();
    let number = DWARF[full.number() & 15];
    let high = matches!(
        register,
        iced_x86::Register::AH | iced_x86::Register::BH | iced_x86::Register::CH | iced_x86::Register::DH
    );
    Some((Register(number), if high { 0 } else { register.size() as u8 }))
}

pub(super) fn operand(decoded: &iced_x86::Instruction, index: u32) -> Simple {
    if index >= decoded.op_count() {
        return Simple::Other;
    }
    match decoded.op_kind(index) {
        OpKind::Register => match general(decoded.op_register(index)) {
            Some((register, bytes @ (4 | 8))) => Simple::Register(register, bytes),
            Some((register, bytes @ (1 | 2))) => Simple::Low(register, bytes),
            _ => Simple::Other,
        },
        OpKind::Memory => place(decoded).map_or(Simple::Other, Simple::Memory),
        OpKind::Immediate8
        | OpKind::Immediate8_2nd
        | OpKind::Immediate16
        | OpKind::Immediate32
        | OpKind::Immediate64
        | OpKind::Immediate8to16
        | OpKind::Immediate8to32
        | OpKind::Immediate8to64
        | OpKind::Immediate32to64 => Simple::Constant(decoded.immediate(index).cast_signed()),
        _ => Simple::Other,
    }
}

/// The place of the memory operand.
pub(super) fn place(decoded: &iced_x86::Instruction) -> Option<Place> {
    use iced_x86::Register as Name;
    let displacement = decoded.memory_displacement64().cast_signed();
    let per_cpu = match decoded.memory_segment() {
        Name::GS => true,
        Name::FS => return None,
        _ => false,
    };
    if decoded.is_ip_rel_memory_operand() {
        return Some(Place { base: None, index: None, displacement, per_cpu });
    }
    let wide = |register| match general(register) {
        Some((register, 8)) => Some(register),
        _ => None,
    };
    let base = match decoded.memory_base() {
        Name::None => None,
        name => Some(wide(name)?),
    };
    let index = match decoded.memory_index() {
        Name::None => None,
        name => Some((wide(name)?, decoded.memory_index_scale() as u8)),
    };
    Some(Place { base, index, displacement, per_cpu })
}

/// A number as a register of that width holds it.
pub(super) fn constant(value: i64, bytes: u8) -> Operand {
    Operand::Constant(if bytes == 4 { value & 0xffff_ffff } else { value })
}

pub(super) fn memory_bytes(decoded: &iced_x86::Instruction) -> u8 {
    decoded.memory_size().size().min(64) as u8
}
