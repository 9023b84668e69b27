//! The words of LIMA as types, and the schema of every table of a trace.
//!
//! This crate knows no file and no kernel: it is what all the other crates agree on.
//!
//! - [`words`]: lock types, modes, contexts, and how a holder or an object was found;
//! - [`histogram`]: the buckets that wait times are counted in, and percentiles from them;
//! - [`schema`]: the tables of a trace, column by column, and their description in Markdown;
//! - [`loss`]: everything that a recorder can lose, by cause;
//! - [`manifest`]: `trace.json`, the front page of a trace;
//! - [`escape`]: names that other people chose, made safe to show;
//! - [`spelling`]: tenants as people spell them.

pub mod escape;
pub mod histogram;
pub mod loss;
pub mod manifest;
pub mod schema;
pub mod spelling;
pub mod words;

pub use histogram::Histogram;
pub use loss::{Loss, Losses};
pub use manifest::Manifest;
pub use schema::Table;
pub use words::{Context, LockType, Method, Mode};
