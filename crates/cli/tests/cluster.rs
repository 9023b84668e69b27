//! `lima analyze --cluster`: the same results as without one, also when an executor is killed in the middle.

#[path = "../../analyze/tests/made_up/mod.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod made_up;
#[allow(dead_code, reason = "each test file uses a part of it")]
mod s3;

use made_up::{HOST, Made};
use s3::S3;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A part of a cluster; it ends with the test.
struct Part(Child);

impl Part {
    /// Starts it and waits until it says that it is there; what it said.
    fn start(arguments: &[&str], store: &S3) -> (Self, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lima"));
        command.arg("cluster").args(arguments).envs(store.environment()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self(child), line.trim().to_owned())
    }

    fn kill(&mut self) {
        // SIGKILL: nothing is said to anybody.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A study in the bucket `fleet`.
struct Stored {
    made: Made,
    buckets: TempDir,
}

impl Stored {
    fn new() -> Self {
        let made = Made::new();
        (1..=3).for_each(|repetition| made.run(HOST, repetition, |_, _| {}));
        made.run("runc", 1, |_, _| {});
        let buckets = tempfile::tempdir().unwrap();
        fs::create_dir(buckets.path().join("fleet")).unwrap();
        std::os::unix::fs::symlink(made.folder(), buckets.path().join("fleet/one day")).unwrap();
        Self { made, buckets }
    }

    fn serve(&self) -> S3 {
        S3::serve(self.buckets.path())
    }
}

/// A scheduler, and its address.
fn scheduler(store: &S3) -> (Part, String) {
    let (part, line) = Part::start(&["scheduler", "--listen", "127.0.0.1:0", "--lost-after", "8"], store);
    let address = line.strip_prefix("listening at ").unwrap().to_owned();
    (part, address)
}

fn executor(scheduler: &str, store: &S3) -> Part {
    Part::start(&["executor", "--scheduler", scheduler, "--cores", "1"], store).0
}

/// An analysis under way.
struct Analysis {
    child: Child,
    results: TempDir,
}

impl Analysis {
    fn start(study: &str, store: &S3, more: &[&str]) -> Self {
        let results = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lima"));
        command.args(["analyze", study, "--output"]).arg(results.path()).args(more).envs(store.environment());
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        Self { child, results }
    }

    /// Its tables, by file.
    fn tables(mut self) -> BTreeMap<String, String> {
        assert!(self.child.wait().unwrap().success());
        let files = fs::read_dir(self.results.path().join("csv")).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), sorted(&path))).collect()
    }
}

/// The lines of a table, whatever order they came in.
fn sorted(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn same(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) {
    assert!(one.len() > 25 && one.keys().eq(other.keys()), "{:?} {:?}", one.keys(), other.keys());
    for (name, text) in one {
        assert_eq!(text, &other[name], "{name}");
    }
}

#[test]
fn a_cluster_gives_the_same_results() {
    let stored = Stored::new();
    let store = stored.serve();
    let (_scheduler, address) = scheduler(&store);
    let _executors = [executor(&address, &store), executor(&address, &store)];
    let local = stored.made.folder().to_str().unwrap();
    let wanted = Analysis::start(local, &store, &[]).tables();
    for study in [local, "s3://fleet/one day"] {
        same(&wanted, &Analysis::start(study, &store, &["--cluster", &address]).tables());
    }
}

#[test]
fn an_executor_that_is_killed_loses_nothing() {
    let stored = Stored::new();
    let store = stored.serve();
    let (_scheduler, address) = scheduler(&store);
    let wanted = Analysis::start("s3://fleet/one day", &store, &[]).tables();
    // The store of the first executor answers some requests, and then no more: it is killed in the middle of a task, with
    // the results of others.
    let (holding, held) = S3::holding(stored.buckets.path(), 20);
    let mut first = executor(&address, &holding);
    let analysis = Analysis::start("s3://fleet/one day", &store, &["--cluster", &address]);
    held.recv().unwrap();
    let second_store = stored.serve();
    let _second = executor(&address, &second_store);
    first.kill();
    same(&wanted, &analysis.tables());
    assert!(second_store.bytes() > 0);
}

#[test]
fn a_scheduler_that_is_not_there_ends_with_code_2() {
    let stored = Stored::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let output = Command::new(env!("CARGO_BIN_EXE_lima"))
        .arg("analyze")
        .arg(stored.made.folder())
        .args(["--cluster", &address])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(&address) && told.contains("Connection refused"), "{told}");
}
