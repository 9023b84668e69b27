//! `lima resolve` and `lima explain` as commands: on a made-up trace of a small kernel that is compiled on the spot.

mod common;

use common::kernel::Home;
use common::{lima, manifest, number, rows, shown, table, text};
use lima_analyze::synthetic::{Acquired, Synthetic, Total};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// How far the kernel of the trace lies from where its image says.
const SLIDE: u64 = 0x1230_0000;
const MUTEX: u64 = 0xffff_8880_0001_0048;
const SPINLOCK: u64 = 0xffff_8880_0002_0000;
const STRANGER: u64 = 0xffff_8880_0003_0000;

/// The place that a call returns to in the running kernel, with the function's name and the offset.
fn place(answer: &Value, function: &str, primitive: &str) -> (u64, String, u64) {
    let here = |row: &&Value| text(row, "function") == function && text(row, "primitive") == primitive;
    let row = rows(answer).iter().find(here).unwrap_or_else(|| panic!("no {primitive} in {function}"));
    let hex = |name| u64::from_str_radix(text(row, name).trim_start_matches("0x"), 16).unwrap();
    (hex("address") + SLIDE + 5, function.to_owned(), hex("offset") + 5)
}

/// A trace of the small kernel: a mutex taken in `middle`, the kernel's `big_lock`, a spinlock of `whole`, and a lock taken
/// where the index knows nothing.
fn trace(home: &Home, index: &Path, name: &str) -> PathBuf {
    let sites = home.ask(index, &["sites", "--operation", "acquire"]);
    let big_lock = rows(&home.ask(index, &["locks"])).iter().find(|row| row["symbol"] == "big_lock").cloned().unwrap();
    let big_lock = u64::from_str_radix(text(&big_lock, "address").trim_start_matches("0x"), 16).unwrap() + SLIDE;
    let places = [("middle", "mutex_lock"), ("whole", "_raw_spin_lock"), ("__x64_sys_demo", "mutex_lock")]
        .map(|(function, primitive)| place(&sites, function, primitive));
    let mut made = Synthetic { phases: vec![(0, "start".into())], ..Synthetic::default() };
    for (id, (address, name, offset)) in (1..).zip(&places) {
        made.stacks.push((id, None, vec![*address]));
        made.frames.push((0, *address, Some(name.clone()), *offset, None));
    }
    // No call returns to the second byte of a function.
    let nowhere = places[0].0 - places[0].2 + 1;
    made.stacks.push((9, None, vec![nowhere]));
    made.frames.push((0, nowhere, Some("middle".into()), 1, None));
    let waits = |lock, lock_type, stack_id| Total {
        lock,
        lock_type,
        mode: "exclusive",
        stack_id,
        waiter: 3,
        method: "unknown",
        waits: vec![1_000],
        ..Total::default()
    };
    made.totals = vec![
        waits(MUTEX, "mutex", 1),
        waits(SPINLOCK, "spinlock", 2),
        waits(big_lock, "mutex", 3),
        waits(STRANGER, "mutex", 9),
        // The same mutex from a place that the index does not know.
        waits(MUTEX, "mutex", 9),
    ];
    made.acquired = vec![Acquired {
        lock: MUTEX,
        lock_type: "mutex",
        mode: "exclusive",
        stack_id: 1,
        tenant: 3,
        counts: [7, 0, 7],
        ..Acquired::default()
    }];
    made.tenants = vec![(3, "a".into())];
    let folder = home.path(name);
    made.write(&folder).unwrap();
    let build_id = text(&home.ask(index, &["locks"])["index"], "build_id").to_owned();
    of_kernel(&folder, &build_id);
    folder
}

/// Makes a trace one of the kernel with this build id.
fn of_kernel(trace: &Path, build_id: &str) {
    let mut manifest = manifest(trace);
    manifest["kernel"]["build_id"] = build_id.into();
    fs::write(trace.join("trace.json"), serde_json::to_vec(&manifest).unwrap()).unwrap();
}

fn run(home: &Home, arguments: &[&str]) -> Output {
    lima(arguments).env("XDG_CACHE_HOME", home.path("cache")).output().unwrap()
}

