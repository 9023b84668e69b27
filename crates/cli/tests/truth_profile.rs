//! The truth about profiles: what was chosen is counted to the last acquisition, and nothing else; a sample comes near.

mod common;

use common::module::{FILES, can_drive, drive, in_guest};
use common::{column, json, lima, manifest, number, rows, shown, table};
use std::path::{Path, PathBuf};

/// The acquisitions at the module's sites whose name ends so, by the report.
fn acquired(trace: &Path, site: &str, more: &[&str]) -> u64 {
    let report = json("report", trace, &[&["--acquisitions", "--by", "site"], more].concat());
    let here = rows(&report).iter().filter(|row| {
        row["site"].as_str().is_some_and(|found| found.split('+').next().is_some_and(|name| name == site))
    });
    here.map(|row| number(row, "acquisitions")).sum()
}

/// The functions that were traced.
fn attached(trace: &Path) -> Vec<String> {
    let manifest = manifest(trace);
    let hooks = manifest["hooks"].as_array().unwrap().iter().filter(|hook| hook["state"] == "attached");
    hooks.map(|hook| hook["function"].as_str().unwrap().to_owned()).collect()
}

fn profiles(kernel: &str) {
    if !can_drive(kernel) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        r#"tell() {{ for command; do echo "$command" >{FILES}/run; done; }}
        record() {{ name=$1; shift; $LIMA record --level acquisitions -o "$LIMA_OUT/$name.lima" "$@"; }}
        export LIMA LIMA_OUT
        cat >/tmp/tell <<'END'
set -e
for command; do if [ "$command" = mark ]; then "$LIMA" mark warm; else echo "$command" >{FILES}/run; fi; done
END
        record count --type mutex --stats count -- sh /tmp/tell 'take lock=box.mutex by=mutex_lock threads=2 count=300'
        record lock --type mutex --lock lima_global_mutex --stats hold,cross-cpu,batch -- sh /tmp/tell \
            'take lock=global.mutex by=mutex_lock count=100' 'take lock=box.mutex by=mutex_lock count=50'
        record site --type mutex --site lima_site_mutex_lock -- sh /tmp/tell \
            'take lock=box.mutex by=mutex_lock count=60' 'take lock=box.mutex by=mutex_trylock count=70'
        record sample --type spinlock --sample spinlock=1/8 -- sh /tmp/tell \
            'take lock=box.spinlock by=spin_lock count=8000'
        record phases --type mutex -- sh /tmp/tell \
            'take lock=box.mutex by=mutex_lock count=11' mark 'take lock=box.mutex by=mutex_lock count=13'
        record spilled --type mutex,spinlock --max-totals 64 --stats all -- sh /tmp/tell \
            'take lock=array[*] by=spin_lock threads=8 count=300' 'take lock=box.mutex by=mutex_lock count=50'
        record stack --type mutex --stats stack -- sh /tmp/tell 'take lock=box.mutex by=mutex_lock count=40'"#
    );
    let output = drive(kernel, folder.path(), &[], &script);
    assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
    let trace = |name: &str| folder.path().join(format!("{name}.lima"));

    let count = trace("count");
    assert_eq!(acquired(&count, "lima_site_mutex_lock", &[]), 600);
    assert_eq!(column(&count, "acquisitions", "holds").iter().sum::<u64>(), 0, "holds were not asked for");
    let functions = attached(&count);
    assert!(functions.iter().any(|name| name == "mutex_lock"), "{functions:?}");
    assert!(functions.iter().all(|name| name.contains("mutex") && !name.contains("unlock")), "{functions:?}");

    let lock = trace("lock");
    assert_eq!(acquired(&lock, "lima_site_global_mutex_lock", &[]), 100);
    let (acquisitions, holds) = (column(&lock, "acquisitions", "acquisitions"), column(&lock, "acquisitions", "holds"));
    assert_eq!((acquisitions.iter().sum::<u64>(), holds.iter().sum::<u64>()), (100, 100), "and of no other lock");
    let (moves, runs) = (column(&lock, "acquisitions", "cross_cpu"), column(&lock, "acquisitions", "longest_run"));
    let (moves, longest) = (moves.iter().sum::<u64>(), runs.into_iter().max().unwrap());
    // One thread: as many runs as moves and one, and the longest is no shorter than their mean.
    assert!(longest * (moves + 1) >= 100 && longest + moves <= 100, "{moves} moves, {longest} in a row");

    let site = trace("site");
    let acquisitions: u64 = column(&site, "acquisitions", "acquisitions").iter().sum();
    assert_eq!((acquired(&site, "lima_site_mutex_lock", &[]), acquisitions), (60, 60));

    let sample = trace("sample");
    let estimate = acquired(&sample, "lima_site_spin_lock", &[]);
    // Six times the root of 8000 * 7.
    assert!(estimate.abs_diff(8000) < 1420, "{estimate} of 8000");
    assert_eq!(estimate % 8, 0, "each stands for eight");

    let phases = trace("phases");
    let of = |phase: &str| acquired(&phases, "lima_site_mutex_lock", &["--filter", &format!("phase={phase}")]);
    assert_eq!((of("start"), of("warm")), (11, 13));

    // With room for 64 rows on each CPU most go through the buffer, and none is lost.
    let spilled = trace("spilled");
    let of = manifest(&spilled);
    println!("{} {}", of["workings"], of["losses"]);
    assert!(of["workings"]["acquisitions_spilled"].as_u64().unwrap() > 0, "{}", of["workings"]);
    assert_eq!((&of["losses"]["acquisitions_full"], &of["losses"]["holds_lost"]), (&0.into(), &0.into()));
    let counts = ["lima_site_array_spin_lock", "lima_site_mutex_lock"].map(|site| acquired(&spilled, site, &[]));
    assert_eq!(counts, [2400, 50]);
    let holds: u64 = column(&spilled, "acquisitions", "holds").iter().sum();
    let acquisitions: u64 = column(&spilled, "acquisitions", "acquisitions").iter().sum();
    assert!(holds <= acquisitions && holds * 100 >= acquisitions * 99, "{holds} holds of {acquisitions}");

    let stack = trace("stack");
    assert_eq!(acquired(&stack, "lima_site_mutex_lock", &[]), 40);
    let used = column(&stack, "acquisitions", "stack_id");
    let stacks = table(&stack, "stacks");
    let lengths = stacks.numbers("stack_id").into_iter().zip(stacks.lists("addresses")).map(|(id, at)| (id, at.len()));
    assert!(lengths.into_iter().any(|(id, length)| used.contains(&id) && length > 4), "no stack goes beyond the site");
}

