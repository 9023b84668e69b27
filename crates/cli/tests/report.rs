//! `lima report` and `lima interference` as commands: what they accept, where they write, how they end.

use lima_analyze::synthetic::Synthetic;
use lima_model::Loss;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder with a trace in it.
fn trace(synthetic: &Synthetic) -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("made-up.lima");
    synthetic.write(&folder).unwrap();
    (home, folder)
}

fn lima(trace: &Path, arguments: &str) -> Output {
    let (command, rest) = arguments.split_once(' ').unwrap_or((arguments, ""));
    let mut lima = Command::new(env!("CARGO_BIN_EXE_lima"));
    lima.arg(command).arg(trace).args(rest.split_whitespace()).output().unwrap()
}

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", err(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn every_report_in_every_form() {
    let (_home, trace) = trace(&Synthetic::sample());
    for by in ["object", "lock", "site", "stack", "task", "tenant", "type", "time", "event"] {
        assert!(out(&lima(&trace, &format!("report --by {by}"))).contains("complete: nothing was lost"));
        let csv = lima(&trace, &format!("report --by {by} --format csv"));
        assert!(out(&csv).lines().count() > 1 && err(&csv).contains("complete: nothing was lost"));
        let json: serde_json::Value =
            serde_json::from_str(&out(&lima(&trace, &format!("report --by {by} --format json")))).unwrap();
        assert_eq!((json["schema"].as_str(), json["by"].as_str()), (Some("lima-report/1"), Some(by)));
        assert_eq!(json["trace"]["complete"], true);
        assert_eq!(json["trace"]["losses"]["totals_full"], 0);
        assert!(json["rows"][0][if by == "event" { "wait_ns" } else { "waits" }].is_u64());
    }
    assert!(
        out(&lima(&trace, "report --format folded"))
            .contains("do_syscall_64;do_renameat2;__mutex_lock.constprop.0;[mutex] 101000000")
    );
    assert!(out(&lima(&trace, "report --format svg")).contains("</svg>"));
    assert!(
        out(&lima(&trace, "report --format svg --by stack --filter type=semaphore")).contains("No lock was waited for")
    );
}

#[test]
fn rows_have_the_agreed_words() {
    let (_home, trace) = trace(&Synthetic::sample());
    let json: serde_json::Value = serde_json::from_str(&out(&lima(&trace, "report --format json --top 1"))).unwrap();
    let row = json["rows"][0].as_object().unwrap();
    let words = "object lock_type mode method waits failed_waits wait_ns_total wait_ns_min wait_ns_max wait_ns_avg wait_ns_p50 \
        wait_ns_p90 wait_ns_p99 wait_ns_p999 spin_ns_total sleep_ns_total held_ns_total free_ns_total unknown_ns_total locks";
    assert!(words.split_whitespace().all(|word| row.contains_key(word)), "{row:?}");
    assert_eq!(json["cut"]["rows"], 2);
    let json: serde_json::Value = serde_json::from_str(&out(&lima(&trace, "report --by lock --format json"))).unwrap();
    assert_eq!(json["rows"][0]["lock"], "0xffff888000001098");
    let json: serde_json::Value =
        serde_json::from_str(&out(&lima(&trace, "report --by event --format json --top 1"))).unwrap();
    let row = json["rows"][0].as_object().unwrap();
    let words = "begin_ns wait_ns spin_ns sleep_ns held_ns other_held_ns free_ns unknown_ns errno object method lock \
        lock_type mode context site cpu comm tid tgid waiter_tenant stack holder_comm holder_tid holder_tgid holder_tenant \
        holder_method holder_stack release_stack";
    assert!(words.split_whitespace().all(|word| row.contains_key(word)), "{row:?}");
    assert_eq!((json["cut"]["rows"].as_u64(), row["stack"].is_array()), (Some(2), true));
    let json: serde_json::Value = serde_json::from_str(&out(&lima(&trace, "interference --format json"))).unwrap();
    assert_eq!(json["schema"], "lima-interference/1");
    let row = json["rows"][0].as_object().unwrap();
    let words = "object lock_type waiter_tenant holder_tenant waits wait_ns_total method holder_method";
    assert!(words.split_whitespace().all(|word| row.contains_key(word)), "{row:?}");
}

#[test]
fn a_file_takes_the_place_of_standard_output() {
    let (home, trace) = trace(&Synthetic::sample());
    let file = home.path().join("report.txt");
    for command in ["report", "interference"] {
        assert_eq!(out(&lima(&trace, &format!("{command} -o {}", file.display()))), "");
        assert!(fs::read_to_string(&file).unwrap().contains("inode_cache+0x98"));
    }
    let output = lima(&trace, "report -o /nonexistent/file");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("cannot write /nonexistent/file"), "{}", err(&output));
}

#[test]
fn mistakes_end_with_2_and_say_what_can_be_done() {
    let (_home, trace) = trace(&Synthetic::sample());
    for (arguments, says) in [
        ("report --filter lcok=1", "keys are object"),
        ("report --filter type", "KEY=VALUE"),
        ("report --filter comm=sh", "`--by event` or `--by task`"),
        ("report --by task --filter object=x", "the table of tasks has"),
        ("report --filter lock=zz", "not an address"),
        ("report --by task --filter pid=x", "not a number"),
        ("report --sort size", "columns of `--by object`"),
        ("report --by everything", "possible values"),
        ("report --format svg --top 3", "all stacks"),
        ("report --format folded --by lock", "all stacks"),
        ("report --top -1", "unexpected argument"),
    ] {
        let output = lima(&trace, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(err(&output).contains(says), "{arguments}: {}", err(&output));
    }
    for missing in ["/nonexistent.lima", "/etc/passwd"] {
        for command in ["report", "interference"] {
            let output = lima(Path::new(missing), command);
            assert_eq!(output.status.code(), Some(2));
            assert!(err(&output).contains(missing), "{}", err(&output));
        }
    }
}

#[test]
fn an_empty_trace_is_a_sentence() {
    let (_home, trace) = trace(&Synthetic::default());
    assert!(out(&lima(&trace, "report")).contains("No lock was waited for"));
    assert!(out(&lima(&trace, "interference")).contains("No tenant waited for a lock"));
}

#[test]
fn losses_are_shown_in_every_form() {
    let mut synthetic = Synthetic::sample();
    synthetic.losses.set(Loss::TotalsFull, 7);
    let (_home, trace) = trace(&synthetic);
    for arguments in ["report", "report --by stack", "interference"] {
        assert!(out(&lima(&trace, arguments)).contains("  7 totals_full: waits left out"));
    }
    for arguments in
        ["report --format csv", "report --format folded", "report --format svg", "interference --format csv"]
    {
        assert!(err(&lima(&trace, arguments)).contains("  7 totals_full: waits left out"), "{arguments}");
    }
    let json: serde_json::Value = serde_json::from_str(&out(&lima(&trace, "interference --format json"))).unwrap();
    assert_eq!(json["trace"]["losses"]["totals_full"], 7);
    assert_eq!(json["trace"]["complete"], false);
}
