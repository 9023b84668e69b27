//! Why a trace could not be resolved.

use std::path::PathBuf;

/// An error in resolving. Each names the file and the cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The trace could not be read or written.
    #[error(transparent)]
    Trace(#[from] lima_trace::Error),
    /// The index could not be read.
    #[error(transparent)]
    Index(#[from] lima_index::Error),
    /// A table of the trace is not what it should be.
    #[error("the table `{table}` of the trace is not what it should be: {why}")]
    Table {
        /// Its name.
        table: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The index is of another kernel.
    #[error(
        "{} is of the kernel with build id {found}, and {} was recorded on the one with {wanted}: resolve it with an index of that \
         kernel (`lima index build --vmlinux FILE`)",
        index.display(), trace.display()
    )]
    OtherKernel {
        /// The index.
        index: PathBuf,
        /// Its build id.
        found: String,
        /// The trace.
        trace: PathBuf,
        /// The build id that it names.
        wanted: String,
    },
    /// There is no such lock in the trace.
    #[error("{0}")]
    NoSuchLock(String),
}
