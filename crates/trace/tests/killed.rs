//! A recorder that is killed, at any moment and in particular while it merges, neither loses rows nor doubles them.

mod common;

use common::{ended, read, rows, write, written};
use lima_model::{Manifest, Table};
use lima_trace::{Trace, Writer};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const TABLE: Table = Table::Totals;
const SEGMENTS: u64 = 40;

/// Where the child of [`a_recorder_killed_at_any_moment_leaves_whole_rows`] writes.
const CHILD: &str = "LIMA_TEST_KILLED_FOLDER";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() { copy(&entry.path(), &to) } else { drop(fs::copy(entry.path(), to)) }
    }
}

fn rows_are_all_there(folder: &Path) {
    let trace = Trace::open(folder).unwrap();
    assert!(trace.damaged().is_empty(), "{:?}", trace.damaged());
    assert_eq!(read(&trace, TABLE), written(TABLE, SEGMENTS));
}

/// The states on the disk that merging goes through, each made by hand.
#[test]
fn each_state_of_merging_reads_the_same() {
    let parent = tempfile::tempdir().unwrap();
    let (before, after) = (parent.path().join("before.lima"), parent.path().join("after.lima"));
    drop(write(&before, &[TABLE], SEGMENTS));
    copy(&before, &after);
    let small: PathBuf = before.join("totals");
    assert!(write(&parent.path().join("merged.lima"), &[TABLE], SEGMENTS).finish(&ended()).unwrap().is_empty());
    let large = parent.path().join("merged.lima/totals");
    assert_eq!(fs::read_dir(&large).unwrap().count(), 1);

    // Half of a merged segment was written.
    let hidden = before.join(".totals.merged");
    fs::create_dir(&hidden).unwrap();
    fs::write(hidden.join("merging.tmp"), "PAR1 half a file").unwrap();
    rows_are_all_there(&before);
    // All were written, and the folders have not changed places.
    fs::remove_dir_all(&hidden).unwrap();
    copy(&large, &hidden);
    rows_are_all_there(&before);
    // They have, and the small segments have not been removed.
    fs::remove_dir_all(after.join("totals")).unwrap();
    copy(&large, &after.join("totals"));
    copy(&small, &after.join(".totals.merged"));
    rows_are_all_there(&after);
    // Some of them have.
    fs::remove_file(after.join(".totals.merged/00000007.parquet")).unwrap();
    rows_are_all_there(&after);
}

#[test]
fn a_table_with_a_damaged_segment_is_not_merged() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    let writer = write(&folder, &[TABLE, Table::Stacks], 3);
    fs::write(folder.join("totals/00000002.parquet"), "gone").unwrap();
    let errors = writer.finish(&ended()).unwrap();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("totals/00000002.parquet"), "{}", errors[0]);
    assert!(!folder.join(".totals.merged").exists());
    let trace = Trace::open(&folder).unwrap();
    assert_eq!((trace.segments(TABLE).len(), trace.segments(Table::Stacks).len()), (2, 1));
    assert_eq!(trace.damaged().len(), 1);
}

/// Writes a trace segment by segment, saying so after each, and finishes it. Runs only as a child.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let mut writer = Writer::create(Path::new(&folder), &Manifest::begin("test")).unwrap();
    for number in 1..=SEGMENTS {
        writer.append(TABLE, &rows(TABLE, number, 10)).unwrap();
        // In one piece, which a kill cannot cut.
        std::io::stderr().write_all(format!("appended {number}\n").as_bytes()).unwrap();
    }
    writer.finish(&ended()).unwrap();
}

#[test]
fn a_recorder_killed_at_any_moment_leaves_whole_rows() {
    let parent = tempfile::tempdir().unwrap();
    let mut unfinished = 0;
    for round in 0..30u64 {
        let folder = parent.path().join(format!("{round}.lima"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, &folder)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = 0;
        let mut lines = lines.filter_map(|line| line.strip_prefix("appended ").map(|number| number.parse().unwrap()));
        // Every other round is killed while it appends, the rest while they merge, each some microseconds later.
        let until = if round % 2 == 0 { 1 + round } else { SEGMENTS };
        while seen < until {
            seen = lines.next().unwrap();
        }
        std::thread::sleep(Duration::from_micros(round * 150));
        child.kill().unwrap();
        child.wait().unwrap();
        seen = lines.last().unwrap_or(seen);

        let trace = Trace::open(&folder).unwrap();
        assert!(trace.damaged().is_empty(), "{:?}", trace.damaged());
        let segments = trace.rows(TABLE) / 10;
        // A segment may have been renamed into place just before the recorder could say so.
        assert!(segments == seen || segments == seen + 1, "round {round}: {segments} of {seen} segments");
        assert_eq!(read(&trace, TABLE), written(TABLE, segments), "round {round}");
        unfinished += u64::from(!trace.complete());
    }
    assert!(unfinished > 0, "no round was killed in time");
}
