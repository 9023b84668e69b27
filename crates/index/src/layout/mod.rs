//! Where locks lie: in structs, and in variables.

mod globals;
mod members;
mod variables;

pub use globals::Globals;
pub use members::lock_members;
