//! `lima study` in guests of the lab, every acquisition traced.

mod common;

use common::{json, lima, rows, shown, text};
use lima_model::study::{Run, Status, Study};
use std::fs;
use std::path::Path;

/// What `make study-smoke-lab` runs.
const SMOKE: &str = include_str!("../../../studies/smoke/lab.toml");

#[test]
fn two_platforms_are_compared_in_guests() {
    let missing = ["/usr/bin/qemu-system-x86_64", "/bin/busybox"].into_iter().find(|path| !Path::new(path).exists());
    if let Some(missing) = missing {
        return common::skipped(&format!("a guest needs {missing}"));
    }
    if lima_lab::guest::Cache::of_user().is_ok_and(|cache| cache.find("6.1").is_none()) {
        return common::skipped("a guest needs a cached kernel 6.1 (scripts/fetch-kernel.sh)");
    }
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("study.toml"), folder.path().join("out"));
    fs::write(&file, SMOKE).unwrap();
    let output =
        lima(["study".as_ref(), "run".as_ref(), file.as_os_str(), "-o".as_ref(), out.as_os_str()]).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    let page = |path: &str| fs::read(out.join(path)).unwrap();
    let study: Study = serde_json::from_slice(&page("study.json")).unwrap();
    let guest = study.guest.unwrap();
    assert!(guest.kernel_release.starts_with("6.1."), "{guest:?}");
    for platform in ["host", "runc"] {
        let id = format!("{platform}.stress-rename+files.r1");
        let run: Run = serde_json::from_slice(&page(&format!("runs/{id}/run.json"))).unwrap();
        assert_eq!(run.status, Status::Done, "{run:?}");
        // Each boots a kernel of its own, and it is the same.
        assert_eq!(run.kernel_build_id, guest.kernel_build_id);
        let report = json("report", &out.join(format!("runs/{id}/trace.lima")), &["--acquisitions", "--by", "phase"]);
        let mut phases: Vec<&str> = rows(&report).iter().map(|row| text(row, "phase")).collect();
        phases.sort_unstable();
        assert_eq!(phases, ["cold", "warm"]);
    }
    let output = lima(["analyze".as_ref(), out.as_os_str()]).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    let scores = String::from_utf8(page("results/csv/scores.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(scores.as_bytes());
    let column = reader.headers().unwrap().iter().position(|name| name == "score").unwrap();
    let scores: Vec<f64> = reader.records().map(|row| row.unwrap()[column].parse().unwrap()).collect();
    // Both platforms in both phases; tenants of one kernel share some locks and not all.
    assert_eq!(scores.len(), 4, "{scores:?}");
    assert!(scores.iter().all(|score| (0.05..0.95).contains(score)), "{scores:?}");
}
