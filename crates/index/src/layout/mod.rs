//! Where locks lie: in structs, and in variables.

mod members;

pub use members::lock_members;
