//! What can go wrong with a trace on disk, in sentences for people.

use lima_model::manifest::SCHEMA;
use std::io;
use std::path::{Path, PathBuf};

/// An error in writing or reading a trace. Each names the file and the cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder for a new trace is not free.
    #[error("{} exists and is not an empty folder: choose another name, or remove it first", .0.display())]
    Taken(PathBuf),

    /// The path does not lead to a trace.
    #[error("{} is not a trace: {why}", path.display())]
    NotATrace {
        /// The path that was given.
        path: PathBuf,
        /// What was found instead.
        why: String,
    },

    /// The manifest cannot be understood.
    #[error("{} is damaged: {why}", path.display())]
    Manifest {
        /// The manifest's path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// The trace was written by a later version of LIMA.
    #[error(
        "{} has the schema `{found}`; this version of LIMA reads `{SCHEMA}` and earlier: read it with a later version",
        path.display()
    )]
    Newer {
        /// The trace's path.
        path: PathBuf,
        /// The schema that it names.
        found: String,
    },

    /// A segment cannot be read.
    #[error("{} cannot be read: {why}", path.display())]
    Segment {
        /// The segment's path.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// Rows that do not fit the table they were given for: a fault of the program, not of the trace.
    #[error("rows do not fit the table `{table}`: {why}")]
    Rows {
        /// The table's name.
        table: &'static str,
        /// What does not fit.
        why: String,
    },

    /// The rows could not be brought into the form of a segment.
    #[error("cannot encode rows for {}: {why}", path.display())]
    Encode {
        /// The segment that they were meant for.
        path: PathBuf,
        /// What the encoder said.
        why: String,
    },

    /// The operating system refused something.
    #[error("cannot {doing} {}: {cause}", path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not. Part of the message, so not a `source` that a chain of errors would repeat.
        cause: io::Error,
    },
}

impl Error {
    /// Whether the disk (or the quota, or the file size limit) is full: earlier segments are whole, and freeing space
    /// helps.
    pub fn is_full_disk(&self) -> bool {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        matches!(self, Self::Io { cause, .. } if matches!(cause.kind(), StorageFull | QuotaExceeded | FileTooLarge))
    }
}

/// Turns an I/O error into one that says what was tried with which path.
pub(crate) fn io<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |cause| Error::Io { doing, path: path.to_owned(), cause }
}
