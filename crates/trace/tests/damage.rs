//! A damaged trace: each damage is found, nothing panics, and what is not damaged is read as it was.

mod common;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use common::{Numbers, ended, read, rows, write, written};
use lima_model::{Loss, Table};
use lima_trace::{Error, Trace};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert, prop_oneof, proptest};
use std::fs;
use std::path::{Path, PathBuf};

const TABLES: &[Table] = &[Table::Totals, Table::Events, Table::Stacks];
const SEGMENTS: u64 = 3;

/// Something that happens to a file. Places are shares of its length, in 1/65536.
#[derive(Clone, Debug)]
enum Damage {
    Truncate(u16),
    Garble(u16, u16, u64),
    Zero(u16, u16),
    Grow(u64),
    Remove,
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<u16>().prop_map(Damage::Truncate),
        (any::<u16>(), 1u16..600, any::<u64>()).prop_map(|(at, size, seed)| Damage::Garble(at, size, seed)),
        (any::<u16>(), 1u16..600).prop_map(|(at, size)| Damage::Zero(at, size)),
        any::<u64>().prop_map(Damage::Grow),
        Just(Damage::Remove),
    ]
}

impl Damage {
    /// Does it; says whether the file is another one now.
    fn apply(&self, path: &Path) -> bool {
        let before = fs::read(path).unwrap();
        let at = |share: u16| before.len() * usize::from(share) / 65536;
        let region = |share: u16, size: u16| at(share)..(at(share) + usize::from(size)).min(before.len());
        let mut after = before.clone();
        match *self {
            Self::Truncate(share) => after.truncate(at(share)),
            Self::Garble(share, size, seed) => {
                let mut numbers = Numbers(seed);
                after[region(share, size)].iter_mut().for_each(|byte| *byte = numbers.next() as u8);
            }
            Self::Zero(share, size) => after[region(share, size)].fill(0),
            Self::Grow(seed) => after.extend_from_slice(&seed.to_le_bytes()),
            Self::Remove => return fs::remove_file(path).is_ok(),
        }
        fs::write(path, &after).unwrap();
        after != before
    }
}

/// The files of a trace: the manifest and all segments.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![folder.join("trace.json")];
    for table in TABLES {
        files.extend(fs::read_dir(folder.join(table.name())).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.sort();
    files
}

/// Every segment that a trace took for good has the rows that were written into it.
fn good_rows_are_right(trace: &Trace) -> bool {
    TABLES.iter().all(|&table| {
        let numbers = trace.segments(table).iter().map(|segment| {
            segment.path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).unwrap()
        });
        let expected: Vec<RecordBatch> = numbers.map(|number| rows(table, number, 10)).collect();
        let found: Vec<RecordBatch> = trace.read(table).map(Result::unwrap).collect();
        expected == found
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_damage_is_an_error_or_listed(file in any::<proptest::sample::Index>(), damage in damage()) {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a.lima");
        drop(write(&folder, TABLES, SEGMENTS));
        let path = file.get(&files(&folder)).clone();
        let changed = damage.apply(&path);
        let is_manifest = path.ends_with("trace.json");
        let is_last = path.ends_with("00000003.parquet");
        match Trace::open(&folder) {
            Err(error) => prop_assert!(is_manifest && changed, "{error}"),
            Ok(trace) => {
                prop_assert!(good_rows_are_right(&trace));
                // The last segment can go without a trace: it might not have been written.
                let invisible = is_manifest || !changed || (is_last && matches!(damage, Damage::Remove));
                prop_assert!(invisible == trace.damaged().is_empty(), "{:?}", trace.damaged());
                prop_assert!(trace.losses().get(Loss::Unreadable) == u64::from(!invisible));
                prop_assert!(invisible || !trace.complete());
            }
        }
    }
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_segment_is_found() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    drop(write(&folder, &[Table::Stacks], 1));
    let path = folder.join("stacks/00000001.parquet");
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        for damaged in [&flipped[..], &bytes[..at]] {
            fs::write(&path, damaged).unwrap();
            let trace = Trace::open(&folder).unwrap();
            assert_eq!((trace.damaged().len(), trace.segments(Table::Stacks).len()), (1, 0), "byte {at}");
        }
    }
    fs::write(&path, &bytes).unwrap();
    assert_eq!(read(&Trace::open(&folder).unwrap(), Table::Stacks), written(Table::Stacks, 1));
}

#[test]
fn every_flipped_bit_and_every_cut_of_the_manifest_is_an_error_or_readable() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    drop(write(&folder, &[Table::Stacks], 1));
    let path = folder.join("trace.json");
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        for damaged in [&flipped[..], &bytes[..at]] {
            fs::write(&path, damaged).unwrap();
            if let Ok(trace) = Trace::open(&folder) {
                assert_eq!(read(&trace, Table::Stacks), written(Table::Stacks, 1));
            }
        }
    }
}

