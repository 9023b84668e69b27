//! Which object a site locks.
//!
//! The address that a lock function is given is followed back to values: a parameter, what a call returned, what was
//! loaded from where, a constant. What is known of the types of values (evidence) is carried forth and back between
//! them; at the site, the lock at that offset of that type is the answer.

mod answer;
mod callers;
mod container;
mod engine;
mod evidence;
mod explain;
mod follow;
mod gather;
mod known;
mod learn;
mod pointers;
#[cfg(test)]
mod tests;
mod values;

use crate::types::TypeId;
use lima_model::words::SiteMethod;

pub use answer::{Judge, Question};
pub use engine::{Engine, Sources, answer_sites};
pub use evidence::{Clue, Evidence, Own};
pub use follow::Follower;
pub use known::{Global, Known};
pub use pointers::{Held, Pointers};
pub use values::{Special, Value};

/// What a site locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A member of a struct.
    Member {
        /// The innermost named struct that declares it.
        declaring: TypeId,
        /// The path in it.
        path: String,
    },
    /// A lock in a variable, by the address of the lock.
    Global {
        /// The lock's address; of a per-CPU variable, as the image has it.
        address: u64,
    },
    /// The lock that a pointer in this field points to.
    Pointer {
        /// The struct that has the pointer.
        declaring: TypeId,
        /// The path to the pointer in it.
        path: String,
    },
    /// A lock on the stack of the function.
    Local,
    /// It could not be found out; a cause in a few words, from a small set.
    Unknown(&'static str),
}

/// The answer for a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What is locked.
    pub object: Object,
    /// What else it could be: wider containers, or what the evidence also allows.
    pub alternatives: Vec<Object>,
    /// How it was found.
    pub method: SiteMethod,
}
