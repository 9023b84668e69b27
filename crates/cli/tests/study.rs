//! `lima study`: what is asked for, the runs, and that nothing is lost or left behind when something goes wrong.

mod common;

use common::{Quiet, comes_true, has, json, lima, rows, run, shown, text};
use lima_model::study::{Run, Status, Study};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output};

/// A study in a folder of its own.
struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("study.toml"), text).unwrap();
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("study.toml")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn run(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    fn command(&self, more: &[&str]) -> std::process::Command {
        let mut command = lima(["study".as_ref(), "run".as_ref(), self.file().as_os_str()]);
        command.arg("-o").arg(self.out()).args(more);
        command
    }

    fn result(&self, id: &str) -> Run {
        let path = self.out().join("runs").join(id).join("run.json");
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).unwrap()
    }

    fn trace(&self, id: &str) -> PathBuf {
        self.out().join("runs").join(id).join("trace.lima")
    }
}

/// What runs leave behind unless they clean up: cgroups, folders, mounts.
fn left_behind() -> Vec<String> {
    let ours = |name: &str| name.starts_with("lima-study-");
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut left: Vec<String> = mounts.lines().filter(|line| line.contains("lima-study-")).map(str::to_owned).collect();
    let cgroups = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (folder, kind) = (fields.next()?, fields.next()?);
        kind.starts_with("cgroup").then(|| PathBuf::from(folder))
    });
    for folder in cgroups.chain([PathBuf::from("/var/tmp"), PathBuf::from("/run")]) {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        left.extend(
            entries
                .filter(|entry| entry.file_name().to_str().is_some_and(ours))
                .map(|entry| entry.path().display().to_string()),
        );
    }
    left
}

const BUSY: &str = "
[[workload]]
name = 'busy'
work = 'sh -c \": >a; mv a b; rm b\"'
";

#[test]
fn a_bad_file_is_refused_with_its_line() {
    let case = Case::new("name = 'x'\nplatforms = ['host', 'docker']\nworkloads = ['gzip']\n");
    for command in ["check", "run"] {
        let output = run(["study".as_ref(), command.as_ref(), case.file().as_os_str()]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = shown(&output.stderr);
        assert!(said.contains("line 2") && said.contains("\"docker\"") && said.contains("runc"), "{said}");
    }
    assert!(!case.out().exists());
    assert_eq!(run(["study", "check", "/nowhere/study.toml"]).status.code(), Some(2));
}

#[test]
fn the_example_can_be_written_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.toml");
    let written = run(["study".as_ref(), "new".as_ref(), path.as_os_str()]);
    assert!(written.status.success(), "{written:?}");
    assert_eq!(run(["study", "new"]).stdout, fs::read(&path).unwrap());
    // What it says depends on the machine; that it is understood does not.
    let checked = run(["study".as_ref(), "check".as_ref(), path.as_os_str()]);
    assert!(shown(&checked.stdout).contains("18 runs, on this machine"), "{checked:?}");
    // Nobody's work is overwritten.
    assert_eq!(run(["study".as_ref(), "new".as_ref(), path.as_os_str()]).status.code(), Some(2));
    let workloads = shown(&run(["study", "workloads"]).stdout);
    assert!(workloads.contains("stress-mutex") && workloads.contains("postgres"), "{workloads}");
}

