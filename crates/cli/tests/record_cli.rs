//! `lima record` as a program: how it ends, what it leaves, and what it says when it cannot.

mod common;

use common::{
    LIMA, Loaded, Quiet, Recording, comes_true, json, kept_everything, lima, manifest, probe_objects, run, shown, table,
};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A load beside the recorder. Ended by a TERM when dropped, so that it cleans up.
struct Hammer(Child);

impl Hammer {
    fn start(folder: &Path) -> Self {
        let mut command = lima(["lab", "load", "hammer", "--threads", "6", "--seconds", "600", "--dir"]);
        Self(command.arg(folder).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Hammer {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_raw(self.0.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

fn segments(trace: &Path, table: &str) -> usize {
    let Ok(entries) = fs::read_dir(trace.join(table)) else { return 0 };
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|e| e == "parquet")))
        .count()
}

/// An error as the design wants it: exit code 2, a message, no panic, no trace left half made.
fn refused(output: &Output, words: &[&str]) {
    let said = shown(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    for word in words {
        assert!(said.to_lowercase().contains(&word.to_lowercase()), "no word of {word:?}: {said}");
    }
}

#[test]
fn the_status_of_the_command_is_passed_on() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    for (script, code) in
        [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -KILL $$", 137), ("kill -TERM $$", 143)]
    {
        let trace = folder.path().join(format!("{code}.lima"));
        let output = lima(["record", "-o"]).arg(&trace).args(["--", "sh", "-c", script]).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{script}: {}", shown(&output.stderr));
        let manifest = manifest(&trace);
        assert_eq!(manifest["exit_status"], code, "{script}");
        assert_eq!(manifest["ended"], "command", "{script}");
        assert_eq!(manifest["command"], serde_json::json!(["sh", "-c", script]));
    }
}

#[test]
fn the_command_has_the_input_and_output_of_the_recorder() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("t.lima");
    let output =
        lima(["record", "-o"]).arg(&trace).args(["--", "sh", "-c", "echo out; echo err >&2"]).output().unwrap();
    assert_eq!(shown(&output.stdout), "out\n");
    assert!(shown(&output.stderr).contains("err\n"));
}

#[test]
fn a_command_that_is_not_there_is_an_error() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("t.lima");
    let output = lima(["record", "-o"]).arg(&trace).args(["--", "/nowhere/at/all"]).output().unwrap();
    refused(&output, &["/nowhere/at/all"]);
}

#[test]
fn signals_and_time_end_a_recording_in_order() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let _load = Hammer::start(folder.path());
    for signal in [Signal::INT, Signal::TERM] {
        let trace = folder.path().join(format!("{}.lima", signal.as_raw()));
        let recording = Recording::start(&trace, ["--buffer", "16777216"]);
        recording.signal(signal);
        let (status, said) = recording.end();
        assert!(status.success(), "{status}: {said}");
        assert_eq!(manifest(&trace)["ended"], "interrupted");
        kept_everything(&trace);
    }
    let trace = folder.path().join("time.lima");
    let output = lima(["record", "-d", "1500ms", "-o"]).arg(&trace).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    let manifest = manifest(&trace);
    assert_eq!(manifest["ended"], "duration");
    assert!(manifest["clock"]["duration_ns"].as_u64().unwrap() >= 1_500_000_000);
    assert!(table(&trace, "totals").numbers("waits").iter().sum::<u64>() > 0, "nothing recorded of a load");
}

#[test]
fn a_killed_recorder_leaves_a_trace_that_says_so() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let _load = Hammer::start(folder.path());
    let trace = folder.path().join("killed.lima");
    let recording = Recording::start(&trace, ["--threshold", "0"]);
    assert!(comes_true(|| segments(&trace, "totals") >= 2), "no segments are written");
    recording.signal(Signal::KILL);
    assert!(!recording.end().0.success());

    for command in ["report", "interference"] {
        let report = json(command, &trace, &[]);
        assert_eq!(report["trace"]["complete"], false, "{command}");
        assert_eq!(report["trace"]["losses"]["cut"], 1, "{command}: {}", report["trace"]);
        assert!(!common::rows(&report).is_empty(), "{command}");
    }
    let info = run(["info".as_ref(), trace.as_os_str()]);
    assert!(info.status.success() && shown(&info.stdout).contains("cut"), "{info:?}");
}

/// A small file system, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, size: &str) -> Option<Self> {
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", size, "lima-test"]).arg(at).status();
        if status.is_ok_and(|status| status.success()) {
            return Some(Self(at.to_owned()));
        }
        common::skipped("mounting a tmpfs is not permitted");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_an_error_and_what_was_written_stays() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_disk) = SmallDisk::mount(&disk, "size=256k") else { return };
    let _load = Hammer::start(folder.path());
    let trace = disk.join("full.lima");
    // It ends by itself when the disk is full; the time is for the case that it does not.
    let output = lima(["record", "--threshold", "0", "-d", "120s", "-o"]).arg(&trace).output().unwrap();
    refused(&output, &["space", "full.lima"]);
    let report = json("report", &trace, &[]);
    assert_eq!(report["trace"]["complete"], false, "{}", report["trace"]);
    assert!(run(["info".as_ref(), trace.as_os_str()]).status.success());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    needs_recorder!();
    let _company = Loaded::take();
    for trace in ["/proc/lima-test.lima", "/nowhere/at/all/t.lima", "/dev/null/t.lima"] {
        refused(&lima(["record", "-d", "1s", "-o", trace]).output().unwrap(), &[trace]);
    }
}

