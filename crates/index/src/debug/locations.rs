//! Where a variable is kept: DWARF's expressions as [`Location`]s.
//!
//! An expression is a small program for a stack machine. What compilers write for variables nearly always comes to a
//! register or the frame plus a number, or to what memory holds there; that much is followed here, symbolically.

use super::Location;
use super::unit::{Bytes, Dwarf, Unit};
use crate::code::Register;
use gimli::{Expression, Operation, Reader as _, Result};

/// What an expression comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The variable is there.
    Location(Location),
    /// The same of when the function was entered.
    AtEntry(Location),
    /// The variable is in memory, and its address is kept there.
    Pointed(Location),
    /// The variable is nowhere: it was optimised away.
    Nothing,
    /// It is somewhere, but that cannot be said.
    Elsewhere,
}

/// Where an expression on the frame starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum FrameBase {
    /// The canonical frame address.
    #[default]
    Canonical,
    /// A register.
    Register(Register),
    /// Something else.
    Unknown,
}

/// A value on the machine's stack: what it starts from, and a number added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sum {
    base: Base,
    add: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Zero,
    Register(Register),
    Entry(Register),
    Canonical,
    /// What is in memory at a register plus a number.
    Loaded(Register, i64),
    LoadedFrame(i64),
}

/// Expressions longer than this say nothing that could be used.
const OPERATIONS: usize = 24;

/// What an expression of a unit comes to.
pub(super) fn locate<'a>(
    dwarf: &Dwarf<'a>,
    unit: &Unit<'a>,
    expression: Expression<Bytes<'a>>,
    frame: FrameBase,
) -> Found {
    if expression.0.is_empty() {
        return Found::Nothing;
    }
    evaluate(dwarf, unit, expression, frame, true).unwrap_or(None).unwrap_or(Found::Elsewhere)
}

/// The frame base that an expression gives.
pub(super) fn frame_base<'a>(dwarf: &Dwarf<'a>, unit: &Unit<'a>, expression: Expression<Bytes<'a>>) -> FrameBase {
    match locate(dwarf, unit, expression, FrameBase::Unknown) {
        Found::Location(Location::Register(register)) => FrameBase::Register(register),
        Found::Location(Location::Frame { offset: 0, value: false }) => FrameBase::Canonical,
        _ => FrameBase::Unknown,
    }
}

fn evaluate<'a>(
    dwarf: &Dwarf<'a>,
    unit: &Unit<'a>,
    expression: Expression<Bytes<'a>>,
    frame: FrameBase,
    outer: bool,
) -> Result<Option<Found>> {
    let encoding = unit.inner.encoding();
    let mut operations = expression.operations(encoding);
    let mut stack: Vec<Sum> = Vec::new();
    for _ in 0..OPERATIONS {
        let Some(operation) = operations.next()? else {
            return Ok(stack.pop().filter(|_| stack.is_empty()).and_then(in_memory));
        };
        let top = match operation {
            Operation::Register { register } => {
                // It says where the variable is, and so must stand alone.
                let Some(register) = general(register) else { return Ok(None) };
                let alone = stack.is_empty() && is_last(&mut operations)?;
                return Ok(alone.then_some(Found::Location(Location::Register(register))));
            }
            Operation::RegisterOffset { register, offset, base_type } if base_type.0 == 0 => {
                let Some(register) = general(register) else { return Ok(None) };
                Sum { base: Base::Register(register), add: offset }
            }
            Operation::FrameOffset { offset } => match frame {
                FrameBase::Canonical => Sum { base: Base::Canonical, add: offset },
                FrameBase::Register(register) => Sum { base: Base::Register(register), add: offset },
                FrameBase::Unknown => return Ok(None),
            },
            Operation::CallFrameCFA => Sum { base: Base::Canonical, add: 0 },
            Operation::Address { address } => constant(address.cast_signed()),
            Operation::AddressIndex { index } | Operation::ConstantIndex { index } => {
                constant(dwarf.address(&unit.inner, index)?.cast_signed())
            }
            Operation::UnsignedConstant { value } => constant(value.cast_signed()),
            Operation::SignedConstant { value } => constant(value),
            Operation::PlusConstant { value } => {
                let Some(top) = stack.pop() else { return Ok(None) };
                Sum { add: top.add.wrapping_add(value.cast_signed()), ..top }
            }
            Operation::Plus => match (stack.pop(), stack.pop()) {
                (Some(b), Some(a)) if b.base == Base::Zero => Sum { add: a.add.wrapping_add(b.add), ..a },
                (Some(b), Some(a)) if a.base == Base::Zero => Sum { add: a.add.wrapping_add(b.add), ..b },
                _ => return Ok(None),
            },
            Operation::Minus => match (stack.pop(), stack.pop()) {
                (Some(b), Some(a)) if b.base == Base::Zero => Sum { add: a.add.wrapping_sub(b.add), ..a },
                _ => return Ok(None),
            },
            Operation::Deref { base_type, size: 8, space: false } if base_type.0 == 0 => match stack.pop() {
                Some(Sum { base: Base::Register(register), add }) => Sum { base: Base::Loaded(register, add), add: 0 },
                Some(Sum { base: Base::Canonical, add }) => Sum { base: Base::LoadedFrame(add), add: 0 },
                _ => return Ok(None),
            },
            Operation::EntryValue { expression } if outer => {
                // Of the forms in use only a register says something without the caller.
                match evaluate(dwarf, unit, Expression(expression), FrameBase::Unknown, false)? {
                    Some(Found::Location(Location::Register(register))) => Sum { base: Base::Entry(register), add: 0 },
                    _ => return Ok(None),
                }
            }
            Operation::StackValue => {
                let value = stack.pop().filter(|_| stack.is_empty());
                return Ok(if is_last(&mut operations)? { value.and_then(as_value) } else { None });
            }
            Operation::ImplicitValue { data } => {
                let number = number(data);
                return Ok(if is_last(&mut operations)? { number } else { None });
            }
            Operation::Nop | Operation::Uninitialized => continue,
            _ => return Ok(None),
        };
        stack.push(top);
    }
    Ok(None)
}

