//! Losses are counted exactly: with limits far too small, what is missing in one place is known from another.

mod common;

use common::{Loaded, json, lima, manifest, rows, run, shown, table, unique};
use lima_lab::tenant::Tenant;
use serde_json::Value;
use std::path::PathBuf;

struct Recorded {
    _folder: tempfile::TempDir,
    trace: PathBuf,
    losses: Value,
}

/// Records two tenants that hammer the same things, nothing else, every wait as an event.
fn record(limits: &[&str]) -> Recorded {
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("losses.lima");
    let names = [unique("losses"), unique("losses")];
    let _tenants = names.each_ref().map(|name| Tenant::create(name).unwrap());
    let mut command = lima(["record", "--threshold", "0"]);
    command.args(names.iter().map(|name| format!("--tenant=/{name}"))).args(limits).arg("-o").arg(&trace).arg("--");
    command
        .args([common::LIMA, "lab", "load", "hammer", "--threads", "18", "--seconds", "1.5", "--dir"])
        .arg(folder.path());
    command.args(["--tenant", &names[0], "--tenant", &names[1]]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "a loss is no failure: {}", shown(&output.stderr));
    let losses = manifest(&trace)["losses"].clone();
    println!("{losses}");
    Recorded { _folder: folder, trace, losses }
}

impl Recorded {
    fn lost(&self, cause: &str) -> u64 {
        self.losses[cause].as_u64().unwrap()
    }

    fn sum(&self, name: &str, column: &str) -> u64 {
        table(&self.trace, name).numbers(column).iter().sum()
    }

    /// The losses stand where the numbers stand, and nothing else went wrong.
    fn is_shown(&self, cause: &str, others: &[&str]) {
        assert_eq!(manifest(&self.trace)["complete"], false);
        for (name, count) in self.losses.as_object().unwrap() {
            let unavoidable =
                ["inside_probe", "recursion", "begin_without_end", "end_without_begin"].contains(&name.as_str());
            let expected = name == cause || others.contains(&name.as_str()) || unavoidable;
            assert!(expected || count == 0, "{name}: {count} besides {cause}");
        }
        for command in ["report", "interference"] {
            let report = json(command, &self.trace, &[]);
            assert_eq!(report["trace"]["complete"], false, "{command}");
            assert_eq!(report["trace"]["losses"][cause], self.losses[cause], "{command}: {}", report["trace"]);
            assert!(!rows(&report).is_empty(), "{command}");
            let output = run([command.as_ref(), self.trace.as_os_str()]);
            let said = shown(&output.stdout) + &shown(&output.stderr);
            assert!(
                output.status.success() && said.contains(&cause.replace('_', " ")) || said.contains(cause),
                "{command} does not show {cause}: {said}"
            );
        }
    }
}

/// A wait that finds no room in the map is sent on its own instead, and added up outside the kernel: nothing is lost as
/// long as the buffer holds.
#[test]
fn a_full_map_of_totals_with_a_large_buffer() {
    needs_recorder!();
    let recorded = record(&["--max-totals", "4", "--buffer", "67108864"]);
    common::kept_everything(&recorded.trace);
    let events = table(&recorded.trace, "events");
    let totals = table(&recorded.trace, "totals");
    assert!(totals.len() > 4, "four keys are enough for this load: {}", totals.len());
    let all_ns: u64 = events.numbers("wait_ns").iter().sum();
    for name in ["totals", "tasks"] {
        assert_eq!(recorded.sum(name, "waits"), events.len() as u64, "waits in {name}");
        assert_eq!(recorded.sum(name, "wait_ns_total"), all_ns, "time in {name}");
    }
}

/// When there is no room for that either, what is missing is counted.
#[test]
fn a_full_map_of_totals_and_a_full_buffer() {
    needs_recorder!();
    let recorded = record(&["--max-totals", "4", "--buffer", "4096"]);
    let full = recorded.lost("totals_full");
    assert!(full > 0, "four keys and a page are too few for this load: {}", recorded.losses);
    let all = table(&recorded.trace, "events").len() as u64 + recorded.lost("events_dropped");
    assert_eq!(recorded.sum("totals", "waits") + full, all, "waits kept and lost make up all");
    assert_eq!(recorded.sum("tasks", "waits") + recorded.lost("tasks_full"), all, "the same by task");
    assert!(recorded.lost("totals_full_wait_ns") > 0);
    let others = [
        "totals_full_wait_ns",
        "tasks_full",
        "share_lost_ns",
        "events_dropped",
        "stacks_dropped",
        "stack_unknown",
        "notices_dropped",
    ];
    recorded.is_shown("totals_full", &others);
}

#[test]
fn a_full_buffer() {
    needs_recorder!();
    let recorded = record(&["--buffer", "4096"]);
    let dropped = recorded.lost("events_dropped");
    assert!(dropped > 0, "a page is too small for this load: {}", recorded.losses);
    let all = recorded.sum("totals", "waits");
    assert_eq!(table(&recorded.trace, "events").len() as u64 + dropped, all, "events kept and lost make up all");
    assert_eq!(recorded.sum("tasks", "waits"), all, "the sums do not pass through the buffer");
    assert_eq!(recorded.sum("tasks", "wait_ns_total"), recorded.sum("totals", "wait_ns_total"));
    recorded.is_shown("events_dropped", &["stacks_dropped", "stack_unknown", "notices_dropped"]);
}
