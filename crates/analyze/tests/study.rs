//! The tables of a made-up study, against numbers that were worked out by hand. `docs/method.md` has the formulas.

mod made_up;

use lima_analyze::study::{Results, Study, StudyTable};
use made_up::{HOST, Made, analyzed};

/// The only row with these words.
fn row(results: &Results, table: &str, words: &[(&str, &str)]) -> (StudyTable, usize) {
    let table = results.table(table).unwrap_or_else(|| panic!("no table {table}")).clone();
    let rows: Vec<_> =
        (0..table.len()).filter(|&row| words.iter().all(|&(column, word)| table.text(row, column) == word)).collect();
    assert_eq!(rows.len(), 1, "{}: {words:?}: rows {rows:?} of {}", table.name, table.len());
    (table.clone(), rows[0])
}

/// Numbers of the only row with these words.
fn numbers<const N: usize>(results: &Results, table: &str, words: &[(&str, &str)], columns: [&str; N]) -> [f64; N] {
    let (table, row) = row(results, table, words);
    columns.map(|column| table.number(row, column).unwrap_or_else(|| panic!("{}.{column} is missing", table.name)))
}

fn close<const N: usize>(found: [f64; N], wanted: [f64; N]) {
    for (place, (found, wanted)) in found.into_iter().zip(wanted).enumerate() {
        assert!((found - wanted).abs() < 1e-9 * wanted.abs().max(1.0), "number {place}: {found} instead of {wanted}");
    }
}

const WARM_A: [(&str, &str); 3] = [("platform", "host"), ("phase", "warm"), ("workload", "wa")];

#[test]
fn rates_over_the_repetitions() {
    let results = analyzed();
    let inode = [&WARM_A[..], &[("object", "inode.i_rwsem")]].concat();
    let columns = ["runs", "seen_in", "rate_mean_per_s", "rate_median_per_s", "rate_min_per_s", "rate_max_per_s"];
    close(numbers(&results, "object_rates", &inode, columns), [3.0, 3.0, 30.0, 20.0, 10.0, 60.0]);
    close(numbers(&results, "object_rates", &inode, ["rate_sd_per_s", "busy_median"]), [700f64.sqrt(), 0.1]);
    let columns = ["rate_mean_per_s", "rate_median_per_s", "rate_low_per_s", "rate_high_per_s", "sum_of_means_per_s"];
    close(numbers(&results, "rates", &WARM_A, columns), [40.0, 30.0, 20.0, 70.0, 40.0]);
    close(numbers(&results, "rates", &WARM_A, ["sum_of_medians_per_s", "classes", "incomplete"]), [30.0, 2.0, 1.0]);
    let spin = [&WARM_A[..], &[("lock_type", "spinlock")]].concat();
    close(numbers(&results, "type_rates", &spin, ["rate_median_per_s", "share"]), [10.0, 1.0 / 3.0]);
}

#[test]
fn a_class_that_a_repetition_lacks_counts_as_nothing() {
    let results = analyzed();
    // In the first of three repetitions only.
    let once = [&WARM_A[..], &[("object", "sometimes")]].concat();
    assert!(
        results
            .table("object_rates")
            .is_some_and(|table| (0..table.len()).all(|row| !table.text(row, "object").is_empty()))
    );
    let cold = [("platform", "host"), ("phase", "cold"), ("workload", "wb"), ("object", "sometimes")];
    let columns = ["runs", "seen_in", "rate_mean_per_s", "rate_median_per_s", "rate_max_per_s"];
    close(numbers(&results, "object_rates", &cold, columns), [3.0, 1.0, 1.0, 0.0, 3.0]);
    let table = results.table("object_rates").unwrap();
    assert!((0..table.len()).all(|row| !once.iter().all(|&(column, word)| table.text(row, column) == word)));
}