#[test]
fn a_folder_without_a_manifest_is_not_a_trace() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    drop(write(&folder, TABLES, 1));
    fs::remove_file(folder.join("trace.json")).unwrap();
    let message = Trace::open(&folder).unwrap_err().to_string();
    assert!(message.ends_with("is not a trace: the folder has no `trace.json`"), "{message}");
    let message = Trace::open(&folder.join("totals/00000001.parquet")).unwrap_err().to_string();
    assert!(message.contains("is not a trace: a trace is a folder"), "{message}");
    let message = Trace::open(&parent.path().join("none.lima")).unwrap_err().to_string();
    assert!(message.contains("none.lima: No such file"), "{message}");
}

#[test]
fn a_newer_schema_is_refused_in_a_clear_sentence() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    drop(write(&folder, TABLES, 1));
    // Nothing else of a later manifest needs to be as it is today.
    fs::write(folder.join("trace.json"), r#"{"schema": "lima-trace/2", "complete": "mostly"}"#).unwrap();
    let error = Trace::open(&folder).unwrap_err();
    assert!(matches!(error, Error::Newer { .. }));
    let message = error.to_string();
    assert!(
        message.ends_with(
            "a.lima has the schema `lima-trace/2`; this version of LIMA reads `lima-trace/1` and earlier: \
         read it with a later version"
        ),
        "{message}"
    );
}

#[test]
fn a_manifest_with_more_fields_is_read_and_other_files_are_not() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    drop(write(&folder, TABLES, 1));
    let path = folder.join("trace.json");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["weather"] = "fine".into();
    json["kernel"]["mood"] = 7.into();
    fs::write(&path, json.to_string()).unwrap();
    assert!(Trace::open(&folder).unwrap().complete());
    for (text, why) in [
        ("", "it is not JSON"),
        ("not JSON", "it is not JSON"),
        ("[1, 2]", "it does not name its schema"),
        (r#"{"schema": "perf/1"}"#, "it does not name its schema"),
        (r#"{"schema": "lima-trace/1"}"#, "missing field `lima_version`"),
        ("\u{0}\u{1}", "it is not JSON"),
    ] {
        fs::write(&path, text).unwrap();
        let message = Trace::open(&folder).unwrap_err().to_string();
        assert!(message.contains("trace.json is damaged: ") && message.contains(why), "{message}");
    }
}

#[test]
fn what_is_no_segment_is_listed_or_passed_over() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    drop(write(&folder, &[Table::Totals], 3));
    let totals = folder.join("totals");
    fs::write(totals.join(".00000004.parquet.tmp"), "half").unwrap();
    fs::write(totals.join("README"), "mine").unwrap();
    assert!(Trace::open(&folder).unwrap().complete());
    fs::copy(totals.join("00000001.parquet"), totals.join("copy.parquet")).unwrap();
    fs::copy(totals.join("00000001.parquet"), totals.join("00000001-00000002.parquet")).unwrap();
    fs::create_dir(totals.join("00000006.parquet")).unwrap();
    let trace = Trace::open(&folder).unwrap();
    let listed: Vec<_> = trace
        .damaged()
        .iter()
        .map(|damaged| format!("{}: {}", damaged.path.file_name().unwrap().display(), damaged.reason))
        .collect();
    assert_eq!(
        listed,
        [
            "copy.parquet: it is not named as a segment is",
            "00000001.parquet: another segment covers the same rows",
            "00000002.parquet: another segment covers the same rows",
            "00000004-00000005.parquet: it is missing",
            "00000006.parquet: it is not a regular file",
        ]
    );
    assert_eq!(trace.rows(Table::Totals), 20);
}

#[test]
fn a_segment_of_another_table_is_listed() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    drop(write(&folder, TABLES, 1));
    fs::copy(folder.join("stacks/00000001.parquet"), folder.join("totals/00000001.parquet")).unwrap();
    let trace = Trace::open(&folder).unwrap();
    assert_eq!(trace.damaged()[0].reason, "the column `time_ns` is missing");
    assert!(good_rows_are_right(&trace));
}

#[test]
fn the_types_of_all_columns_survive_the_file() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    drop(write(&folder, Table::ALL, 1));
    let trace = Trace::open(&folder).unwrap();
    assert!(trace.damaged().is_empty(), "{:?}", trace.damaged());
    for &table in Table::ALL {
        let schema: &Schema = &table.schema();
        for batch in trace.read(table) {
            let batch = batch.unwrap();
            assert_eq!(batch.schema().as_ref(), schema);
            assert!(batch.columns().iter().all(|column| column.len() == 10));
        }
    }
}

#[test]
fn a_trace_that_ended_well_and_was_merged_can_be_damaged_too() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    write(&folder, TABLES, SEGMENTS).finish(&ended()).unwrap();
    let path = folder.join("events/00000001-00000003.parquet");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let trace = Trace::open(&folder).unwrap();
    assert_eq!(trace.damaged()[0].reason, "its checksum does not fit its content");
    assert_eq!((trace.rows(Table::Events), trace.rows(Table::Totals)), (0, 30));
}
