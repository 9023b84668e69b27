//! The kernel index: from a kernel image to every lock, the object that it protects, and every place that takes it.
//!
//! An image goes through rooms, each with one subject:
//!
//! - [`image`]: a kernel or module file as sections, symbols and addresses, whatever it was packed in;
//! - [`types`]: its types, from BTF or DWARF, and which of their members are locks;
//! - [`layout`]: where locks lie in structs and variables, and what shares their cache lines;
//! - [`debug`]: what DWARF says of code: functions, inlining, lines, and where variables are kept;
//! - [`code`]: its machine code as simple operations, functions, calls and lock sites;
//! - [`flow`]: which object each site locks, by following values and the evidence of their types;
//! - [`nesting`]: which locks are taken while others are held, and what functions are to locks;
//! - [`rows`]: the rows that come out of it;
//! - [`store`]: an index on disk;
//! - [`query`]: questions to it;
//! - [`build`]: all of it in order.

pub mod build;
pub mod code;
pub mod debug;
mod error;
pub mod flow;
pub mod image;
pub mod layout;
pub mod nesting;
pub mod query;
pub mod rows;
pub mod store;
pub mod types;

pub use error::Error;

/// A fingerprint of this crate's code: an index that other code made may know less.
pub(crate) const ANALYSIS: &str = env!("LIMA_ANALYSIS");

/// Whether an index was made by this very code.
pub fn is_of_this_version(manifest: &lima_model::IndexManifest) -> bool {
    manifest.analysis == ANALYSIS
}
