//! `lima study` in guests of the lab, every acquisition traced.

mod common;

use common::{json, lima, rows, shown, text};
use lima_model::study::{Run, Status, Study};
use std::fs;
use std::path::Path;

#[test]
fn each_run_has_a_guest_of_its_own() {
    let missing = ["/usr/bin/qemu-system-x86_64", "/bin/busybox"].into_iter().find(|path| !Path::new(path).exists());
    if let Some(missing) = missing {
        return common::skipped(&format!("a guest needs {missing}"));
    }
    if lima_lab::guest::Cache::of_user().is_ok_and(|cache| cache.find("6.1").is_none()) {
        return common::skipped("a guest needs a cached kernel 6.1 (scripts/fetch-kernel.sh)");
    }
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("study.toml"), folder.path().join("out"));
    let study = "name = 'lab'\ntarget = 'lab:6.1'\nlevel = 'acquisitions'\nroot = 'machine'\nplatforms = ['host']\n\
        workloads = ['files']\nrepetitions = 1\nwarm = '1s'\n";
    fs::write(&file, study).unwrap();
    let output =
        lima(["study".as_ref(), "run".as_ref(), file.as_os_str(), "-o".as_ref(), out.as_os_str()]).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    let page = |path: &str| fs::read(out.join(path)).unwrap();
    let run: Run = serde_json::from_slice(&page("runs/host.files.r1/run.json")).unwrap();
    assert_eq!(run.status, Status::Done, "{run:?}");
    let study: Study = serde_json::from_slice(&page("study.json")).unwrap();
    let guest = study.guest.unwrap();
    assert!(guest.kernel_release.starts_with("6.1."), "{guest:?}");
    assert_eq!(guest.kernel_build_id, run.kernel_build_id);
    let trace = out.join("runs/host.files.r1/trace.lima");
    let report = json("report", &trace, &["--acquisitions", "--by", "phase"]);
    let phases: Vec<&str> = rows(&report).iter().map(|row| text(row, "phase")).collect();
    assert!(phases.contains(&"warm") && phases.iter().all(|phase| ["cold", "warm"].contains(phase)), "{phases:?}");
}
