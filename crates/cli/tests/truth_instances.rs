//! The truth about instances: which file a lock belongs to is what `stat` says of it, and it is shared by the tenants that
//! use it, and by no other.

mod common;

use common::module::{can_drive, in_guest};
use common::{json, number, rows, shown, table, text};
use std::fs;
use std::path::Path;

/// Who acquired the rwsem of an inode, by the report: whether it is shared, the tenants, and how often.
fn users(trace: &Path, instance: &str) -> (String, Vec<String>, u64) {
    let filter = format!("instance={instance}");
    let report = json("report", trace, &["--acquisitions", "--by", "instance", "--filter", &filter]);
    let mut found = rows(&report).iter().filter(|row| text(row, "lock_type") == "rwsem");
    let row = found.next().unwrap_or_else(|| panic!("no rwsem of {instance}: {report}"));
    assert!(found.next().is_none(), "an inode has one rwsem that directories use: {report}");
    let tenants = row["tenants"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    (text(row, "sharing").to_owned(), tenants.collect(), number(row, "acquisitions"))
}

#[test]
fn an_inode_is_the_one_that_stat_names_and_shared_by_those_who_use_it() {
    if !can_drive("6.1") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        mkdir /tmp/files; mount -t tmpfs files /tmp/files; mkdir /tmp/files/both /tmp/files/own
        cat >/tmp/load <<'END'
set -e
"$LIMA" lab load hammer --dir /tmp/files/both --threads 1 --seconds 1 --tenant red --tenant blue
"$LIMA" lab load hammer --dir /tmp/files/own --threads 1 --seconds 1 --tenant green
END
        $LIMA record --level acquisitions --type rwsem -o "$LIMA_OUT/files.lima" -- sh /tmp/load
        stat -c '%i %Hd:%Ld' /tmp/files/both /tmp/files/own >"$LIMA_OUT/stat""#;
    let options = ["--accel", "tcg-single", "--timeout", "280s"];
    let output = in_guest("6.1", folder.path(), &options, script);
    assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
    let trace = folder.path().join("files.lima");
    let stat = fs::read_to_string(folder.path().join("stat")).unwrap();
    let names: Vec<String> = stat
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(number, device)| format!("inode {number} of tmpfs {device}"))
        .collect();
    let [both, own] = &names[..] else { panic!("{stat}") };

    let (sharing, tenants, acquisitions) = users(&trace, both);
    assert_eq!((&*sharing, &tenants[..]), ("shared", &["/blue".to_owned(), "/red".to_owned()][..]));
    assert!(acquisitions > 0);
    let (sharing, tenants, acquisitions) = users(&trace, own);
    assert_eq!((&*sharing, &tenants[..]), ("private", &["/green".to_owned()][..]));
    assert!(acquisitions > 0);

    let instances = table(&trace, "instances");
    let found = instances.texts("name");
    assert!(names.iter().all(|name| found.contains(name)), "{found:?}");
}
