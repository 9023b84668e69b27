//! The loads.

mod clock;
pub mod culprit;
pub mod hammer;
mod process;
mod userfault;