#[test]
fn platforms_and_tenants_are_traced_cold_and_warm() {
    needs_recorder!();
    if !has("runc", "--version") || !has("stress-ng", "--version") {
        return;
    }
    let _quiet = Quiet::take();
    let smoke =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../studies/smoke/study.toml")).unwrap();
    let case = Case::new(&smoke);
    let output = case.run(&[]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "not quiet in a pipe: {output:?}");
    for platform in ["host", "runc"] {
        let id = format!("{platform}.stress-rename+files.r1");
        let run = case.result(&id);
        assert_eq!((run.status, run.platform.as_str(), run.level.as_str()), (Status::Done, platform, "contention"));
        assert!(run.phases.cold_ns > 0 && run.phases.warm_ns >= 2_000_000_000, "{run:?}");
        assert!(run.elapsed_traced_ns.is_some() && run.elapsed_untraced_ns.is_some(), "{run:?}");
        assert_eq!(
            run.tenants.iter().map(|tenant| tenant.workload.as_str()).collect::<Vec<_>>(),
            ["stress-rename", "files"]
        );
        assert_eq!(run.helpers.len(), if platform == "runc" { 2 } else { 0 }, "{run:?}");
        assert!(run.isolation.iter().all(|measure| !measure.detail.is_empty()), "{run:?}");
        let report = json("report", &case.trace(&id), &["--by", "tenant"]);
        let known: Vec<&str> = run
            .tenants
            .iter()
            .map(|tenant| tenant.name.as_str())
            .chain(run.helpers.iter().map(|helper| helper.name.as_str()))
            .collect();
        assert!(!rows(&report).is_empty(), "nothing was seen: {report}");
        for row in rows(&report) {
            assert!(known.contains(&text(row, "waiter_tenant")), "{row} is none of {known:?}");
        }
        for row in rows(&json("report", &case.trace(&id), &["--by", "phase"])) {
            assert!(["cold", "warm"].contains(&text(row, "phase")), "{row}");
        }
    }
    let study: Study = serde_json::from_slice(&fs::read(case.out().join("study.json")).unwrap()).unwrap();
    assert_eq!((study.plan.len(), study.target.as_str()), (2, "here"));
    assert!(
        study.tools.iter().any(|tool| tool.name == "runc") && !study.machine.kernel_build_id.is_empty(),
        "{study:?}"
    );
    assert_eq!(left_behind(), Vec::<String>::new());
    // What is done is kept; what was cut is made again.
    let id = "host.stress-rename+files.r1";
    let (kept, cut) = (case.result("runc.stress-rename+files.r1").started, case.result(id).started);
    fs::remove_file(case.out().join("runs").join(id).join("run.json")).unwrap();
    assert!(case.run(&[]).status.success());
    assert_eq!(case.result("runc.stress-rename+files.r1").started, kept);
    assert_ne!(case.result(id).started, cut);
}

#[test]
fn what_fails_or_hangs_is_marked_and_the_rest_goes_on() {
    needs_recorder!();
    let _quiet = Quiet::take();
    let case = Case::new(&format!(
        "name = 'x'\nplatforms = ['host']\nworkloads = ['fails', 'hangs', 'lacks', 'dies', 'busy']\nrepetitions = 1\n\
         warm = '1s'\ntimeout = '2s'\n{BUSY}\n\
         [[workload]]\nname = 'fails'\nwork = 'echo the reason; false; true'\n\
         [[workload]]\nname = 'hangs'\nwork = 'true'\nsetup = 'sleep 1000'\n\
         [[workload]]\nname = 'lacks'\nwork = 'true'\nprograms = ['there-is-no-such-program']\n\
         [[workload]]\nname = 'dies'\nwork = 'true'\nserver = 'exit 3'\nready = 'false'\n"
    ));
    let output = case.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(shown(&output.stdout).contains("1 of 5 runs done, 2 failed, 1 hung, 1 skipped"), "{output:?}");
    for (workload, status, why) in [
        ("fails", Status::Failed, "fails: it ended with status 1; its last words: the reason"),
        ("hangs", Status::Hung, "hangs: its start was not done within 2 s"),
        ("lacks", Status::Skipped, "there-is-no-such-program is missing"),
        ("dies", Status::Failed, "its server ended with status 3"),
        ("busy", Status::Done, ""),
    ] {
        let run = case.result(&format!("host.{workload}.r1"));
        assert_eq!(run.status, status, "{run:?}");
        assert!(run.reason.as_deref().unwrap_or_default().contains(why), "{run:?}");
        assert_eq!(run.tenants[0].workload, workload);
    }
    assert_eq!(left_behind(), Vec::<String>::new());
    // They stay as they are, unless they are to be made again.
    let started = |workload: &str| case.result(&format!("host.{workload}.r1")).started;
    let (lacks, busy) = (started("lacks"), started("busy"));
    assert_eq!(case.run(&[]).status.code(), Some(1));
    assert_eq!(started("lacks"), lacks);
    assert_eq!(case.run(&["--retry"]).status.code(), Some(1));
    assert_ne!(started("lacks"), lacks);
    assert_eq!(started("busy"), busy);
}

