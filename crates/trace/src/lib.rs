//! A trace on disk: how it is written while a recorder runs, and how it is read afterwards.
//!
//! A trace is a folder `NAME.lima/` with a front page, `trace.json` (the [`Manifest`](lima_model::Manifest)), and one
//! folder of Parquet files for each [`Table`](lima_model::Table). `docs/trace-format.md` describes it for people who
//! read it with other tools.
//!
//! **Writing.** A [`Writer`] appends *segments*: whole Parquet files, one for each batch of rows, written under a
//! temporary name and renamed into place. Whatever happens to the recorder, every segment that has its name is whole.
//! At the end, [`Writer::finish`] merges the many small segments of a table into few large ones; the merged folder
//! takes the place of the old one in a single step, so that at no moment a row is missing or there twice, whoever reads.
//!
//! **Replacing.** [`replace()`] puts other rows in the place of a table's, in a trace that is finished.
//!
//! **Reading.** [`Trace::open`] checks everything it finds: the manifest's schema, and for each segment its checksum,
//! its footer and its columns. What is damaged is left out and listed ([`Trace::damaged`]), and counts as a loss.
//! [`Trace::read`] then yields the rows. A trace in an object store ([`Trace::at`]) is read the same way, but only the ends
//! of its larger segments are looked at when it is opened: the store answers for what it keeps, and reading all of it
//! is what a question should not cost.

mod checksum;
#[cfg(test)]
mod crafted;
mod error;
mod manifest;
mod merge;
mod remote;
mod replace;
mod segment;
mod trace;
mod writer;

pub use error::Error;
pub use replace::replace;
pub use segment::Segment;
pub use trace::{Batches, Damaged, Trace};
pub use writer::Writer;

/// The name of the manifest's file in a trace's folder.
pub const MANIFEST: &str = "trace.json";
