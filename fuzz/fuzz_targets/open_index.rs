//! A table of an index, with changes: the first byte chooses the table, then each four bytes are a place and what stands
//! there. Hashes are not compared when fuzzing, so that the changes reach the decoder. Everything is asked of what is left.

#![no_main]

#[path = "../../crates/index/tests/common/mod.rs"]
mod common;

use libfuzzer_sys::fuzz_target;
use lima_index::query;
use lima_index::store::Index;
use lima_model::IndexTable;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

static MADE: LazyLock<(TempDir, PathBuf, Index)> = LazyLock::new(common::index);

// Parquet's decoder panics on some files, which the index catches: a panic that is caught is no finding. One that is not
// still ends the run.
fuzz_target!(init: std::panic::set_hook(Box::new(|_| ())), |bytes: &[u8]| {
    let Some((choice, changes)) = bytes.split_first() else { return };
    let (_, folder, index) = &*MADE;
    let path = folder.join(format!("{}.parquet", IndexTable::ALL[usize::from(*choice) % IndexTable::ALL.len()].name()));
    let whole = fs::read(&path).expect("a table");
    let mut changed = whole.clone();
    for change in changes.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % changed.len();
        changed[at] = change[2];
        if at + 1 < changed.len() {
            changed[at + 1] = change[3];
        }
    }
    fs::write(&path, changed).expect("a table");
    for &table in IndexTable::ALL {
        let _ = index.read_all(table);
    }
    let _ = (query::locks(index, &Default::default()), query::sites(index, &Default::default()));
    let _ = (query::path(index, "demo", "inode.*"), query::at(index, common::TAKER + 0x10));
    let _ = query::diff(index, index);
    fs::write(&path, whole).expect("a table");
});
