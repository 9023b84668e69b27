//! A full disk: an error that says so, no rubbish left behind, and the rows written before stay readable.

mod common;

use common::{ended, read, rows};
use lima_model::{Loss, Manifest, Table};
use lima_trace::{Trace, Writer};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A file system of a few KiB, for as long as the value lives.
struct Tiny(tempfile::TempDir);

impl Tiny {
    /// `None` where one may not be mounted.
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0700");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "lima-test"]).arg(folder.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(folder)),
            Ok(output) => {
                println!("skipped: cannot mount a tmpfs: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: cannot run mount: {error}");
                None
            }
        }
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

fn hidden_files(folder: &Path) -> Vec<String> {
    let mut hidden = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            hidden.extend(hidden_files(&entry.path()));
        }
        if name.starts_with('.') {
            hidden.push(name);
        }
    }
    hidden
}

#[test]
fn a_full_disk_is_an_error_and_nothing_written_is_lost() {
    let Some(tiny) = Tiny::mount("400k") else { return };
    let folder = tiny.0.path().join("a.lima");
    let reserve = tiny.0.path().join("reserve");
    fs::write(&reserve, [1; 16 << 10]).unwrap();
    let mut writer = Writer::create(&folder, &Manifest::begin("test")).unwrap();
    let batch = rows(Table::Totals, 1, 300);
    let mut segments = 0;
    let error = loop {
        match writer.append(Table::Totals, &batch) {
            Ok(()) => segments += 1,
            Err(error) => break error,
        }
    };
    assert!(segments > 2);
    assert!(error.is_full_disk());
    let file = format!("totals/{:08}.parquet: No space left on device", segments + 1);
    assert!(error.to_string().contains(&file), "{error}");
    assert_eq!(hidden_files(&folder), [""; 0]);
    // Fewer rows may still fit, and take the number of the failed segment.
    while writer.append(Table::Totals, &rows(Table::Totals, 2, 1)).is_ok() {}

    let trace = Trace::open(&folder).unwrap();
    assert!(trace.damaged().is_empty());
    let expected = trace.rows(Table::Totals);
    assert!(expected >= segments * 300);
    let rows_before = read(&trace, Table::Totals);

    // There is no room for a new manifest either: the old one stays.
    let _ = fs::write(tiny.0.path().join("filler"), [1; 64 << 10]);
    let error = writer.manifest(&ended()).unwrap_err();
    assert!(error.is_full_disk() && error.to_string().contains("a.lima/trace.json: No space left"), "{error}");
    assert_eq!(hidden_files(&folder), [""; 0]);
    assert_eq!(Trace::open(&folder).unwrap().losses().get(Loss::Cut), 1);

    // With some space freed the trace can end, though not be merged: its segments stay.
    fs::remove_file(&reserve).unwrap();
    let unmerged = writer.finish(&ended()).unwrap();
    assert_eq!(unmerged.len(), 1);
    assert!(unmerged[0].is_full_disk(), "{:?}", unmerged[0]);
    assert_eq!(hidden_files(&folder), [""; 0]);
    let trace = Trace::open(&folder).unwrap();
    assert!(trace.complete());
    assert_eq!(read(&trace, Table::Totals), rows_before);
}

#[test]
fn a_trace_that_cannot_begin_leaves_no_folder() {
    let Some(tiny) = Tiny::mount("8k") else { return };
    let filler = tiny.0.path().join("filler");
    let _ = fs::write(&filler, [0; 64 << 10]);
    let folder = tiny.0.path().join("a.lima");
    let error = Writer::create(&folder, &Manifest::begin("test")).unwrap_err();
    assert!(error.is_full_disk(), "{error}");
    assert!(!folder.exists());
}
