//! `lima record --user-stacks`, through the real binary: a program whose functions are known, in mount and pid namespaces of its
//! own as in a container.

mod common;

use common::{Loaded, json, lima, shown};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Compiles the program; its build id is its own.
fn compiled(path: &Path) {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/renamer.c");
    let mut compiler = Command::new("cc");
    compiler.args([
        "-O2",
        "-g",
        "-fno-omit-frame-pointer",
        "-fno-optimize-sibling-calls",
        "-pthread",
        "-Wl,--build-id",
    ]);
    assert!(compiler.arg("-o").arg(path).arg(source).status().unwrap().success());
}

/// The user stacks of waits in `rename`, with their waiting time.
fn stacks(trace: &Path) -> Vec<(Vec<String>, u64)> {
    let answer = json("report", trace, &["--by", "stack", "--top", "1000"]);
    let texts = |row: &Value, name: &str| -> Vec<String> {
        let list = row[name].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.filter(|row| texts(row, "stack").iter().any(|frame| frame.contains("sys_rename")))
        .map(|row| (texts(row, "user_stack"), row["wait_ns_total"].as_u64().unwrap()))
        .collect()
}

/// The part of the waiting whose user stack has these frames, one after the other from the innermost on.
fn share(stacks: &[(Vec<String>, u64)], frames: &[&str]) -> f64 {
    let fits = |stack: &[String]| {
        frames.iter().zip(stack).filter(|(start, frame)| frame.starts_with(**start)).count() == frames.len()
    };
    let all: u64 = stacks.iter().map(|(_, ns)| ns).sum();
    let those: u64 = stacks.iter().filter(|(stack, _)| fits(stack)).map(|(_, ns)| ns).sum();
    those as f64 / all as f64
}

#[test]
fn code_in_a_container_is_named_whatever_it_is_made_of() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    compiled(&program);
    // Neither the program's path nor the map in its /tmp is there for anybody else, and its number is another one to itself.
    let inside = folder.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let script = format!(
        "mount -t tmpfs none {inside} && cp {program} {inside}/hidden && cd {inside} && \
         mount -t tmpfs none /tmp && exec ./hidden 3",
        inside = inside.display(),
        program = program.display()
    );
    let trace = folder.path().join("contained.lima");
    let output = lima(["record", "--user-stacks", "--comm", "hidden", "-o"])
        .arg(&trace)
        .args(["--", "unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", &script])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    let found = stacks(&trace);
    let compiled = share(&found, &["rename_compiled+", "worker+", "start_thread"]);
    let made = share(&found, &["LazyCompile:*rename /app/a b.js:3+", "rename_made+", "worker+", "start_thread"]);
    assert!(compiled > 0.1 && made > 0.1 && compiled + made > 0.9, "{compiled} {made} {found:#?}");
    let frames = || found.iter().flat_map(|(stack, _)| stack);
    let in_file = |frame: &String| frame.starts_with("worker+") && frame.contains("[hidden]");
    assert!(frames().any(in_file), "{found:#?}");
    assert!(!frames().any(|frame| frame.contains("renamer.c")), "the program's file is not here: {found:#?}");
}

#[test]
fn debug_information_gives_lines_and_inlined_functions() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("debugged");
    compiled(&program);
    let trace = folder.path().join("t.lima");
    let mut record = lima(["record", "--user-stacks", "--comm", "debugged", "-o"]);
    let output = record.arg(&trace).arg("--").arg(&program).arg("3").current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    let found = stacks(&trace);
    let share = share(&found, &["moved (inlined)", "rename_compiled+", "worker+"]);
    assert!(share > 0.1, "{share} {found:#?}");
    // The line of the statement in `moved`, as the source has it.
    let source = include_str!("data/renamer.c");
    let line = source.lines().position(|line| line.contains("__asm__ volatile(\"syscall\"")).unwrap() + 1;
    let place = format!("renamer.c:{line}");
    let inlined: Vec<_> =
        found.iter().flat_map(|(stack, _)| stack).filter(|frame| frame.starts_with("moved (")).collect();
    assert!(inlined.iter().all(|frame| frame.ends_with(&place)), "{inlined:?}");

    // A program that was built anew has another build id, and says nothing about the one that ran.
    fs::write(&program, fs::read("/bin/true").unwrap()).unwrap();
    let found = stacks(&trace);
    assert!(found.iter().flat_map(|(stack, _)| stack).all(|frame| !frame.contains("renamer.c")), "{found:#?}");
    assert!(self::share(&found, &["rename_compiled+", "worker+"]) > 0.1, "{found:#?}");
}