fn refused(home: &Home, arguments: &[&str], why: &str) {
    let output = run(home, arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    let said = shown(&output.stderr);
    assert!(said.contains(why) && !said.contains("panicked"), "{arguments:?}: {said}");
}

#[test]
fn locks_become_objects_and_stacks_lines() {
    let Some(home) = Home::new() else { return };
    let index = home.path("a.limaindex");
    home.build(&home.kernel("vmlinux", ""), &index, &[]);
    let folder = trace(&home, &index, "made-up.lima");
    let path = folder.to_str().unwrap();
    let objects = |arguments: &[&str]| -> Vec<(String, String, u64)> {
        let output = run(&home, &[&["report", path, "--format", "json"], arguments].concat());
        assert!(output.status.success(), "{}", shown(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let row = |row: &Value| (text(row, "object").to_owned(), text(row, "method").to_owned(), number(row, "waits"));
        let mut found: Vec<_> = rows(&answer).iter().map(row).collect();
        found.sort();
        found
    };
    // A report finds the index in the cache by itself.
    let expected = [
        ("big_lock", "symbol", 1),
        ("inode.i_lock", "site", 1),
        ("inode.i_mutex", "other_sites", 2),
        ("middle()", "caller", 1),
    ];
    let expected = expected.map(|(object, method, waits)| (object.to_owned(), method.to_owned(), waits));
    assert_eq!(objects(&[]), expected);
    assert_eq!(objects(&["--index", index.to_str().unwrap()]), expected);
    assert_eq!(table(&folder, "objects").len(), 0, "a report writes nothing");

    let output = run(&home, &["resolve", path]);
    assert!(output.status.success(), "{}", shown(&output.stderr));
    assert!(shown(&output.stdout).contains("100.00 % of acquisitions have an object"), "{}", shown(&output.stdout));
    assert_eq!(manifest(&folder)["resolved"]["index"], "dwarf");
    assert_eq!(table(&folder, "objects").len(), 5);
    let written = table(&folder, "objects").texts("method");
    assert_eq!(written.iter().filter(|method| *method == "unknown").count(), 1, "{written:?}");
    assert_eq!(table(&folder, "lines").len(), 3);
    // An index in the cache that is damaged is as good as none.
    let cached = fs::read_dir(home.path("cache/lima/index")).unwrap().next().unwrap().unwrap().path();
    fs::write(cached.join("sites.parquet"), "damaged").unwrap();
    let without = trace(&home, &index, "unresolved.lima");
    let output = run(&home, &["report", without.to_str().unwrap()]);
    assert!(output.status.success(), "{}", shown(&output.stderr));
    assert!(shown(&output.stderr).contains("the index in the cache is not used"), "{}", shown(&output.stderr));
    assert!(shown(&output.stdout).contains("middle()") && !shown(&output.stdout).contains("inode.i_mutex"));
    // Now it is read where there is no index.
    fs::remove_dir_all(home.path("cache")).unwrap();
    assert_eq!(objects(&[]), expected);
    let sites = run(&home, &["report", path, "--by", "site"]);
    assert!(
        shown(&sites.stdout).contains("middle+0x") && shown(&sites.stdout).contains("vmlinux.c:"),
        "{}",
        shown(&sites.stdout)
    );
    // And again over what is there.
    let output = run(&home, &["resolve", path, "--index", index.to_str().unwrap()]);
    assert!(output.status.success(), "{}", shown(&output.stderr));
    assert_eq!(table(&folder, "objects").len(), 5);
}

#[test]
fn the_evidence_on_a_lock_is_told() {
    let Some(home) = Home::new() else { return };
    let index = home.path("a.limaindex");
    home.build(&home.kernel("vmlinux", ""), &index, &[]);
    let folder = trace(&home, &index, "made-up.lima");
    let path = folder.to_str().unwrap();
    let told = |lock: &str| {
        let output = run(&home, &["explain", path, lock]);
        assert!(output.status.success(), "{}", shown(&output.stderr));
        shown(&output.stdout)
    };
    let mutex = told(&format!("{MUTEX:#x}"));
    assert!(mutex.contains("inode.i_mutex (found by site, certain)"), "{mutex}");
    assert!(mutex.contains("inode.i_mutex (found by other_sites, inferred)"), "{mutex}");
    assert!(mutex.contains("7 acquisitions"), "{mutex}");
    assert_eq!(told("inode.i_mutex"), mutex);
    assert!(told("big_lock").contains("it lies in a variable: big_lock"), "{}", told("big_lock"));
    assert!(told(&format!("{STRANGER:#x}")).contains("unknown (found by unknown, none)"));
    let output = run(&home, &["explain", path, "inode.i_mutex", "--format", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows(&answer)[0]["places"].as_array().unwrap().len(), 2, "{answer}");
}

#[test]
fn what_cannot_be_resolved_is_refused() {
    let Some(home) = Home::new() else { return };
    let (index, other) = (home.path("a.limaindex"), home.path("b.limaindex"));
    home.build(&home.kernel("vmlinux", ""), &index, &[]);
    home.build(&home.kernel("another", "info->flags += 7;"), &other, &[]);
    let folder = trace(&home, &index, "made-up.lima");
    let (path, named) = (folder.to_str().unwrap(), other.to_str().unwrap());
    refused(&home, &["resolve", path, "--index", named], "is of the kernel with build id");
    refused(&home, &["report", path, "--index", named], "is of the kernel with build id");
    refused(&home, &["explain", path, "no_such_lock"], "no lock of the trace was found to be `no_such_lock`");
    refused(&home, &["explain", path, "0x1234"], "the trace has no lock at 0x1234");
    refused(&home, &["resolve", path, "--index", "/nowhere.limaindex"], "/nowhere.limaindex");
    refused(&home, &["resolve", "/nowhere.lima"], "/nowhere.lima");
    for build_id in ["", "1f2e3d4c", "../../../../etc", "0\n1"] {
        of_kernel(&folder, build_id);
        refused(&home, &["resolve", path], "there is no index of the kernel that");
        refused(&home, &["explain", path, "big_lock"], "there is no index of the kernel that");
        assert!(run(&home, &["report", path]).status.success(), "a report does without");
    }
    let mut unfinished = manifest(&folder);
    unfinished["ended"] = "recording".into();
    unfinished["kernel"]["build_id"] = text(&home.ask(&index, &["locks"])["index"], "build_id").into();
    fs::write(folder.join("trace.json"), serde_json::to_vec(&unfinished).unwrap()).unwrap();
    refused(&home, &["resolve", path], "still being recorded");
}
