//! The words of LIMA as types, and the schema of every table of traces and indexes.
//!
//! This crate knows no file and no kernel: it is what all the other crates agree on.
//!
//! - [`words`]: lock types, modes, contexts, and how a holder or an object was found;
//! - [`histogram`]: the buckets that wait times are counted in, and percentiles from them;
//! - [`schema`]: the tables of traces and indexes, column by column, and their description in Markdown;
//! - [`loss`]: everything that a recorder can lose, by cause;
//! - [`manifest`]: `trace.json`, the front page of a trace;
//! - [`index`]: `index.json`, the front page of an index;
//! - [`table`]: tables as they are handed to people;
//! - [`pattern`]: text in which `*` stands for anything;
//! - [`build_id`]: build ids as they are written, and where debug information lies by them;
//! - [`escape`]: names that other people chose, made safe to show;
//! - [`spelling`]: tenants as people spell them;
//! - [`stat`]: what can be measured of acquisitions;
//! - [`primitive`]: the kernel's lock functions;
//! - [`machinery`]: which functions are part of a lock and not users of it;
//! - [`source`]: the same of what is inlined;
//! - [`study`]: the front pages of a study and of its runs.

pub mod build_id;
pub mod escape;
pub mod histogram;
pub mod index;
pub mod loss;
pub mod machinery;
pub mod manifest;
pub mod pattern;
pub mod primitive;
pub mod schema;
pub mod source;
pub mod spelling;
pub mod stat;
pub mod study;
pub mod table;
pub mod words;

pub use histogram::Histogram;
pub use index::IndexManifest;
pub use loss::{Loss, Losses};
pub use manifest::Manifest;
pub use primitive::Primitive;
pub use schema::{IndexTable, Table};
pub use stat::Stat;
pub use words::{Context, LockType, Method, Mode};
