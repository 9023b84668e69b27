//! `lima lab run`: a command in a guest, what comes out of it, and that nothing stays behind.

mod common;

use common::{comes_true, lima, run, shown};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};

/// Leaves the test when guests cannot be started here.
macro_rules! needs_guest {
    () => {
        if !can_boot() {
            return;
        }
    };
}

fn can_boot() -> bool {
    let program = |names: &[&str]| names.iter().any(|name| Path::new(name).exists());
    let missing = if !program(&["/usr/bin/qemu-system-x86_64"]) {
        "QEMU"
    } else if !program(&["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"]) {
        "virtiofsd"
    } else if !program(&["/bin/busybox"]) {
        "busybox"
    } else if lima_lab::guest::Cache::of_user().is_ok_and(|cache| cache.find("6.1").is_none()) {
        "a cached kernel 6.1 (scripts/fetch-kernel.sh)"
    } else {
        return true;
    };
    common::skipped(&format!("a guest needs {missing}"));
    false
}

/// Runs a command of the shell in a guest.
fn guest(options: &[&str], script: &str) -> Output {
    // Without a trial of KVM, which would be paid for by whichever test comes first.
    let fixed = ["lab", "run", "--accel", "tcg", "--memory", "1G"];
    run(fixed.iter().chain(options).chain(&["--", "sh", "-c", script]))
}

#[test]
fn a_command_runs_as_root_and_its_output_and_status_come_back() {
    needs_guest!();
    let here = std::env::current_dir().unwrap();
    let note = tempfile::NamedTempFile::new_in(&here).unwrap();
    let path = note.path().display();
    // Bytes that no terminal line would let through, errors apart, another program's own way to its output.
    let output = guest(
        &["--cpus", "2", "--numa", "2"],
        &format!(
            "id -u; uname -r; pwd; printf 'a\\000\\r\\377'; echo apart >&2; echo again >/dev/stderr; \
             ls -d /sys/devices/system/node/node[0-9]; [ -n \"$LIMA_LAB\" ] || exit 1; \
             echo changed >{path} && cat {path}; mount -o remount,rw /run/lima/machine; \
             echo changed >/run/lima/machine{path}; exit 7"
        ),
    );
    assert_eq!(output.status.code(), Some(7), "{}", shown(&output.stderr));
    let out = output.stdout.split(|&byte| byte == b'\n').collect::<Vec<_>>();
    assert_eq!(out[0], b"0");
    assert!(out[1].starts_with(b"6.1."), "{}", shown(out[1]));
    assert_eq!(shown(out[2]), here.display().to_string());
    assert!(out[3].starts_with(b"a\0\r\xff/sys/devices/system/node/node0"), "{:?}", out[3]);
    assert_eq!(out[4], b"/sys/devices/system/node/node1");
    assert_eq!(out[5], b"changed");
    let errors = shown(&output.stderr);
    assert!(errors.contains("apart\nagain\n"), "{errors}");
    assert_eq!(fs::read(note.path()).unwrap(), b"", "the guest changed a file of this machine");
}

#[test]
fn lima_records_in_a_guest_and_reports_here() {
    needs_guest!();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("made/by it's option");
    let trace = out.join("guest.lima");
    let script = format!(
        "{0} record -o \"$LIMA_OUT/guest.lima\" -- {0} lab load hammer --dir /tmp --seconds 1 --tenant red --tenant blue",
        common::LIMA
    );
    let output = guest(&["--out", out.to_str().unwrap()], &script);
    assert!(output.status.success(), "{}", shown(&output.stderr));
    let manifest = common::manifest(&trace);
    assert_eq!(manifest["complete"], true, "{manifest}");
    assert!(manifest["kernel"]["release"].as_str().unwrap().starts_with("6.1."), "{manifest}");
    let report = common::json("report", &trace, &["--by", "tenant"]);
    let tenants: Vec<&str> = common::rows(&report).iter().map(|row| common::text(row, "waiter_tenant")).collect();
    assert!(tenants.contains(&"/red") && tenants.contains(&"/blue"), "{tenants:?}");
}

#[test]
fn a_guest_with_a_disk_of_its_own_loads_its_kernels_modules() {
    needs_guest!();
    if !lima_lab::guest::Cache::of_user().unwrap().folder().join("bookworm.ext4").exists() {
        println!("left out: the disk of guests is not there (lima lab run --root ext4 -- true makes it)");
        return;
    }
    // That Debian has a modprobe, too, which does not know modules that are not installed there.
    let output = guest(&["--root", "ext4"], "modprobe kvm_amd && test -c /dev/kvm && findmnt -no FSTYPE /");
    assert_eq!((shown(&output.stdout).trim(), output.status.code()), ("ext4", Some(0)), "{}", shown(&output.stderr));
}

