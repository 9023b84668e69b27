//! `lima doctor` as root, as nobody, and for programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

const LIMA: &str = env!("CARGO_BIN_EXE_lima");
const NOBODY: u32 = 65534;

fn parse(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn the_exit_status_is_that_of_the_contention_level() {
    // An index in the cache may be of another age, which is said.
    let cache = tempfile::tempdir().unwrap();
    let mut command = Command::new(LIMA);
    let output = command.args(["doctor", "--format", "json"]).env("XDG_CACHE_HOME", cache.path()).output().unwrap();
    let checkup = parse(&output);
    assert_eq!(checkup["schema"], "lima-doctor/1");
    let levels = checkup["levels"].as_array().unwrap();
    let contention = levels.iter().find(|level| level["name"] == "contention").unwrap();
    assert_eq!(output.status.code(), Some(if contention["works"] == true { 0 } else { 1 }), "{checkup}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn text_names_every_level_and_finding() {
    let output = Command::new(LIMA).arg("doctor").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let checkup = parse(&Command::new(LIMA).args(["doctor", "--format", "json"]).output().unwrap());
    for (list, key) in [("levels", "name"), ("findings", "what"), ("settings", "key")] {
        for entry in checkup[list].as_array().unwrap() {
            assert!(text.contains(entry[key].as_str().unwrap()), "{entry} is missing in\n{text}");
        }
    }
}

#[test]
fn nobody_is_told_what_is_missing() {
    let text = if rustix::process::geteuid().is_root() {
        // Nobody may not look into root's home, where the command may have been built.
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let copy = folder.path().join("lima");
        fs::copy(LIMA, &copy).unwrap();
        let output = Command::new(copy).arg("doctor").uid(NOBODY).gid(NOBODY).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    } else {
        String::from_utf8(Command::new(LIMA).arg("doctor").output().unwrap().stdout).unwrap()
    };
    assert!(text.contains("CAP_BPF") && text.contains("setcap cap_bpf,cap_perfmon"), "{text}");
    assert!(text.contains("contention    does not work"), "{text}");
}

#[test]
fn a_wrong_word_is_a_wrong_command_line() {
    let output = Command::new(LIMA).args(["doctor", "--format", "xml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
