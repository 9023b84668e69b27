//! What speaks for an object, one kind of evidence a file.

pub mod inits;
pub mod kin;
pub mod layouts;
pub mod sites;
pub mod slab;
pub mod variables;

use crate::names::Name;
use lima_model::LockType;

/// What a piece of evidence says a lock is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The object, as the index calls it.
    pub object: Name,
    /// Paths of the lock from wider structs, or from the variable.
    pub containers: Vec<Name>,
    /// The variable.
    pub instance: Option<Name>,
}

impl Claim {
    /// Whether both can be said of the same lock: they name the same object, or one names a part of what the other names.
    pub fn agrees(&self, other: &Self) -> bool {
        self.object == other.object
            || self.containers.contains(&other.object)
            || other.containers.contains(&self.object)
            || self.containers.iter().any(|container| other.containers.contains(container))
    }
}

/// A type by its name, as the tracing side tells types apart.
pub fn family_named(name: &str) -> Option<LockType> {
    LockType::from_name(name).map(LockType::family)
}
