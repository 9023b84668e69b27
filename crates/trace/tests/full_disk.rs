//! A full disk: an error that says so, no rubbish left behind, and the rows written before stay readable.

mod common;

use common::{ended, read, rows};
use lima_model::{Manifest, Table};
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
    // Small rows may still fit, and take the number of the failed segment.
    let _ = writer.append(Table::Totals, &rows(Table::Totals, 2, 1));

    let trace = Trace::open(&folder).unwrap();
    assert!(trace.damaged().is_empty());
    let expected = trace.rows(Table::Totals);
    assert!(expected >= segments * 300);
    let rows_before = read(&trace, Table::Totals);

    // There is no room for merging either: the segments stay, and the manifest is as far as it could be written.
    match writer.finish(&ended()) {
        Ok(unmerged) => assert!(unmerged.iter().all(lima_trace::Error::is_full_disk), "{unmerged:?}"),
        Err(error) => assert!(error.is_full_disk(), "{error}"),
    }
    assert_eq!(hidden_files(&folder), [""; 0]);
    assert_eq!(read(&Trace::open(&folder).unwrap(), Table::Totals), rows_before);
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
