//! Where the arguments of a call are.

use super::operation::Register;

/// The register of an argument, from 0, by the C calling convention; there are six.
pub fn argument_register(argument: u8) -> Register {
    const REGISTERS: [Register; 6] = [Register(5), Register(4), Register(1), Register(2), Register(8), Register(9)];
    REGISTERS[usize::from(argument).min(5)]
}
