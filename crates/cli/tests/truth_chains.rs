//! A chain of waiters whose links are known: a wait tells what its holder was waiting for itself.

mod common;

use common::{LIMA, Loaded, json, lima, number, rows, shown};
use std::path::Path;
use std::process::Command;

/// One holds the rwsem of a file. `ln` makes a link to that file, for which it holds the rwsem of a folder and waits for that of
/// the file. `touch` makes a file in that folder. They come again and again, so that some of them meet the hold.
const SCRIPT: &str = r#"
mkdir links
"$0" lab load culprit --object inode --dir . --hold 600ms --times 1 --enter 500ms >truth.json &
culprit=$!
until ls culprit-*/contended >ready 2>/dev/null; do kill -0 $culprit || exit 1; done
i=0
while kill -0 $culprit 2>/dev/null; do
	i=$((i + 1))
	ln culprit-*/contended links/link-$i 2>/dev/null &
	link=$!
	sleep 0.05
	touch links/file-$i
	wait $link || true
done
wait $culprit
"#;

#[test]
fn who_waits_for_one_that_waits() {
    needs_recorder!();
    let _company = Loaded::take();
    let memory = Path::new("/dev/shm");
    let folder = tempfile::tempdir_in(if memory.is_dir() { memory } else { Path::new("/tmp") }).unwrap();
    let trace = folder.path().join("chain.lima");
    let mut command: Command = lima(["record", "-o"]);
    command.arg(&trace).args(["--", "sh", "-c", SCRIPT, LIMA]).current_dir(folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));

    let report = json("report", &trace, &["--by", "event", "--top", "0", "--filter", "comm=touch"]);
    let waits = rows(&report);
    let last = waits.iter().filter(|wait| wait["holder_comm"] == "ln").max_by_key(|wait| number(wait, "wait_ns"));
    let last = last.unwrap_or_else(|| panic!("no touch waited for a ln: {waits:#?}"));
    println!("{last:#}");
    let both = number(last, "holder_wait_ns");
    assert!(both > 100_000_000, "the holder waited for {both} ns of it");
    assert!(both <= number(last, "wait_ns"));

    // The next link is a wait of its own, for the lock that the player held.
    let filter = format!("tid={}", number(last, "holder_tid"));
    let report = json("report", &trace, &["--by", "event", "--top", "0", "--filter", &filter]);
    let next = rows(&report).iter().max_by_key(|wait| number(wait, "wait_ns")).unwrap();
    assert_eq!((&next["comm"], &next["lock"]), (&"ln".into(), &last["holder_wait_lock"]));
    assert_eq!(next["holder_tid"], last["holder_wait_holder_tid"]);
    assert_ne!(next["lock"], last["lock"]);
    let truth: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("truth.json")).unwrap()).unwrap();
    println!("truth: {truth:#}");
    assert_eq!(next["holder_tid"], truth["holder"]["tid"], "the player that held the file");
    assert_eq!(next["holder_wait_ns"], serde_json::Value::Null, "who waited for nothing");
}
