//! `lima index` as a command: on a small kernel that is compiled on the spot, and on a big one where it is in the cache.

mod common;

use common::kernel::Home;
use common::{rows, shown, text};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn column<'a>(answer: &'a Value, name: &str) -> Vec<&'a str> {
    rows(answer).iter().map(|row| row[name].as_str().unwrap_or("")).collect()
}

#[test]
fn an_index_is_made_once_and_answers() {
    let Some(home) = Home::new() else { return };
    let (kernel, index) = (home.kernel("vmlinux", ""), home.path("a.limaindex"));
    let first = home.build(&kernel, &index, &[]);
    assert!(shown(&first.stderr).contains("image with debug information"), "{}", shown(&first.stderr));
    let said = shown(&first.stdout);
    assert!(said.contains("sites that acquire or try: 3, 3 (100.0 %) resolved"), "{said}");
    assert!(said.contains("of CPU time") && said.contains("MiB of memory"), "{said}");
    let second = home.build(&kernel, &home.path("b.limaindex"), &[]);
    assert!(shown(&second.stderr).contains("already in the cache"), "{}", shown(&second.stderr));
    let cached: Vec<_> =
        fs::read_dir(home.path("cache/lima/index")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(cached.len(), 1);
    assert!(cached[0].to_str().unwrap().ends_with("-dwarf-1"), "{cached:?}");

    let sites = home.ask(&index, &["sites", "--operation", "acquire"]);
    let found: Vec<_> =
        rows(&sites).iter().map(|row| (text(row, "function"), text(row, "primitive"), text(row, "object"))).collect();
    for expected in [
        ("middle", "mutex_lock", "inode.i_mutex"),
        ("whole", "_raw_spin_lock", "inode.i_lock"),
        ("__x64_sys_demo", "mutex_lock", "big_lock"),
    ] {
        assert!(found.contains(&expected), "{expected:?} in {found:?}");
    }
    let words = "address function file line operation primitive lock_type mode object alternatives method";
    let row = rows(&sites)[0].as_object().unwrap();
    assert!(words.split_whitespace().all(|word| row.contains_key(word)), "{row:?}");
    assert!(text(&rows(&sites)[0], "address").starts_with("0xffffffff81"));
    assert!(rows(&sites)[0]["line"].is_u64());
    // Inlined into `middle`, and found by the name that the source has.
    assert_eq!(column(&home.ask(&index, &["sites", "--function", "inode_lock"]), "function"), ["middle"]);

    let locks = home.ask(&index, &["locks", "--struct", "demo_info"]);
    let lock = rows(&locks).iter().find(|row| row["object"] == "inode.i_mutex").expect("the mutex");
    assert_eq!(
        (text(lock, "lock_type"), lock["offset"].as_u64(), lock["size"].as_u64()),
        ("mutex", Some(16), Some(32))
    );
    let globals = home.ask(&index, &["locks", "--globals", "--type", "mutex"]);
    assert_eq!((column(&globals, "symbol"), column(&globals, "object")), (vec!["big_lock"], vec!["big_lock"]));

    let path = home.ask(&index, &["path", "demo", "inode.i_mutex"]);
    assert_eq!(column(&path, "function"), ["__x64_sys_demo", "middle"]);
    let callers = home.ask(&index, &["calls", "--to", "middle"]);
    assert_eq!(column(&callers, "caller"), ["__x64_sys_demo"]);
    let at = home.ask(&index, &["at", text(&rows(&path)[1], "address")]);
    assert_eq!((column(&at, "what"), column(&at, "object")), (vec!["site"], vec!["inode.i_mutex"]));
    let at = home.ask(&index, &["at", text(&rows(&globals)[0], "address")]);
    assert_eq!((column(&at, "what"), column(&at, "object")), (vec!["lock"], vec!["big_lock"]));
    let layout = home.ask(&index, &["show", "inode"]);
    assert_eq!(column(&layout, "path"), ["i_ino", "i_mutex", "i_lock", "", "i_size"]);
}

#[test]
fn two_kernels_differ_in_a_site() {
    let Some(home) = Home::new() else { return };
    let (old, new) = (home.path("old.limaindex"), home.path("new.limaindex"));
    home.build(&home.kernel("old", ""), &old, &[]);
    home.build(&home.kernel("new", "mutex_lock(&info->vfs_inode.i_mutex);"), &new, &[]);
    let output = home.lima(&["diff", old.to_str().unwrap(), new.to_str().unwrap(), "--format", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (column(&answer, "change"), column(&answer, "object")),
        (vec!["added"], vec!["inode.i_mutex"]),
        "{answer}"
    );
    assert_ne!(answer["before"]["build_id"], answer["index"]["build_id"]);
}

#[test]
fn without_debug_information_it_says_what_is_missing() {
    let Some(home) = Home::new() else { return };
    let kernel = home.kernel("vmlinux", "");
    let output = home.lima(&["build", "--bare", "--vmlinux", kernel.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(shown(&output.stderr).contains("CONFIG_DEBUG_INFO_BTF"), "{}", shown(&output.stderr));
}

#[test]
fn mistakes_end_with_2_and_say_what_can_be_done() {
    let Some(home) = Home::new() else { return };
    let (index, kernel, folder) = (home.path("a.limaindex"), home.kernel("vmlinux", ""), home.path("empty"));
    home.build(&kernel, &index, &[]);
    fs::create_dir(&folder).unwrap();
    let garbage = home.path("garbage");
    fs::write(&garbage, "no kernel").unwrap();
    let [index, kernel, garbage, folder] = [&index, &kernel, &garbage, &folder].map(|path| path.to_str().unwrap());
    for (arguments, says) in [
        (vec!["build", "--vmlinux", garbage], garbage),
        (vec!["build", "--vmlinux", "/nonexistent"], "/nonexistent"),
        (vec!["build", "--vmlinux", garbage, "--debug-dir", "/nonexistent"], "cannot read /nonexistent: No such file"),
        (vec!["build", "--vmlinux", kernel, "--modules", folder], "there are no modules"),
        (vec!["locks", "--index", garbage], "is not an index"),
        (vec!["locks", "--index", index, "--type", "latch"], "possible values"),
        (vec!["sites", "--index", index, "--operation", "steal"], "possible values"),
        (vec!["calls", "--index", index], "--from <FUNCTION>|--to <FUNCTION>"),
        (vec!["calls", "--index", index, "--from", "nobody"], "no function or system call"),
        (vec!["path", "--index", index, "demo", "nothing.lock"], "lima index locks"),
        (vec!["at", "--index", index, "here"], "not an address"),
        (vec!["show", "--index", index, "nothing"], "no struct or union"),
        (vec!["diff", index, garbage], "is not an index"),
    ] {
        let output = home.lima(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(shown(&output.stderr).contains(says), "{arguments:?}: {}", shown(&output.stderr));
    }
    // The running kernel has no index in this cache.
    let output = home.lima(&["locks"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(shown(&output.stderr).contains("--index"), "{}", shown(&output.stderr));
}

#[test]
fn a_big_kernel_is_indexed_and_known() {
    let kernel = Path::new(&std::env::var("HOME").unwrap_or_default())
        .join(".cache/lima/kernels/d61/usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64");
    if !kernel.exists() {
        common::skipped("Debian's kernel 6.1.0-50-cloud-amd64 is not in the cache (scripts/fetch-kernel.sh)");
        return;
    }
    let Some(home) = Home::new() else { return };
    let index = home.path("d61.limaindex");
    home.build(&kernel, &index, &[]);
    let sites = home.ask(&index, &["sites", "--function", "ext4_file_write_iter", "--operation", "acquire"]);
    assert!(column(&sites, "object").iter().all(|&object| object == "inode.i_rwsem"), "{sites}");
    let path = home.ask(&index, &["path", "rename", "super_block.s_vfs_rename_mutex"]);
    assert_eq!(column(&path, "function"), ["__x64_sys_rename", "do_renameat2"]);
    let locks = home.ask(&index, &["locks", "--struct", "inode", "--type", "rwsem"]);
    assert!(column(&locks, "object").contains(&"inode.i_rwsem"));
}
