//! How a lock moves between CPUs and between nodes, in guests with two nodes of two CPUs each: to the last move.

mod common;

use common::module::{FILES, can_drive};
use common::{LIMA, column, lima, shown};
use std::fs;

/// The CPUs of a node, as the kernel tells them: `0-1`, `0,2`.
fn cpus(list: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse().unwrap()..=last.parse::<u32>().unwrap()
    };
    list.trim().split(',').flat_map(range).collect()
}

/// The caller takes the lock ten times on each of five CPUs, one after the other: two of a node, twice one of the other node,
/// and the first again.
fn moves(kernel: &str) {
    if !can_drive(kernel) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        r#"set -e
        cd "$LIMA_OUT"
        cp /sys/devices/system/node/node0/cpulist node0; cp /sys/devices/system/node/node1/cpulist node1
        {LIMA} lab module load
        cat >/tmp/take <<'END'
set -e
for cpu; do
    taskset -c $cpu sh -c 'echo "take lock=global.mutex by=mutex_lock as=caller count=10" >{FILES}/run'
done
END
        first() {{ sed 's/[-,].*//' "$1"; }}
        a=$(first node0) b=$(sed 's/.*[-,]//' node0) c=$(first node1)
        {LIMA} record --level acquisitions --type mutex --lock lima_global_mutex --stats cross-cpu,cross-node,batch \
            -o moves.lima -- sh /tmp/take $a $b $c $c $a"#
    );
    let mut command = lima(["lab", "run", "--cpus", "4", "--numa", "2", "--memory", "2G", "--kernel", kernel]);
    command.args(["--accel", "tcg-single", "--timeout", "280s"]).arg("--out").arg(folder.path());
    let output = command.args(["--", "sh", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
    let nodes = ["node0", "node1"].map(|name| cpus(&fs::read_to_string(folder.path().join(name)).unwrap()));
    assert_eq!((nodes[0].len(), nodes[1].len()), (2, 2), "{nodes:?}");
    let trace = folder.path().join("moves.lima");
    let sum = |name| column(&trace, "acquisitions", name).iter().sum::<u64>();
    assert_eq!(sum("acquisitions"), 50);
    assert_eq!((sum("cross_cpu"), sum("cross_cpu_waits")), (3, 0));
    assert_eq!(sum("cross_node"), 2);
    assert_eq!(column(&trace, "acquisitions", "longest_run").into_iter().max(), Some(20));
}

#[test]
fn a_lock_moves_between_nodes_on_6_1() {
    moves("6.1");
}

#[test]
fn a_lock_moves_between_nodes_on_6_12() {
    moves("6.12");
}
