//! What the tests of the `lima` program share: running it, waiting for it, reading what it wrote.

#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

pub mod kernel;
mod machine;
pub mod module;
mod recording;
mod tables;

pub use machine::{Loaded, Quiet, can_record, comes_true, has, probe_objects, skipped, unique};
pub use recording::Recording;
pub use tables::{Columns, column, kept_everything, manifest, table};

use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program under test.
pub const LIMA: &str = env!("CARGO_BIN_EXE_lima");

/// Leaves the test when this machine cannot record lock waits.
#[macro_export]
macro_rules! needs_recorder {
    () => {
        if !$crate::common::can_record() {
            return;
        }
    };
}

/// The program with arguments, without input.
pub fn lima<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(LIMA);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    lima(arguments).output().unwrap()
}

/// The JSON that a command prints about a trace.
pub fn json(command: &str, trace: &Path, more: &[&str]) -> Value {
    let arguments = [command.as_ref(), trace.as_os_str(), "--format".as_ref(), "json".as_ref()];
    let output = run(arguments.into_iter().chain(more.iter().map(OsStr::new)));
    assert!(output.status.success(), "lima {command} {more:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The rows of a report.
pub fn rows(report: &Value) -> &[Value] {
    report["rows"].as_array().map(Vec::as_slice).unwrap_or_else(|| panic!("no rows in {report}"))
}

/// A number in a row.
pub fn number(row: &Value, name: &str) -> u64 {
    row[name].as_u64().unwrap_or_else(|| panic!("no number {name} in {row}"))
}

/// A text in a row.
pub fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_else(|| panic!("no text {name} in {row}"))
}

/// How far `found` is from `expected`, as a part of `expected`.
pub fn deviation(found: u64, expected: u64) -> f64 {
    found.abs_diff(expected) as f64 / expected.max(1) as f64
}

/// Output as text, for messages.
pub fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
