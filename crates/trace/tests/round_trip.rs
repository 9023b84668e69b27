//! What is written is what is read, before and after merging; and what a writer refuses.

mod common;

use arrow::compute::concat_batches;
use common::{ended, read, rows, write, written};
use lima_model::{Loss, Manifest, Table};
use lima_trace::{Error, Trace, Writer};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use std::fs;
use std::os::unix::fs::PermissionsExt;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn rows_come_back_as_they_were(appends in proptest::collection::vec((0..Table::ALL.len(), any::<u64>(), 0usize..60), 0..20)) {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a.lima");
        let mut writer = Writer::create(&folder, &ended()).unwrap();
        let mut expected = vec![Vec::new(); Table::ALL.len()];
        for (table, seed, count) in appends {
            let batch = rows(Table::ALL[table], seed, count);
            writer.append(Table::ALL[table], &batch).unwrap();
            expected[table].push(batch);
        }
        let compare = |merged: bool| {
            let trace = Trace::open(&folder).unwrap();
            for (&table, batches) in Table::ALL.iter().zip(&expected) {
                let all = concat_batches(&table.schema(), batches).unwrap();
                prop_assert_eq!(trace.rows(table), all.num_rows() as u64);
                prop_assert_eq!(read(&trace, table), all);
                if merged {
                    proptest::prop_assert!(trace.segments(table).len() <= 1);
                }
            }
            proptest::prop_assert!(trace.complete() && trace.damaged().is_empty());
            Ok(())
        };
        compare(false)?;
        assert!(writer.finish(&ended()).unwrap().is_empty());
        compare(true)?;
    }
}

#[test]
fn a_trace_that_was_not_finished_says_so() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    let writer = Writer::create(&folder, &Manifest::begin("test")).unwrap();
    let trace = Trace::open(&folder).unwrap();
    assert!(!trace.complete());
    assert_eq!(trace.losses().get(Loss::Cut), 1);
    assert!(writer.finish(&ended()).unwrap().is_empty());
    let trace = Trace::open(&folder).unwrap();
    assert!(trace.complete());
    assert_eq!(trace.losses().get(Loss::Cut), 0);
}

#[test]
fn the_loss_of_the_manifest_is_shown() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    let mut manifest = ended();
    manifest.losses.add(Loss::TotalsFull, 7);
    Writer::create(&folder, &manifest).unwrap();
    let trace = Trace::open(&folder).unwrap();
    assert_eq!(trace.losses().get(Loss::TotalsFull), 7);
    assert!(!trace.complete(), "`complete` in the manifest does not outweigh a loss");
}

#[test]
fn an_empty_batch_leaves_no_file() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    let mut writer = Writer::create(&folder, &ended()).unwrap();
    writer.append(Table::Events, &rows(Table::Events, 1, 0)).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "only the manifest");
}

#[test]
fn rows_of_another_table_are_refused() {
    let parent = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(&parent.path().join("a.lima"), &ended()).unwrap();
    let error = writer.append(Table::Events, &rows(Table::Tasks, 1, 3)).unwrap_err();
    assert!(matches!(error, Error::Rows { table: "events", .. }), "{error}");
    let part = rows(Table::Events, 1, 3).project(&[0, 1]).unwrap();
    assert!(writer.append(Table::Events, &part).is_err());
}

#[test]
fn a_folder_that_is_not_empty_is_refused_and_left_alone() {
    let parent = tempfile::tempdir().unwrap();
    fs::write(parent.path().join("mine"), "x").unwrap();
    let error = Writer::create(parent.path(), &ended()).unwrap_err();
    assert!(error.to_string().contains("is not an empty folder"), "{error}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    // A file is in the way just as well; so is a folder that is not there on the way.
    let error = Writer::create(&parent.path().join("mine"), &ended()).unwrap_err();
    assert!(matches!(error, Error::Taken(_)), "{error}");
    let error = Writer::create(&parent.path().join("no/such.lima"), &ended()).unwrap_err();
    assert!(error.to_string().contains("no/such.lima: No such file"), "{error}");
    // An empty folder is welcome.
    let empty = parent.path().join("empty.lima");
    fs::create_dir(&empty).unwrap();
    Writer::create(&empty, &ended()).unwrap();
    Trace::open(&empty).unwrap();
}

#[test]
fn only_the_owner_can_look_in() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    write(&folder, &[Table::Totals], 2).finish(&ended()).unwrap();
    for path in [folder.clone(), folder.join("totals")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_trace_can_be_read_while_it_is_written() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    let mut writer = write(&folder, &[Table::Totals], 3);
    let trace = Trace::open(&folder).unwrap();
    writer.append(Table::Totals, &rows(Table::Totals, 4, 10)).unwrap();
    assert_eq!(read(&trace, Table::Totals), written(Table::Totals, 3));
    assert_eq!(read(&Trace::open(&folder).unwrap(), Table::Totals), written(Table::Totals, 4));
}