#[test]
fn the_matrix_compares_platforms_with_the_host() {
    let results = analyzed();
    let runc = [("platform", "runc"), ("phase", "warm"), ("workload", "wa")];
    close(numbers(&results, "matrix", &runc, ["runs", "rate_median_per_s", "to_host"]), [1.0, 12.0, 12.0 / 30.0]);
    let sensitive = [("phase", "warm"), ("workload", "wa")];
    close(numbers(&results, "sensitivity", &sensitive, ["platforms", "factor"]), [2.0, 2.5]);
}

#[test]
fn helpers_count_with_the_tenant_they_help() {
    let results = analyzed();
    let helped = [("platform", "runc"), ("phase", "warm"), ("workload", "wa"), ("object", "kvm.lock")];
    close(numbers(&results, "object_rates", &helped, ["rate_median_per_s"]), [2.0]);
    // A tenant that is none of the run's is in no table.
    let combined = results.table("combined").unwrap();
    assert!((0..combined.len()).all(|row| combined.text(row, "object") != "stranger.lock"));
}

#[test]
fn common_and_exclusive_classes() {
    let results = analyzed();
    let inode = [("phase", "warm"), ("object", "inode.i_rwsem")];
    let zone = [("phase", "warm"), ("object", "zone.lock")];
    let (table, at) = row(&results, "common_platforms", &zone);
    assert_eq!((table.text(at, "platforms"), table.flag(at, "common")), ("host runc", true));
    let (table, at) = row(&results, "common_platforms", &inode);
    assert_eq!((table.text(at, "platforms"), table.flag(at, "common")), ("host", false));
    let alone = [("scope", "platform"), ("phase", "warm"), ("object", "inode.i_rwsem")];
    let (table, at) = row(&results, "exclusive", &alone);
    assert_eq!((table.text(at, "who"), table.flag(at, "certain")), ("host", true));
    close(numbers(&results, "exclusive", &alone, ["seen_in", "runs"]), [3.0, 3.0]);
    let overlap = [("phase", "warm"), ("platform", "host")];
    close(numbers(&results, "overlap", &overlap, ["common", "either", "overlap"]), [1.0, 3.0, 1.0 / 3.0]);
    // 20 + 5 of 40 acquisitions a second.
    let hot = [("phase", "warm"), ("platform", "host"), ("object", "inode.i_rwsem")];
    close(numbers(&results, "hot", &hot, ["place", "rate_per_s", "share"]), [1.0, 25.0, 0.625]);
    let cumulative = [&WARM_A[..], &[("object", "zone.lock")]].concat();
    close(
        numbers(&results, "cumulative", &cumulative, ["place", "cumulative_per_s", "cumulative_share"]),
        [2.0, 30.0, 1.0],
    );
}

#[test]
fn births_and_deaths() {
    let results = analyzed();
    let born = [("platform", "host"), ("phase", "cold"), ("object", "seq_file.lock")];
    // A run: three lives at one address; the first was taken six times, the second never, the third lives on.
    let columns = ["runs", "born_median_per_s", "born", "died", "unused", "died_unused_share", "per_life_mean"];
    close(numbers(&results, "birth_rates", &born, columns), [3.0, 1.5, 9.0, 6.0, 3.0, 0.5, 3.0]);
    let cold_warm = [("platform", "host"), ("workload", "wa")];
    // Cold: (10, 20, 60 of the inode and 7 of the new lock) / 2 s; warm as above.
    close(numbers(&results, "cold_warm", &cold_warm, ["cold_per_s", "warm_per_s", "cold_to_warm"]), [13.5, 30.0, 0.45]);
}