/// A guest's processes: QEMU by a word on its command line, those that serve files by the name of their socket.
struct Traces {
    word: String,
    socket: String,
}

impl Traces {
    fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            // Processes come and go.
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let program = shown(command.split(|&byte| byte == 0).next().unwrap_or_default());
            if program.ends_with("qemu-system-x86_64") && shown(&command).contains(&self.word) {
                left.push(shown(&command));
            }
        }
        let sockets = fs::read_to_string("/proc/net/unix").unwrap();
        left.extend(sockets.lines().filter(|line| line.contains(&self.socket)).map(str::to_owned));
        left
    }
}

/// Starts a guest in the background.
fn background(options: &[&str], script: &str) -> (Child, Traces) {
    let word = format!("lima.test={}", common::unique("guest"));
    let mut command = lima(["lab", "run", "--accel", "tcg", "--kernel", "6.1", "--memory", "1G", "--append", &word]);
    command.args(options).args(["--", "sh", "-c", script]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let socket = format!("@lima-lab-{}-", child.id());
    (child, Traces { word, socket })
}

#[test]
fn a_command_that_hangs_ends_at_the_timeout_and_leaves_nothing() {
    needs_guest!();
    let (child, traces) =
        background(&["--timeout", "1500ms"], "echo on the way >/dev/console; echo so far; sleep 1000");
    assert!(comes_true(|| traces.left().len() >= 2), "the guest's processes are not found");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(124));
    assert_eq!(shown(&output.stdout), "so far\n");
    let errors = shown(&output.stderr);
    assert!(errors.contains("  on the way\n") && errors.contains("not done within 1.5 s"), "{errors}");
    assert!(traces.left().is_empty(), "{:?}", traces.left());
}

#[test]
fn a_panic_ends_the_guest_and_is_shown() {
    needs_guest!();
    let output = guest(&[], "echo before; echo c >/proc/sysrq-trigger; sleep 1000");
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(shown(&output.stdout), "before\n");
    let errors = shown(&output.stderr);
    assert!(errors.contains("Kernel panic - not syncing: sysrq triggered crash"), "{errors}");
    assert!(errors.contains("lima: the guest ended before the command did: Kernel panic - not syncing"), "{errors}");
}

#[test]
fn a_guest_ends_with_the_one_who_started_it() {
    needs_guest!();
    for signal in [Signal::INT, Signal::KILL] {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, traces) = background(&["--out", folder.path().to_str().unwrap()], "echo up; sleep 1000");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        assert!(traces.left().len() >= 3, "the guest's processes are not found: {:?}", traces.left());
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(comes_true(|| traces.left().is_empty()), "{signal:?} leaves {:?}", traces.left());
    }
}

#[test]
fn what_cannot_be_is_said_before_anything_is_started() {
    for (options, expected) in [
        (&["--cpus", "3", "--numa", "2"][..], "3 CPUs cannot be shared out evenly among 2 NUMA nodes"),
        (&["--cpus", "0"], "between 1 and 255 CPUs"),
        (&["--memory", "100M"], "100 MiB are too little"),
        (&["--memory", "4"], "wants a unit: M or G"),
        (&["--timeout", "soon"], "a time is written 90s, 10m or 2h"),
    ] {
        let output = run(["lab", "run"].iter().chain(options).chain(&["--", "true"]));
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        let errors = shown(&output.stderr);
        assert!(errors.contains(expected), "{options:?}: {errors}");
    }
}

/// What takes minutes to make is tested where it has been made, and its absence is no gap in a test run.
fn made(path: &str) -> bool {
    let there = lima_lab::guest::Cache::of_user().is_ok_and(|cache| cache.folder().join(path).exists());
    if !there {
        println!("optional, left out: {path} is not cached");
    }
    there
}

#[test]
fn a_disk_is_the_root_and_is_as_it_was_made() {
    needs_guest!();
    if !made("bookworm.ext4") {
        return;
    }
    let script = format!(
        "grep ' / ext4 ' /proc/mounts && [ ! -e /kept ] && touch /kept && sync && {} --version && ls {}",
        common::LIMA,
        std::env::current_dir().unwrap().join("Cargo.toml").display()
    );
    for _ in 0..2 {
        let output = guest(&["--root", "ext4"], &script);
        assert!(output.status.success(), "{} {}", shown(&output.stdout), shown(&output.stderr));
    }
}

#[test]
fn the_lockdep_kernel_has_what_it_is_for() {
    needs_guest!();
    if !made("lockdep") {
        return;
    }
    let output = guest(
        &["--kernel", "lockdep"],
        "grep -c . /proc/lock_stat && grep 'debug_locks: *1' /proc/lockdep_stats && ls /sys/kernel/btf/vmlinux",
    );
    assert!(output.status.success(), "{} {}", shown(&output.stdout), shown(&output.stderr));
}
