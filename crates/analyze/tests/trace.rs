//! Questions to traces on disk.

use lima_analyze::synthetic::Synthetic;
use lima_analyze::{Analysis, By, Query, Who};
use lima_model::{Loss, Table};
use lima_trace::Trace;
use std::fs;
use std::path::Path;

fn open(folder: &Path) -> Analysis {
    Analysis::of(&Trace::open(folder).unwrap()).unwrap()
}

#[test]
fn a_trace_on_disk_answers_as_one_in_memory() {
    let home = tempfile::tempdir().unwrap();
    // Names that an engine could take for a pattern, a URL, or an escape in one.
    for name in ["plain.lima", "a b.lima", "[x]*?.lima", "100%25.lima", "s3:x#y.lima", "ünï.lima"] {
        let folder = home.path().join(name);
        Synthetic::sample().write(&folder).unwrap();
        let (disk, memory) = (open(&folder), Synthetic::sample().analysis().unwrap());
        for &by in By::ALL {
            let query = Query { by, ..Query::default() };
            assert_eq!(disk.report(&query).unwrap().rows, memory.report(&query).unwrap().rows, "{name} {by:?}");
        }
        let who = Who::default();
        assert_eq!(disk.interference(&who).unwrap().rows, memory.interference(&who).unwrap().rows, "{name}");
        assert!(disk.about().complete);
    }
}

#[test]
fn what_is_damaged_is_left_out_and_said() {
    let home = tempfile::tempdir().unwrap();
    let recorded = |table: &&Table| !matches!(table, Table::Objects | Table::Lines | Table::UserLines);
    for &table in Table::ALL.iter().filter(recorded) {
        let folder = home.path().join(table.name());
        Synthetic::sample().with_acquisitions().write(&folder).unwrap();
        let file = fs::read_dir(folder.join(table.name())).unwrap().next().unwrap().unwrap().path();
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::write(&file, bytes).unwrap();
        let analysis = open(&folder);
        assert_eq!(analysis.about().losses.get(Loss::Unreadable), 1);
        assert!(!analysis.about().complete);
        for &by in By::ALL {
            analysis.report(&Query { by, ..Query::default() }).unwrap();
        }
        analysis.interference(&Who::default()).unwrap();
        analysis.flame(&[]).unwrap();
    }
}

#[test]
fn a_segment_that_goes_away_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("gone.lima");
    Synthetic::sample().write(&folder).unwrap();
    let trace = Trace::open(&folder).unwrap();
    fs::remove_dir_all(folder.join("totals")).unwrap();
    let answer =
        Analysis::of(&trace).and_then(|analysis| analysis.report(&Query::default()).map(|report| report.whole));
    assert!(answer.is_err() || answer.is_ok_and(|whole| whole.rows == 0));
}
