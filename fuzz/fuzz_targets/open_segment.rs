//! A segment of any bytes: the first byte chooses the table. Checksums are not compared when fuzzing, so that the bytes
//! reach the decoder. The trace around it is made once: an execution writes and removes one file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lima_model::{Manifest, Table};
use lima_trace::{Trace, Writer};
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

static TRACE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("a.lima");
    Writer::create(&folder, &Manifest::begin("fuzz")).expect("a trace");
    for table in Table::ALL {
        fs::create_dir_all(folder.join(table.name())).expect("a folder");
    }
    (parent, folder)
});

/// Parquet's decoder panics on some files, which `lima_trace` catches: a panic that is caught is no finding. One that is not
/// still ends the run.
fn quiet() {
    std::panic::set_hook(Box::new(|_| ()));
}

fuzz_target!(init: quiet(), |bytes: &[u8]| {
    let Some((&choice, segment)) = bytes.split_first() else { return };
    let table = Table::ALL[usize::from(choice) % Table::ALL.len()];
    let (_, folder) = &*TRACE;
    let path = folder.join(table.name()).join("00000001.parquet");
    fs::write(&path, segment).expect("a segment");
    let trace = Trace::open(folder).expect("a trace with or without a damaged segment");
    for rows in trace.read(table) {
        let _ = rows;
    }
    fs::remove_file(&path).expect("the segment");
});
