//! A table of an index, with changes: the first byte chooses the table and what is asked, then each four bytes are a place
//! and what stands there. Hashes are not compared when fuzzing, so that the changes reach the decoder.
//!
//! The index is made once. An execution writes one small file twice and asks one question: with `TMPDIR` in memory that is
//! a matter of a millisecond.

#![no_main]

#[path = "../../crates/index/tests/common/mod.rs"]
mod common;

use libfuzzer_sys::fuzz_target;
use lima_index::query::{self, Calls, Direction};
use lima_index::store::Index;
use lima_model::IndexTable;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

struct Made {
    _home: TempDir,
    index: Index,
    /// The file of each table, and what is in it.
    tables: Vec<(PathBuf, Vec<u8>)>,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let (home, folder, index) = common::index();
    let paths = IndexTable::ALL.iter().map(|table| folder.join(format!("{}.parquet", table.name())));
    let tables = paths.map(|path| (path.clone(), fs::read(&path).expect("a table"))).collect();
    Made { _home: home, index, tables }
});

/// Parquet's decoder panics on some files, which the index catches: a panic that is caught is no finding. One that is not
/// still ends the run.
fn quiet() {
    std::panic::set_hook(Box::new(|_| ()));
}

fuzz_target!(init: quiet(), |bytes: &[u8]| {
    let Some((&choice, changes)) = bytes.split_first() else { return };
    let Made { index, tables, .. } = &*MADE;
    let number = usize::from(choice) % tables.len();
    let (path, whole) = &tables[number];
    let mut changed = whole.clone();
    for change in changes.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % changed.len();
        changed[at] = change[2];
        if at + 1 < changed.len() {
            changed[at + 1] = change[3];
        }
    }
    fs::write(path, changed).expect("a table");
    if index.read_all(IndexTable::ALL[number]).is_ok() {
        match usize::from(choice) / tables.len() % 6 {
            0 => drop(query::locks(index, &Default::default())),
            1 => drop(query::sites(index, &Default::default())),
            2 => drop(query::path(index, "demo", "inode.*")),
            3 => drop(query::at(index, common::TAKER + 0x10)),
            4 => drop(query::diff(index, index)),
            _ => drop(query::calls(index, &Calls { function: "*".into(), direction: Direction::From, depth: 2 })),
        }
    }
    fs::write(path, whole).expect("a table");
});
