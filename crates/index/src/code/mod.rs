//! Machine code as simple operations, functions, calls and lock sites.
//!
//! One narrow seam keeps the architecture out of everything else: [`Lift`] turns bytes into [`Instruction`]s. x86-64
//! is `x86.rs`.

mod arguments;
pub mod calls;
pub(crate) mod constants;
pub mod conventions;
pub mod functions;
pub mod graph;
pub mod landmarks;
pub mod operation;
mod program;
pub mod sites;
#[cfg(test)]
pub(crate) mod tests;
pub mod x86;

pub use arguments::argument_register;
pub use calls::{Call, CallKind, Calls};
pub use functions::{Function, FunctionId, Functions};
pub use graph::{Block, Graph, Surroundings};
pub use landmarks::Landmarks;
pub use operation::{Instruction, Operand, Operation, Place, Register, Registers, Target};
pub use program::Program;
pub use sites::{Primitives, Site};

use crate::image::Image;
use std::ops::Range;

/// What an image loads where.
pub trait Memory: Sync {
    /// The bytes at these addresses; none when not all of them are loaded from the file.
    fn bytes(&self, addresses: Range<u64>) -> Option<&[u8]>;
}

impl Memory for Image {
    fn bytes(&self, addresses: Range<u64>) -> Option<&[u8]> {
        let length = usize::try_from(addresses.end.checked_sub(addresses.start)?).ok()?;
        Image::bytes(self, addresses.start, length)
    }
}

impl Image {
    /// Where its code is.
    pub fn text(&self) -> impl Iterator<Item = Range<u64>> {
        let text = self.sections.iter().filter(|section| section.loaded && section.executable);
        text.map(|section| section.address..section.end())
    }
}

/// Turns the bytes of one architecture into operations.
pub trait Lift {
    /// Appends what all of `code`, which lies at `address`, does. What is no instruction is a
    /// [`Trap`](Operation::Trap).
    fn lift(&mut self, code: &[u8], address: u64, into: &mut Vec<Instruction>);

    /// The same for the first instruction only; its length, 0 when there is no code.
    fn lift_one(&mut self, code: &[u8], address: u64, into: &mut Vec<Instruction>) -> usize;

    /// Only the transfers of control in `code`: cheaper, for a whole image. Each with its address and length.
    fn scan(&mut self, code: &[u8], address: u64, each: &mut dyn FnMut(u64, u8, Transfer));

    /// Whether the code after a call branches on the call's result at once, and where it goes then.
    fn outcome(&mut self, code: &[u8], address: u64) -> Option<Outcome>;
}

/// A branch on the result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Address of the branch.
    pub branch: u64,
    /// Where it goes when the result is 0.
    pub zero: u64,
    /// Where it goes when not.
    pub other: u64,
}

/// Where control goes other than to the next instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// A call; `None`: of an address in a register or in memory.
    Call(Option<u64>),
    /// A jump; `None`: to an address in a register or in memory.
    Jump(Option<u64>),
    /// A jump that may go on instead.
    Branch(u64),
    /// A return.
    Return,
}
