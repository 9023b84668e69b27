//! Where locks lie: in structs, and in variables.

mod globals;
mod members;
mod show;
#[cfg(test)]
mod tests;
mod variables;

pub use globals::Globals;
pub use members::{LINE_BYTES, lock_members};
pub use show::{LayoutRow, layout};