#[test]
fn stressors_subsystems_and_magnitudes() {
    let results = analyzed();
    let stressor = [("platform", "host"), ("phase", "warm"), ("stressor", "mmap")];
    let (table, at) = row(&results, "stressors", &stressor);
    assert_eq!(table.text(at, "main_object"), "inode.i_rwsem");
    close(numbers(&results, "stressors", &stressor, ["rate_per_s", "share"]), [30.0, 1.0]);
    let subsystem = [("platform", "host"), ("phase", "warm")];
    let (table, at) = row(&results, "subsystems", &subsystem);
    assert_eq!((table.text(at, "max_workload"), table.text(at, "max_object")), ("wa", "inode.i_rwsem"));
    // wa 30 a second, wb 10.
    close(numbers(&results, "subsystems", &subsystem, ["rate_max_per_s", "rate_mean_per_s"]), [30.0, 20.0]);
    close(numbers(&results, "magnitude", &subsystem, ["from_per_s", "classes", "rate_per_s"]), [10.0, 2.0, 40.0]);
}

#[test]
fn potential_interference_by_instance_and_by_class() {
    let results = analyzed();
    let on_b = [&WARM_A[..], &[("other_workload", "wb")]].concat();
    let columns = ["runs", "seen_in", "locks_median", "rate_median_per_s", "busy_median", "met_median_per_s"];
    close(numbers(&results, "potential", &on_b, columns), [3.0, 3.0, 1.0, 20.0, 0.1, 0.5]);
    let host = [("platform", "host"), ("phase", "warm")];
    // wa shares 40 k of 40 k + 40 acquisitions with k = 1, 2, 6; wb 20 of 40, whatever k.
    let scores = [1, 2, 6].map(|k| 1.0 - (f64::from(k) / f64::from(k + 1) + 0.5) / 2.0);
    close(numbers(&results, "pairs", &host, ["score_most", "score", "score_least"]), scores);
    // Both take both classes.
    close(numbers(&results, "pairs", &host, ["class_share", "shared_per_s"]), [1.0, 12.5]);
    close(numbers(&results, "scores", &host, ["groups", "score", "score_low"]), [1.0, scores[1], scores[1]]);
    // Nothing in common.
    let runc = [("platform", "runc"), ("phase", "warm")];
    close(numbers(&results, "scores", &runc, ["score", "shared_per_s", "met_share"]), [1.0, 0.0, 0.0]);
}

#[test]
fn observed_interference_and_the_ranking() {
    let results = analyzed();
    let waited = [("platform", "host"), ("phase", "warm"), ("workload", "wb"), ("holder", "wa")];
    close(numbers(&results, "observed", &waited, ["runs", "waits_median", "wait_ns_median_per_s"]), [3.0, 1.0, 2.5e7]);
    let nobody = [("platform", "host"), ("phase", "warm"), ("workload", "wb"), ("holder", "none")];
    close(numbers(&results, "observed", &nobody, ["wait_ns_median_per_s"]), [1e6]);
    let host = [("platform", "host"), ("phase", "warm")];
    close(numbers(&results, "pairs", &host, ["observed_ns_per_s"]), [1.25e7]);
    let (table, at) = row(&results, "objects_ranked", &host);
    assert_eq!(table.text(at, "object"), "inode.i_rwsem");
    let columns = ["place", "potential_per_s", "share", "observed_ns_per_s", "observed_place", "runs"];
    close(numbers(&results, "objects_ranked", &host, columns), [1.0, 25.0, 1.0, 2.5e7, 1.0, 3.0]);
    // The page allocator's lock is of one class, and shared by nobody.
    let (table, at) =
        row(&results, "sources", &[("platform", "host"), ("phase", "warm"), ("source", "page_allocator")]);
    assert_eq!(table.number(at, "best_place"), None);
}

#[test]
fn waits_alone_say_nothing_of_potential_interference() {
    let made = Made::new();
    for repetition in 1..=3 {
        made.run(HOST, repetition, |run, trace| {
            run.level = "contention".into();
            trace.acquired.clear();
        });
    }
    let results = made.analyzed();
    let host = [("platform", "host"), ("phase", "warm")];
    let (table, at) = row(&results, "objects_ranked", &host);
    assert_eq!(table.number(at, "observed_ns_per_s"), Some(2.5e7));
    let missing = ["potential_per_s", "share", "met_per_s", "pairs_with"].map(|column| table.number(at, column));
    assert_eq!(missing, [None; 4]);
    let (table, at) = row(&results, "sources", &[&host[..], &[("source", "journal")]].concat());
    assert_eq!(["potential_per_s", "share", "of_classes"].map(|column| table.number(at, column)), [None; 3]);
}

