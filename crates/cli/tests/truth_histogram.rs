//! The truth about sums and percentiles: every wait is kept as an event as well, and the report must say the same.

mod common;

use common::{Loaded, json, kept_everything, lima, number, rows, shown, table, text, unique};
use lima_lab::tenant::Tenant;
use lima_model::histogram::{bounds, bucket_of};
use std::collections::BTreeMap;

#[test]
fn sums_and_percentiles_agree_with_the_single_waits() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("histogram.lima");
    let names = [unique("histogram"), unique("histogram")];
    let _tenants = names.each_ref().map(|name| Tenant::create(name).unwrap());

    let mut command = lima(["record", "--threshold", "0", "--buffer", "67108864", "--bucket", "500ms", "-o"]);
    command.arg(&trace).args(names.iter().map(|name| format!("--tenant=/{name}"))).arg("--");
    command.args([common::LIMA, "lab", "load", "hammer", "--seconds", "2", "--dir"]).arg(folder.path());
    command.args(["--tenant", &names[0], "--tenant", &names[1]]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    kept_everything(&trace);

    let events = table(&trace, "events");
    let mut exact: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    let keys = events.texts("lock_type").into_iter().zip(events.texts("mode"));
    for (key, wait) in keys.zip(events.numbers("wait_ns")) {
        exact.entry(key).or_default().push(wait);
    }
    let report = json("report", &trace, &["--by", "type"]);
    assert_eq!(rows(&report).len(), exact.len(), "{report:#}");
    let mut compared = 0;
    for row in rows(&report) {
        let key = (text(row, "lock_type").to_owned(), text(row, "mode").to_owned());
        let waits = exact.get_mut(&key).unwrap();
        waits.sort_unstable();
        println!("{key:?}: {} waits", waits.len());
        assert_eq!(number(row, "waits"), waits.len() as u64, "{key:?}");
        assert_eq!(number(row, "wait_ns_total"), waits.iter().sum::<u64>(), "{key:?}");
        assert_eq!(number(row, "wait_ns_min"), waits[0], "{key:?}");
        assert_eq!(number(row, "wait_ns_max"), waits[waits.len() - 1], "{key:?}");
        for (name, share) in
            [("wait_ns_p50", 0.5), ("wait_ns_p90", 0.9), ("wait_ns_p99", 0.99), ("wait_ns_p999", 0.999)]
        {
            let rank = ((share * waits.len() as f64).ceil() as usize).clamp(1, waits.len());
            let (found, exact) = (number(row, name), waits[rank - 1]);
            println!("  {name}: {found} ns found, {exact} ns exact");
            assert_eq!(bucket_of(found), bucket_of(exact), "{key:?} {name}: {found} ns found, {exact} ns exact");
            let (low, high) = bounds(bucket_of(exact));
            assert!(found.abs_diff(exact) <= high - low, "{key:?} {name}");
            compared += 1;
        }
    }
    assert!(compared >= 4, "no contention: {report:#}");

    // The other tables tell the same.
    for name in ["totals", "tasks"] {
        let table = table(&trace, name);
        assert_eq!(table.numbers("waits").iter().sum::<u64>(), events.len() as u64, "waits in {name}");
        let ns: u64 = table.numbers("wait_ns_total").iter().sum();
        assert_eq!(ns, events.numbers("wait_ns").iter().sum::<u64>(), "time in {name}");
    }
    let totals = table(&trace, "totals");
    let [waits, ns, spin, sleep] =
        ["waits", "wait_ns_total", "spin_ns_total", "sleep_ns_total"].map(|name| totals.numbers(name));
    for (row, counts) in totals.lists("hist_waits").into_iter().enumerate() {
        assert_eq!(spin[row] + sleep[row], ns[row], "row {row}: spinning and sleeping make up the whole");
        assert_eq!(counts.iter().sum::<u64>(), waits[row], "row {row}: the histogram holds all waits");
    }
}
