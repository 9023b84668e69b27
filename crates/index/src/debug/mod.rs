//! What DWARF says of code: functions and what was inlined into them, lines, and where variables are kept.
//!
//! Only what is asked for is read: the functions with lock sites for their variables, the addresses of call sites for
//! their lines. Units are read side by side.

use crate::code::Register;
use crate::types::TypeId;

/// Where a variable's value is, or what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// The value is in a register.
    Register(Register),
    /// The value is a register's plus a number (`DW_OP_bregN n, DW_OP_stack_value`): what container_of leaves behind.
    RegisterPlus(Register, i64),
    /// The value is in memory at a register's plus a number.
    Memory(Register, i64),
    /// The value is in memory at the frame's canonical address plus a number; the same when `value`: it *is* that
    /// address.
    Frame {
        /// From the canonical frame address (the stack pointer before the call into the function).
        offset: i64,
        /// The address itself is the value.
        value: bool,
    },
    /// The variable is in memory at an address.
    Static(u64),
    /// The value is this number.
    Constant(u64),
}

/// While the program is between two addresses, a variable or parameter of this type is kept there. Also of inlined
/// functions: their variables are as good a witness as the function's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// First address.
    pub start: u64,
    /// The address after the last.
    pub end: u64,
    /// Where it is.
    pub location: Location,
    /// Its type.
    pub of: TypeId,
    /// Whether it is a parameter of a function that was inlined, or of the function itself.
    pub parameter: bool,
}

/// A place in the source, in a function. Of several for one address the first is the innermost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function, inlined or not.
    pub function: std::sync::Arc<str>,
    /// The file, as the compiler was given it, without the folder it was built in.
    pub file: std::sync::Arc<str>,
    /// The line, from 1; 0 when not known.
    pub line: u32,
}

/// A variable at a fixed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the source.
    pub name: String,
    /// Its address.
    pub address: u64,
    /// Its type.
    pub of: TypeId,
    /// The function that it is local to, when it is.
    pub function: Option<String>,
}
