//! Why an index could not be made or read.

use std::path::{Path, PathBuf};

/// An error that names the file, the part of it, and what is wrong there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {why}")]
    File {
        /// What was tried: `open`, `read`, `write` ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not; part of the text, and so not a source of its own.
        why: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {part}: {what}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The section or table.
        part: String,
        /// What was expected and what was found.
        what: String,
    },
    /// Something is needed that is not there; the text says what was looked for, and what can be done.
    #[error("{0}")]
    Missing(String),
}

impl Error {
    /// A file that is not what it should be.
    pub fn malformed(path: &Path, part: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), part: part.into(), what: what.into() }
    }

    /// An input or output error, for `map_err`.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |why| Self::File { action, path, why }
    }
}
