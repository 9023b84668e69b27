//! The test kernel module `lima_locks`: locks of known truth, taken on command (`lab/modules/README.md`).
//!
//! - [`build`]: from its source, which this crate carries, to a module for one kernel, kept in the cache;
//! - [`load`], [`unload`]: into the running kernel and out of it;
//! - [`run`]: a command to it, and the [`Answer`].
//!
//! Everything but building is for guests: a module is not what a person wants in a kernel that matters.

mod answer;
mod build;
mod drive;
mod source;

pub use answer::{Answer, Listed, Listing, Round, Row, Span, Thread, Way};
pub use build::{Store, build, release_of};
pub use drive::{is_loaded, list, load, run, run_text, unload};
