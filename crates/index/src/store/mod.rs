//! An index on disk: a folder `NAME.limaindex/` with `index.json` (the [`IndexManifest`](lima_model::IndexManifest)) and
//! one Parquet file for each [`IndexTable`](lima_model::IndexTable).
//!
//! **Writing.** [`write()`] makes the whole folder under a temporary name and renames it: a folder that has its name is
//! whole. **Reading.** [`Index::open`] compares each file with its size and hash in the manifest before anything is
//! decoded; [`Index::read`] then checks the columns. `docs/index-format.md` describes it for other programs.

mod batches;
mod columns;
mod folder;
mod manifest;
mod read;
mod source;
mod write;

pub use columns::{Columns, NumberLists, Numbers, Small, SmallLists, TextLists, Texts};
pub use folder::copy;
pub use read::{Index, peek};
pub use source::source;
pub use write::write;

use crate::rows::{CallRow, FunctionRow, GlobalLock, LockMember, NestingRow, PointerRow, SectionRow, SiteRow};
use std::sync::Arc;

/// The name of the manifest's file in an index's folder.
pub const MANIFEST: &str = "index.json";

/// The rows that came out of one image: the kernel's, or a module's.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The module; none for the kernel.
    pub module: Option<Arc<str>>,
    /// Locks in structs.
    pub locks: Vec<LockMember>,
    /// Locks in variables.
    pub globals: Vec<GlobalLock>,
    /// Functions.
    pub functions: Vec<FunctionRow>,
    /// Calls.
    pub calls: Vec<CallRow>,
    /// Functions that pointers lead to.
    pub pointers: Vec<PointerRow>,
    /// Sites.
    pub sites: Vec<SiteRow>,
    /// Nested sites.
    pub nesting: Vec<NestingRow>,
    /// Sections.
    pub sections: Vec<SectionRow>,
}

impl Part {
    /// Brings the rows into the order that they have in an index.
    pub fn sort(&mut self) {
        self.locks.sort_by(|a, b| (&a.composite, a.offset, &a.path).cmp(&(&b.composite, b.offset, &b.path)));
        self.globals.sort_by(|a, b| (a.address, &a.path).cmp(&(b.address, &b.path)));
        self.functions.sort_by_key(|row| row.address);
        self.calls.sort_by_key(|row| row.address);
        self.pointers.sort();
        self.pointers.dedup();
        self.sites.sort_by_key(|row| row.address);
        self.nesting.sort_by_key(|row| (row.outer, row.inner));
        self.sections.sort_by_key(|row| row.address);
    }
}
