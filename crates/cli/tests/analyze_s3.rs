//! Studies and traces in an object store: the same results as from a folder, and clear errors.

#[path = "../../analyze/tests/made_up/mod.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod made_up;
#[allow(dead_code, reason = "each test file uses a part of it")]
mod s3;

use made_up::{HOST, Made};
use s3::S3;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A study of three runs, of which one did not end, in the bucket `fleet` of a server.
struct Stored {
    made: Made,
    buckets: TempDir,
    server: S3,
}

impl Stored {
    fn new() -> Self {
        let made = Made::new();
        (1..=2).for_each(|repetition| made.run(HOST, repetition, |_, _| {}));
        made.run("runc", 1, |_, _| {});
        fs::remove_file(made.folder().join("runs/runc.wa+wb.r1/run.json")).unwrap();
        let buckets = tempfile::tempdir().unwrap();
        fs::create_dir(buckets.path().join("fleet")).unwrap();
        std::os::unix::fs::symlink(made.folder(), buckets.path().join("fleet/one day")).unwrap();
        let server = S3::serve(buckets.path());
        Self { made, buckets, server }
    }

    fn trace(&self) -> PathBuf {
        self.made.folder().join("runs/host.wa+wb.r1/trace.lima")
    }

    fn lima(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lima"));
        command.args(arguments).envs(self.server.environment()).output().unwrap()
    }

    /// The results of the study from this place.
    fn results(&self, study: &str) -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let output = self.lima(&["analyze", study, "--output", folder.path().to_str().unwrap()]);
        assert!(output.status.success(), "{output:?}");
        let mut files = BTreeMap::new();
        for folder in [folder.path().join("csv"), folder.path().join("parquet")] {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                files.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
        assert!(files.len() > 50, "{:?}", files.keys());
        files
    }

    fn same_as_local(&self) {
        let local = self.results(self.made.folder().to_str().unwrap());
        let stored = self.results("s3://fleet/one day");
        assert_eq!(local.keys().collect::<Vec<_>>(), stored.keys().collect::<Vec<_>>());
        for (name, content) in &local {
            assert_eq!(content, &stored[name], "{name}");
        }
    }
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn cut(path: &Path) {
    let content = fs::read(path).unwrap();
    fs::write(path, &content[..content.len() - 20]).unwrap();
}

fn first_segment(table: &Path) -> PathBuf {
    fs::read_dir(table).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_study_in_a_bucket_has_the_results_of_one_in_a_folder() {
    let stored = Stored::new();
    stored.same_as_local();
    // Nothing but reading.
    let requests = stored.server.requests();
    assert!(requests.iter().all(|request| request.starts_with("GET ") || request.starts_with("HEAD ")), "{requests:?}");
    assert!(stored.server.bytes() > 0);
}

#[test]
fn damaged_files_in_a_bucket_are_left_out_as_in_a_folder() {
    let stored = Stored::new();
    let trace = stored.trace();
    cut(&first_segment(&trace.join("acquisitions")));
    fs::write(stored.made.folder().join("runs/host.wa+wb.r2/trace.lima/trace.json"), "{").unwrap();
    stored.same_as_local();
    let output = stored.lima(&["info", "s3://fleet/one day/runs/host.wa+wb.r1/trace.lima"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("it does not end as a Parquet file does (cut off?)"), "{told}");
}

#[test]
fn a_changed_byte_in_a_bucket_is_found() {
    let stored = Stored::new();
    let segment = first_segment(&stored.trace().join("acquisitions"));
    let mut content = fs::read(&segment).unwrap();
    content[10] ^= 1;
    fs::write(&segment, content).unwrap();
    let output = stored.lima(&["info", "s3://fleet/one day/runs/host.wa+wb.r1/trace.lima"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("its checksum does not fit its content"), "{told}");
}

#[test]
fn a_trace_in_a_bucket_is_reported_as_one_in_a_folder() {
    let stored = Stored::new();
    let report = |trace: &str| {
        let output = stored.lima(&["report", trace, "--format", "csv"]);
        assert!(output.status.success(), "{}", err(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let local = report(stored.trace().to_str().unwrap());
    assert!(local.lines().count() > 1, "{local}");
    assert_eq!(report("s3://fleet/one day/runs/host.wa+wb.r1/trace.lima"), local);
}

#[test]
fn what_cannot_be_read_ends_with_code_2() {
    let stored = Stored::new();
    fs::create_dir(stored.buckets.path().join("empty")).unwrap();
    let to = stored.made.folder().join("out");
    let to = to.to_str().unwrap();
    for (arguments, wanted) in [
        (&["analyze", "s3://nowhere/study", "-o", to][..], "NoSuchBucket: The specified bucket does not exist"),
        (&["analyze", "s3://empty", "-o", to], "s3://empty is not a study"),
        (&["analyze", "s3://fleet/other", "-o", to], "s3://fleet/other is not a study"),
        (&["analyze", "s3://fleet/one day"], "--output DIR"),
        (&["analyze", "s3:///study", "-o", to], "s3://BUCKET/FOLDER"),
        (&["report", "s3://fleet/one day"], "there is no `trace.json` under this address"),
        (&["report", "s3://nowhere/trace.lima"], "NoSuchBucket"),
    ] {
        let output = stored.lima(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(wanted), "{arguments:?}: {}", err(&output));
    }
    assert!(!Path::new(to).exists());
}

#[test]
fn a_server_that_is_not_there_is_named() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lima"));
    command
        .args(["report", "s3://fleet/trace.lima"])
        .env("AWS_ENDPOINT_URL", &endpoint)
        .env("AWS_SKIP_SIGNATURE", "true");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    let told = err(&output);
    assert!(told.contains("Connection refused") && told.contains(&endpoint), "{told}");
}
