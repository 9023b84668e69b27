//! `lima lab`: loads do what they say, and leave nothing behind.

mod common;

use common::{comes_true, lima, run, shown, unique};
use lima_lab::load::culprit::Report;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

/// Folders of cgroups whose name contains `name`, in any hierarchy.
fn cgroups(name: &str) -> Vec<PathBuf> {
    let below = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let root = PathBuf::from("/sys/fs/cgroup");
    let all = below(root.clone()).chain(below(root).filter(|path| path.is_dir()).flat_map(below));
    all.filter(|path| path.to_string_lossy().contains(name)).collect()
}

fn may_make_tenants() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        common::skipped("making cgroups needs root");
    }
    root
}

#[test]
fn tenants_hammer_and_leave_nothing() {
    if !may_make_tenants() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let names = [unique("hammer"), unique("hammer")];
    let mut command = lima(["lab", "load", "hammer", "--seconds", "0.2", "--dir"]);
    let output = command.arg(folder.path()).args(["--tenant", &names[0], "--tenant", &names[1]]).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    let reports: Vec<serde_json::Value> =
        shown(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(reports.len(), 2);
    for (report, name) in reports.iter().zip(&names) {
        assert_eq!(report["tenant"], **name);
        assert!(["directory", "file", "pipe"].iter().all(|object| report["operations"][object].as_u64() > Some(0)));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(names.iter().all(|name| cgroups(name).is_empty()));
}

#[test]
fn a_load_ends_in_order_on_a_term() {
    if !may_make_tenants() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let name = unique("term");
    let in_folder = || fs::read_dir(folder.path()).unwrap().count();
    for load in [
        &["hammer", "--seconds", "600", "--tenant"][..],
        &["culprit", "--object", "pipe", "--hold", "60s", "--holder-tenant"],
    ] {
        let mut command = lima(["lab", "load"]);
        command.args(load).arg(&name).arg("--dir").arg(folder.path());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        assert!(comes_true(|| in_folder() > 0 && !cgroups(&name).is_empty()), "{load:?} does not start");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        child.wait().unwrap();
        assert_eq!(in_folder(), 0, "{load:?} leaves files");
        assert!(cgroups(&name).is_empty(), "{load:?} leaves cgroups");
    }
}

#[test]
fn a_culprit_tells_who_held_and_who_waited() {
    if !may_make_tenants() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for object in ["pipe", "inode", "directory"] {
        let mut command =
            lima(["lab", "load", "culprit", "--object", object, "--hold", "60ms", "--enter", "10ms,20ms"]);
        let output = command.args(["--times", "2", "--dir"]).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{object}: {}", shown(&output.stderr));
        let report: Report = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((report.rounds.len(), report.victims.len()), (2, 2), "{object}");
        for round in &report.rounds {
            let (begin, end) = (round.holder.hold_begin_ns.unwrap(), round.holder.hold_end_ns.unwrap());
            assert!(end - begin >= 60_000_000, "{object}: {round:?}");
            for victim in &round.victims {
                assert!(victim.enter_ns > begin && victim.enter_ns < end, "{object}: {round:?}");
                assert!(victim.leave_ns > end, "{object}: a victim got the lock while it was held: {round:?}");
            }
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn nonsense_is_refused() {
    for arguments in [
        &["hammer"][..],
        &["hammer", "--dir", "/nowhere/at/all"],
        &["hammer", "--dir", "/tmp", "--seconds", "-1"],
        &["hammer", "--dir", "/tmp", "--threads", "0"],
        &["hammer", "--dir", "/tmp", "--tenant", "../escape"],
        &["culprit", "--dir", "/tmp", "--object", "padlock"],
        &["culprit", "--dir", "/tmp", "--object", "pipe", "--hold", "0s"],
        &["culprit", "--dir", "/tmp", "--object", "pipe", "--hold", "5"],
        &["culprit", "--dir", "/tmp", "--object", "directory", "--then-hold", "5ms"],
    ] {
        let output = run(["lab", "load"].iter().chain(arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty() && !shown(&output.stderr).contains("panicked"), "{arguments:?}");
    }
}