#[test]
fn another_folder_is_never_overwritten() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("precious"), "data").unwrap();
    let output = lima(["record", "-d", "1s", "-o"]).arg(folder.path()).output().unwrap();
    refused(&output, &[]);
    assert_eq!(fs::read_to_string(folder.path().join("precious")).unwrap(), "data");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn two_recorders_see_the_same() {
    needs_recorder!();
    let _company = Loaded::take();
    let folder = tempfile::tempdir().unwrap();
    let start =
        |name: &str| Recording::start(&folder.path().join(name), ["--buffer", "16777216", "--comm", "hammer-0"]);
    let (first, second) = (start("first.lima"), start("second.lima"));
    let load = lima(["lab", "load", "hammer", "--threads", "6", "--seconds", "1", "--dir"]).arg(folder.path()).output();
    assert!(load.unwrap().status.success());
    let [first, second] = [first, second].map(|recording| {
        let trace = recording.finish();
        kept_everything(&trace);
        table(&trace, "totals").numbers("waits").iter().sum::<u64>()
    });
    assert!(first > 0);
    assert_eq!(first, second, "both were there from before the load until after it");
}

#[test]
fn without_privileges_it_says_what_is_missing() {
    if !common::can_record() || !common::has("setpriv", "--version") {
        return;
    }
    // Built programs may lie where nobody else can reach them.
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("lima");
    fs::hard_link(LIMA, &program).or_else(|_| fs::copy(LIMA, &program).map(drop)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
    let output = command.args(["record", "-d", "1s", "-o", "/tmp/lima-test-nobody.lima"]).output().unwrap();
    refused(&output, &["CAP_BPF"]);
    assert!(!Path::new("/tmp/lima-test-nobody.lima").exists(), "a trace of nothing is left behind");
}

#[test]
fn without_btf_it_says_what_is_missing() {
    if !common::can_record() || !common::has("unshare", "--version") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs none /sys/kernel/btf && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh", LIMA, "record", "-d", "1s", "-o"]);
    let output = command.arg(folder.path().join("t.lima")).output().unwrap();
    refused(&output, &["BTF"]);
}

#[test]
fn nonsense_on_the_command_line_is_refused() {
    let nonsense: &[&[&str]] = &[
        &["--no-such-option"],
        &["-d", "0"],
        &["-d", "0s"],
        &["-d", "-5s"],
        &["-d", "5parsecs"],
        &["-d", "99999999999999999999h"],
        &["-d", "nan"],
        &["-d", ""],
        &["--threshold", "soon"],
        &["--threshold", "-1us"],
        &["--bucket", "0s"],
        &["--bucket", "1e400s"],
        &["--max-totals", "0"],
        &["--max-totals", "99999999999999"],
        &["--buffer", "0"],
        &["--buffer", "many"],
        &["--cpu", "99999"],
        &["--cpu", "first"],
        &["--type", "padlock"],
        &["--pid", "-1"],
        &["--pid", "init"],
        &["--tid", "0x"],
        &["--tenant-by", "colour"],
        &["-d", "1s", "--", "true"],
    ];
    let folder = tempfile::tempdir().unwrap();
    for arguments in nonsense {
        let trace = folder.path().join("t.lima");
        // The limit is for the case that nonsense is taken for sense.
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "20", LIMA, "record", "-o"]).arg(&trace).args(*arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        println!("{arguments:?}: {}", shown(&output.stderr));
        refused(&output, &[]);
        assert!(!output.stderr.is_empty(), "{arguments:?}: not a word");
        assert!(!trace.exists(), "{arguments:?}: a trace of nothing is left behind");
    }
}

#[test]
fn nothing_is_left_in_the_kernel() {
    needs_recorder!();
    let _quiet = Quiet::take();
    let folder = tempfile::tempdir().unwrap();
    let before = probe_objects();
    let mut number = 0;
    let mut record = |end: &dyn Fn(Recording)| {
        number += 1;
        let recording = Recording::start(&folder.path().join(format!("{number}.lima")), ["--user-stacks"]);
        assert!(probe_objects().len() > before.len(), "the test does not see the recorder's programs");
        end(recording);
        // The kernel takes programs apart a moment after their last user has gone.
        let gone = comes_true(|| probe_objects().is_subset(&before));
        assert!(gone, "left behind: {:?}", probe_objects().difference(&before).collect::<Vec<_>>());
    };
    record(&|recording| drop(recording.finish()));
    record(&|recording| {
        recording.signal(Signal::TERM);
        assert!(recording.end().0.success());
    });
    record(&|recording| {
        recording.signal(Signal::KILL);
        recording.end();
    });
    let output =
        lima(["record", "-o"]).arg(folder.path().join("c.lima")).args(["--", "/nowhere/at/all"]).output().unwrap();
    refused(&output, &[]);
    assert!(comes_true(|| probe_objects().is_subset(&before)), "left behind by a failure");
}
