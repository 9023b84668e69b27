//! Machine code as simple operations, functions, calls and lock sites.
//!
//! One narrow seam keeps the architecture out of everything else: [`lift`](Lift::lift) turns bytes into
//! [`Instruction`]s. x86-64 is `x86.rs`.

pub mod operation;

pub use operation::{Instruction, Operand, Operation, Place, Register, Registers, Target};
