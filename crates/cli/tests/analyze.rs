//! `lima analyze` as a command: what it accepts, what it writes, how it ends.

#[path = "../../analyze/tests/made_up/mod.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod made_up;

use lima_model::study::Status;
use made_up::{HOST, Made};
use std::path::Path;
use std::process::{Command, Output};

fn analyze(study: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lima")).arg("analyze").arg(study).args(more).output().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_study_becomes_results() {
    let made = Made::new();
    made.run(HOST, 1, |_, _| {});
    made.run("runc", 1, |run, _| run.status = Status::Failed);
    let output = analyze(made.folder(), &[]);
    assert!(output.status.success(), "{}", err(&output));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("1 of 2 runs count") && told.contains("runc.wa+wb.r1 (failed)"), "{told}");
    assert!(made.folder().join("results/findings.md").exists());
}

#[test]
fn bad_input_ends_with_code_2() {
    let made = Made::new();
    for (study, more, wanted) in [
        (made.folder().join("nowhere"), &[][..], "is not a study"),
        (made.folder().to_owned(), &[], "has no runs"),
        (made.folder().to_owned(), &["--wrong"], "--wrong"),
    ] {
        let output = analyze(&study, more);
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        assert!(err(&output).contains(wanted), "{}", err(&output));
    }
}

#[test]
fn results_of_nothing_are_no_success() {
    let made = Made::new();
    made.run(HOST, 1, |run, _| run.status = Status::Hung);
    let output = analyze(made.folder(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(made.folder().join("results/findings.md").exists());
}