fn constant(value: i64) -> Sum {
    Sum { base: Base::Zero, add: value }
}

/// Whether nothing more comes that counts. Compilers mark variables that may not be initialised yet.
fn is_last(operations: &mut gimli::OperationIter<Bytes<'_>>) -> Result<bool> {
    Ok(match operations.next()? {
        None => true,
        Some(Operation::Uninitialized | Operation::Nop) => operations.next()?.is_none(),
        Some(_) => false,
    })
}

/// The variable is in memory at this sum.
fn in_memory(sum: Sum) -> Option<Found> {
    Some(Found::Location(match sum.base {
        Base::Zero => Location::Static(sum.add.cast_unsigned()),
        Base::Register(register) => Location::Memory(register, sum.add),
        Base::Canonical => Location::Frame { offset: sum.add, value: false },
        Base::Entry(register) => return Some(Found::AtEntry(Location::Memory(register, sum.add))),
        Base::Loaded(register, offset) if sum.add == 0 => {
            return Some(Found::Pointed(Location::Memory(register, offset)));
        }
        Base::LoadedFrame(offset) if sum.add == 0 => {
            return Some(Found::Pointed(Location::Frame { offset, value: false }));
        }
        Base::Loaded(..) | Base::LoadedFrame(_) => return None,
    }))
}

/// The variable's value is this sum.
fn as_value(sum: Sum) -> Option<Found> {
    Some(Found::Location(match sum.base {
        Base::Zero => Location::Constant(sum.add.cast_unsigned()),
        Base::Register(register) => Location::RegisterPlus(register, sum.add),
        Base::Canonical => Location::Frame { offset: sum.add, value: true },
        Base::Entry(register) => return Some(Found::AtEntry(Location::RegisterPlus(register, sum.add))),
        Base::Loaded(register, offset) if sum.add == 0 => Location::Memory(register, offset),
        Base::LoadedFrame(offset) if sum.add == 0 => Location::Frame { offset, value: false },
        Base::Loaded(..) | Base::LoadedFrame(_) => return None,
    }))
}

/// One of the sixteen general registers of x86-64, which have the numbers 0 to 15.
fn general(register: gimli::Register) -> Option<Register> {
    u8::try_from(register.0).ok().filter(|number| *number < 16).map(Register)
}

/// The bytes of a value as a number.
fn number(mut data: Bytes<'_>) -> Option<Found> {
    let length = data.len();
    if length == 0 || length > 8 {
        return None;
    }
    let value = data.read_uint(length).ok()?;
    Some(Found::Location(Location::Constant(value)))
}