#[test]
fn another_study_does_not_get_the_folder() {
    needs_recorder!();
    let case = Case::new(&format!("name = 'x'\nplatforms = ['host']\nworkloads = ['busy']\n{BUSY}"));
    fs::create_dir_all(case.out()).unwrap();
    fs::write(case.out().join("study.toml"), "name = 'y'").unwrap();
    let output = case.run(&[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(shown(&output.stderr).contains("written otherwise"), "{output:?}");
}

/// A study with one run that is at work and does not end by itself.
fn endless() -> (Case, Child) {
    let case = Case::new(&format!(
        "name = 'x'\nisolation = ['aslr_off']\nplatforms = ['host']\nworkloads = ['busy', 'slow']\nrepetitions = 1\nwarm = '1s'\ntimeout = '10m'\n{BUSY}\n\
         [[workload]]\nname = 'slow'\nsetup = 'sleep 3000'\nwork = 'true'\n"
    ));
    let child =
        case.command(&[]).stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null()).spawn().unwrap();
    assert!(comes_true(|| case.out().join("runs/host.slow.r1/slow.txt").exists()), "the second run does not begin");
    (case, child)
}

#[test]
fn an_interrupted_study_goes_on_where_it_was() {
    needs_recorder!();
    let _quiet = Quiet::take();
    let (case, mut child) = endless();
    let started = case.result("host.busy.r1").started;
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(left_behind(), Vec::<String>::new());
    assert!(!case.out().join("runs/host.slow.r1/run.json").exists());
    assert_eq!(case.result("host.busy.r1").started, started);
}

#[test]
fn what_two_killed_processes_left_is_put_right_by_the_next_run() {
    const ASLR: &str = "/proc/sys/kernel/randomize_va_space";
    needs_recorder!();
    let _quiet = Quiet::take();
    let before = fs::read_to_string(ASLR).unwrap();
    let (_case, mut child) = endless();
    let study = child.id();
    let children = fs::read_to_string(format!("/proc/{study}/task/{study}/children")).unwrap();
    let runs: Vec<Pid> = children.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().unwrap())).collect();
    assert_eq!((runs.len(), fs::read_to_string(ASLR).unwrap().trim()), (1, "0"));
    // The study first, stopped run or not: a run that goes on would put everything back.
    kill_process(runs[0], Signal::STOP).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    kill_process(runs[0], Signal::KILL).unwrap();
    assert!(comes_true(|| !Path::new(&format!("/proc/{}", runs[0].as_raw_nonzero())).exists()));
    assert!(!left_behind().is_empty());
    let next = Case::new(&format!(
        "name = 'next'\nplatforms = ['host']\nworkloads = ['busy']\nrepetitions = 1\nwarm = '1s'\n{BUSY}"
    ));
    let output = next.run(&[]);
    assert!(output.status.success(), "{}", shown(&output.stderr));
    assert_eq!(left_behind(), Vec::<String>::new());
    assert_eq!(fs::read_to_string(ASLR).unwrap(), before);
}

#[test]
fn a_killed_study_leaves_nothing_running() {
    needs_recorder!();
    let _quiet = Quiet::take();
    let (case, mut child) = endless();
    child.kill().unwrap();
    child.wait().unwrap();
    // The process that makes the run notices, and puts everything back.
    assert!(comes_true(|| left_behind().is_empty()), "{:?}", left_behind());
    assert!(!case.out().join("runs/host.slow.r1/run.json").exists());
}