#[test]
fn validation() {
    let results = analyzed();
    let all = [("platform", "host"), ("workload", "(all)")];
    close(numbers(&results, "elapsed", &all, ["runs", "slowdown_median", "slowdown_most"]), [3.0, 1.1, 1.1]);
    let loss = [("run", "host.wa+wb.r1")];
    let (table, at) = row(&results, "losses", &loss);
    assert_eq!(table.text(at, "cause"), "recursion");
    let apart = [&WARM_A[..], &[]].concat();
    close(numbers(&results, "repetitions", &apart, ["spread"]), [50.0 / 30.0]);
}

#[test]
fn what_cannot_be_used_is_said_and_the_rest_goes_on() {
    let results = analyzed();
    let told = |run: &str| {
        let (table, at) = row(&results, "all_runs", &[("run", run)]);
        let (status, reason) = (table.text(at, "status").to_owned(), table.text(at, "reason").to_owned());
        (status, table.flag(at, "counted"), reason)
    };
    assert_eq!(told("host.wa+wb.r1"), ("done".into(), true, String::new()));
    assert_eq!(told("runc.wa+wb.r2"), ("failed".into(), false, "runc did not start".into()));
    let foreign = told("runc.wa+wb.r3");
    assert!(!foreign.1 && foreign.2.contains("of another kernel (bbbb) than most runs (aaaa)"), "{foreign:?}");
    let cut = told("runc.wa+wb.r4");
    assert!(cut.0 == "cut" && !cut.1 && cut.2.contains("run.json"), "{cut:?}");
    let missing = told("runc.wa+wb.r5");
    assert!(missing.0 == "missing" && !missing.1, "{missing:?}");
    let damaged = told("runc.wa+wb.r6");
    assert!(!damaged.1 && damaged.2.contains("trace.json"), "{damaged:?}");
    let stranger = told("runc.wa+wb.r7");
    assert!(!stranger.1 && stranger.2.contains("no tenant `/nobody`"), "{stranger:?}");
}

#[test]
fn a_folder_that_is_no_study_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Study::open(&folder.path().into()).unwrap_err().to_string();
    assert!(error.contains("is not a study"), "{error}");
    std::fs::create_dir(folder.path().join("runs")).unwrap();
    let error = Study::open(&folder.path().into()).unwrap_err().to_string();
    assert!(error.contains("has no runs"), "{error}");
}

#[test]
fn a_segment_that_cannot_be_read_is_a_loss() {
    let made = Made::new();
    made.run(HOST, 1, |_, _| {});
    let folder = made.folder().join("runs/host.wa+wb.r1/trace.lima/acquisitions");
    let segment = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    std::fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(100).unwrap();
    let results = made.analyzed();
    let (table, at) = row(&results, "all_runs", &[("run", "host.wa+wb.r1")]);
    assert!(table.flag(at, "counted") && !table.flag(at, "complete"));
    let (table, at) = row(&results, "losses", &[("run", "host.wa+wb.r1")]);
    assert_eq!(table.text(at, "cause"), "unreadable_segments");
}

#[test]
fn a_study_of_failures_has_every_table_and_no_number() {
    let made = Made::new();
    made.run(HOST, 1, |run, _| run.status = lima_model::study::Status::Hung);
    let results = made.analyzed();
    assert_eq!(results.table("all_runs").map(StudyTable::len), Some(1));
    assert!(results.tables.iter().all(|table| table.name == "all_runs" || table.is_empty()));
    assert!(results.table("combined").is_some_and(|table| table.columns().contains(&"rate_per_s".to_owned())));
}
