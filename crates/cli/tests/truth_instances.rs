//! The truth about instances: which file a lock belongs to is what `stat` says of it, and it is shared by the tenants that
//! use it, and by no other; which process, socket, network device, namespace or cgroup it belongs to is what the kernel says of
//! these elsewhere.

mod common;

use common::module::{can_drive, in_guest};
use common::{LIMA, json, number, rows, run, shown, table, text, unique};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Who acquired the rwsem of an inode, by the report: whether it is shared, the tenants, and how often; and the path.
fn users(trace: &Path, instance: &str) -> (String, Vec<String>, u64, Value) {
    let filter = format!("instance={instance}");
    let report = json("report", trace, &["--acquisitions", "--by", "instance", "--filter", &filter]);
    let mut found = rows(&report).iter().filter(|row| text(row, "lock_type") == "rwsem");
    let row = found.next().unwrap_or_else(|| panic!("no rwsem of {instance}: {report}"));
    assert!(found.next().is_none(), "an inode has one rwsem that directories use: {report}");
    let tenants = row["tenants"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    (text(row, "sharing").to_owned(), tenants.collect(), number(row, "acquisitions"), row["path"].clone())
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

    let (sharing, tenants, acquisitions, path) = users(&trace, both);
    assert_eq!(path, "both");
    assert_eq!((&*sharing, &tenants[..]), ("shared", &["/blue".to_owned(), "/red".to_owned()][..]));
    assert!(acquisitions > 0);
    let (sharing, tenants, acquisitions, path) = users(&trace, own);
    assert_eq!(path, "own");
    assert_eq!((&*sharing, &tenants[..]), ("private", &["/green".to_owned()][..]));
    assert!(acquisitions > 0);

    let instances = table(&trace, "instances");
    let found = instances.texts("name");
    assert!(names.iter().all(|name| found.contains(name)), "{found:?}");
}

/// What stands ready before the recording begins, and stays until after its end: what was freed cannot be read. Facts about it
/// are kept in `$LIMA_OUT/facts`, a line each: `NAME VALUE`.
const READY: &str = r#"
b=/bin/busybox
fact() { echo "$@" >>"$LIMA_OUT/facts"; }
mkdir /tmp/files; mount -t tmpfs files /tmp/files; cd /tmp/files
mkdir -p data/early here linked folder; ln -s folder link
fact device "$(stat -c %Hd:%Ld .)"
fact directory "$(stat -c %i data/early)"
exec 8>data/open 9>gone
fact open "$(stat -c %i data/open)"
fact gone "$(stat -c %i gone)"
rm gone
echo >linked/one; ln linked/one linked/two; fact linked "$(stat -c %i linked/one)"; rm linked/one
escape=$(printf 'here/\033[31m,=1+1')
mkdir "$escape"; fact escape "$(stat -c %i "$escape")"
deep=deep
for step in 1 2 3 4 5 6 7; do deep="$deep/a/b/c/d/e/f/g/h/i/j"; done
mkdir -p "$deep"; fact deep "$(stat -c %i "$deep")"

mkdir /tmp/groups; mount -t cgroup -o none,name=lima none /tmp/groups; mkdir /tmp/groups/limagroup
fact cgroup "$(stat -c %i /tmp/groups/limagroup)"

mkfifo /tmp/go /tmp/done /tmp/answer /tmp/said /tmp/heard
# A process that does nothing until it is told to: it has a child then, and waits for it.
sh -c 'read word </tmp/go; /bin/busybox id; echo done >/tmp/done; read word </tmp/go' >/dev/null &
process=$!
fact process $process

$b unshare -n sh -c 'echo ready >/tmp/done; exec sleep 100000' &
namespace=$!
read -r word </tmp/done
fact netns "$(readlink /proc/$namespace/ns/net | tr -cd 0-9)"
fact own_netns "$(readlink /proc/self/ns/net | tr -cd 0-9)"
$b insmod "/lib/modules/$(uname -r)/kernel/drivers/net/dummy.ko"; $b ip link add lima_dummy type dummy
fact ifindex "$(cat /sys/class/net/lima_dummy/ifindex)"

exec 5<>/tmp/answer 6<>/tmp/said 7<>/tmp/heard
$b nc -l -p 4242 <&5 >&7 &
server=$!
until grep -q ':1092 ' /proc/net/tcp /proc/net/tcp6; do kill -0 $server; done
$b nc 127.0.0.1 4242 <&6 >/dev/null &
export b namespace deep escape
"#;

/// What is done while it is recorded: each takes a lock of something that stands ready.
const LOAD: &str = r#"
cd /tmp/files
touch data/early/file; mv data/early data/late; touch data/late/other
echo text >&8; echo text >&9; echo text >>linked/two
touch "$escape/file" "$deep/file"
mount -o remount,size=64M /tmp/files
cat /tmp/groups/limagroup/cgroup.procs
echo go >/tmp/go; read -r word </tmp/done
for times in 1 2 3; do $b ip link set lima_dummy up; $b ip link set lima_dummy down; done
$b ip link set lima_dummy up
$b nsenter -t $namespace -n $b ip link set lo up
$b nsenter -t $namespace -n $b arping -c 1 -w 1 -I lo 127.0.0.1 || true
PATH="$PATH:/usr/sbin:/sbin" tc qdisc add dev lima_dummy root pfifo && echo qdisc yes >>"$LIMA_OUT/facts"
$b ip address add 192.0.2.1/24 dev lima_dummy; $b ping -c 1 -W 1 192.0.2.2 >/dev/null || true
echo text >&6; read -r word <&7
"#;

/// Rows of the table of instances, each as `KIND: NAME`, with everything else that it says.
fn found(trace: &Path) -> BTreeSet<String> {
    let rows = table(trace, "instances");
    let [kinds, names, texts, paths] = ["kind", "name", "text", "path"].map(|name| rows.texts(name));
    let [numbers, netns, pids] = ["number", "netns", "pid"].map(|name| rows.numbers(name));
    let shown = |row: usize| {
        let mut line = format!("{}: {}", kinds[row], names[row]);
        for (name, value) in [("number", numbers[row]), ("netns", netns[row]), ("pid", pids[row])] {
            if value > 0 {
                let _ = write!(line, "; {name} {value}");
            }
        }
        for (name, value) in [("text", &texts[row]), ("path", &paths[row])] {
            if !value.is_empty() {
                let _ = write!(line, "; {name} {value}");
            }
        }
        line
    };
    (0..names.len()).map(shown).collect()
}

#[test]
fn each_kind_of_object_is_the_one_that_the_kernel_tells_of_elsewhere() {
    if !can_drive("6.1") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "{READY}\ncat >/tmp/load <<'END'\n{LOAD}\nEND\n$LIMA record --level acquisitions --type mutex,rwsem,spinlock \
         --bucket 20s -o \"$LIMA_OUT/kinds.lima\" -- sh /tmp/load 2>&1"
    );
    let options = ["--accel", "tcg-single", "--timeout", "280s"];
    let output = in_guest("6.1", folder.path(), &options, &script);
    assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
    let trace = folder.path().join("kinds.lima");
    let facts = fs::read_to_string(folder.path().join("facts")).unwrap();
    let fact = |name: &str| {
        let line = facts.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {facts}"))
    };
    let (device, process) = (fact("device"), fact("process"));
    let (netns, own_netns, ifindex) = (fact("netns"), fact("own_netns"), fact("ifindex"));
    let inode = |name: &str| format!("inode {} of tmpfs {device}; number {}", fact(name), fact(name));
    let dummy = format!("network device \"lima_dummy\" (ifindex {ifindex}) of network namespace {own_netns}");
    let rest = format!("number {ifindex}; netns {own_netns}; text lima_dummy");
    let mut expected = vec![
        format!("inode: {}; path data/late", inode("directory")),
        format!("inode: {}; path linked/two", inode("linked")),
        format!("inode: {}; path here/\u{1b}[31m,=1+1", inode("escape")),
        // It was deleted, and lies too deep: no path.
        format!("inode: {}", inode("gone")),
        format!("inode: {}", inode("deep")),
        format!("dentry: dentry \"late\" of tmpfs {device}; text late; path data/late"),
        format!("file: open file, {}; path data/open", inode("open")),
        format!("super_block: super_block of tmpfs {device}"),
        format!("mm: memory of process {process} (sh); pid {process}; text sh"),
        format!("task: task {process} (sh); pid {process}; text sh"),
        format!("process: process {process} (sh); pid {process}; text sh"),
        format!("netns: network namespace {netns}; number {netns}"),
        format!("cgroup: cgroup {0} (limagroup); number {0}; text limagroup", fact("cgroup")),
        format!("netdev: {dummy}; {rest}"),
        format!("netdev: transmit queue 0 of {dummy}; {rest}"),
        format!(
            "netdev: network device \"lo\" (ifindex 1) of network namespace {netns}; number 1; netns {netns}; text lo"
        ),
    ];
    match facts.contains("qdisc yes") {
        true => expected.push(format!("netdev: queueing discipline pfifo of {dummy}; {rest}")),
        false => println!("left out: there is no tc to make a queueing discipline (iproute2)"),
    }
    let found = found(&trace);
    // It listens on every address there is, and so with the protocol that has both kinds.
    let socket = |protocol| {
        format!("socket: {protocol} socket :4242 of network namespace {own_netns}; number 4242; netns {own_netns}")
    };
    let protocol = if found.contains(&socket("TCP")) { "TCP" } else { "TCPv6" };
    expected.push(socket(protocol));
    let missing: Vec<_> = expected.iter().filter(|line| !found.contains(*line)).collect();
    assert!(missing.is_empty(), "{missing:#?} of {found:#?}");
    // A path once read stays: what has none now must not have had one before.
    let with_path = |name: &str| found.iter().any(|line| line.starts_with(&format!("inode: {}; path", inode(name))));
    assert!(!with_path("gone") && !with_path("deep"), "{found:#?}");

    let renamed = format!("instance=inode {} of tmpfs {device}", fact("directory"));
    let options = ["--acquisitions", "--by", "instance", "--filter", &renamed, "--filter", "path=data/*"];
    let report = json("report", &trace, &options);
    assert!(!rows(&report).is_empty() && rows(&report).iter().all(|row| text(row, "path") == "data/late"), "{report}");
    let path = trace.to_str().unwrap();
    for format in ["table", "csv"] {
        let output = run(["report", path, "--acquisitions", "--by", "instance", "--top", "0", "--format", format]);
        let text = shown(&output.stdout);
        assert!(text.contains("data/late") && text.contains("[31m,=1+1") && !text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn the_running_kernel_shows_the_path_of_a_directory_that_is_fought_for() {
    needs_recorder!();
    let name = unique("path");
    let folder = Path::new("/dev/shm").join(&name);
    if fs::create_dir(&folder).is_err() {
        println!("left out: there is no /dev/shm");
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let trace = out.path().join("path.lima");
    let load = ["lab", "load", "hammer", "--threads", "8", "--seconds", "3", "--dir"];
    let output = common::lima(["record", "--type", "rwsem", "-o", trace.to_str().unwrap(), "--", LIMA])
        .args(load)
        .arg(&folder)
        .output()
        .unwrap();
    let number = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&folder).unwrap());
    fs::remove_dir_all(&folder).unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    let found = found(&trace);
    if found.is_empty() {
        common::skipped("this kernel, or these privileges, do not show the memory of the kernel");
        return;
    }
    let start = format!("inode: inode {number} of tmpfs ");
    let line = found.iter().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {start}: {found:#?}"));
    assert!(line.ends_with(&format!("; path {name}")), "{line}");
}
