//! Where locks lie: in structs, and in variables.

#[cfg(test)]
mod agreement_tests;
mod globals;
#[cfg(test)]
mod globals_tests;
mod members;
mod show;
#[cfg(test)]
mod tests;
mod variables;

pub use globals::{Globals, addresses_of, around, object_of};
pub use members::{LINE_BYTES, lock_members};
pub use show::{LayoutRow, layout};