#[test]
fn a_profile_counts_what_was_chosen_on_6_1() {
    profiles("6.1");
}

#[test]
fn a_profile_counts_what_was_chosen_on_6_12() {
    profiles("6.12");
}

/// An index of Debian's 6.1 by the debug information in the cache.
fn index_of_6_1(index: &Path) {
    let home = std::env::var_os("HOME").unwrap();
    let images = PathBuf::from(home).join(".cache/lima/kernels/d61/usr/lib/debug/boot");
    let mut files = images.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let image = files.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinux-")));
    let output = lima(["index", "build", "--vmlinux"]).arg(image.unwrap()).arg("-o").arg(index).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
}

#[test]
fn locks_of_an_object_are_followed_by_the_functions_of_their_type() {
    if !can_drive("6.1") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    index_of_6_1(&folder.path().join("6.1.limaindex"));
    // Every rename from one folder to another takes that lock once, and nothing else does.
    let script = r#"record() { name=$1; shift; $LIMA record --level acquisitions --stats count --index $LIMA_OUT/6.1.limaindex \
            -o $LIMA_OUT/$name.lima "$@"; }
        cat >/tmp/renames.pl <<'END'
mkdir "/dev/shm/$_" or die for 1, 2;
open(F, ">/dev/shm/1/f") or die;
for (1..150) { rename("/dev/shm/1/f", "/dev/shm/2/f") or die; rename("/dev/shm/2/f", "/dev/shm/1/f") or die }
unlink "/dev/shm/1/f"; rmdir "/dev/shm/$_" for 1, 2;
END
        record object --lock super_block.s_vfs_rename_mutex -- perl /tmp/renames.pl
        record variable --lock rtnl_mutex -- perl /tmp/renames.pl
        record both --lock rtnl_mutex --lock tasklist_lock -- perl /tmp/renames.pl"#;
    let output = in_guest("6.1", folder.path(), &["--timeout", "280s"], script);
    assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
    let trace = |name: &str| folder.path().join(format!("{name}.lima"));

    assert_eq!(column(&trace("object"), "acquisitions", "acquisitions").iter().sum::<u64>(), 300);
    for name in ["object", "variable"] {
        let functions = attached(&trace(name));
        assert!(functions.iter().any(|function| function == "mutex_lock"), "{name}: {functions:?}");
        assert!(functions.iter().all(|function| function.contains("mutex")), "{name}: {functions:?}");
    }
    let functions = attached(&trace("both"));
    assert!(["mutex_lock", "_raw_read_lock"].iter().all(|name| functions.iter().any(|it| it == name)), "{functions:?}");
    assert!(!functions.iter().any(|name| name.contains("spin") || name.contains("down")), "{functions:?}");
}
