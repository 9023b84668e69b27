//! Acquisitions by class of lock, held against what a kernel with lockdep counts itself (`/proc/lock_stat`); and that lockdep
//! finds no fault with how LIMA records them. `make test-lockdep` builds that kernel and runs it.

mod common;

use common::module::{FILES, can_drive, in_guest};
use common::{manifest, shown, table};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Only what lockdep saw acquired more often than this is compared.
const ENOUGH: u64 = 1000;

/// Classes that lockdep counts otherwise, and why.
const EXPLAINED: &[(&str, &str)] = &[
    ("rcu_", "a read section or a callback, no lock"),
    ("(", "a mark on work, timers and completions, no lock"),
    ("lock", "memcg's and other marks around what takes no lock"),
    ("fs_reclaim", "a mark on allocation, no lock"),
    ("mmu_notifier_", "a mark, no lock"),
    ("tk_core.seq", "a sequence counter"),
    ("jiffies_seq", "a sequence counter"),
    ("&____s->seqcount", "a sequence counter"),
    ("rename_lock.seqcount", "a sequence counter"),
    ("mount_lock", "mostly its sequence counter"),
    ("&per_cpu_ptr(group->pcpu", "a sequence counter"),
    ("sb_writers", "readers of a percpu_rwsem, inlined"),
    ("sb_pagefaults", "readers of a percpu_rwsem, inlined"),
    ("&c->lock", "a local_lock, inlined"),
    ("&memcg->move_lock", "mostly a mark: it is taken only while tasks move"),
    ("&mm->mmap_lock", "mostly might_lock in front of accesses to user space, which takes nothing"),
    ("&rq->__lock", "handed on in a context switch, which counts as two acquisitions"),
    ("&pipe->", "named after the wait queue's lock was initialised: pipes that are gone have only that first name"),
    ("&x->wait", "named after it was initialised: completions on stacks have only their first name"),
    ("&sb->s_type->", "named after they were initialised: inodes that are gone have only their first names"),
    ("&rb->spinlock", "of BPF's ring buffers: LIMA's own, left out"),
    ("&wq", "a wait in workqueues, no lock"),
    ("&fsnotify_mark_srcu", "a read section, no lock"),
    ("rlock-AF_", "named after they were initialised: sockets that are gone have only their first name"),
    ("batched_entropy_", "a local_lock, inlined"),
];

/// How lockdep's name begins, and what to say of it.
fn explained(class: &str) -> Option<&'static str> {
    EXPLAINED
        .iter()
        .find(|(name, _)| if *name == "lock" { class == *name } else { class.starts_with(name) })
        .map(|(_, why)| *why)
}

/// What lockdep calls a class, without what tells classes of one name, and readers from writers, apart. `/proc/lock_stat`
/// cuts names.
fn class_of(name: &str) -> String {
    let name = name.strip_suffix("-W").or_else(|| name.strip_suffix("-R")).unwrap_or(name);
    let plain = |name: &str, mark: char| match name.rsplit_once(mark) {
        Some((before, after)) if !after.is_empty() && after.bytes().all(|byte| byte.is_ascii_digit()) => {
            before.to_owned()
        }
        _ => name.to_owned(),
    };
    plain(&plain(name, '/'), '#').chars().take(32).collect()
}

/// Acquisitions by class, from the text of `/proc/lock_stat`.
fn lock_stat(text: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        let Some((name, numbers)) = line.rsplit_once(':') else { continue };
        let numbers: Vec<&str> = numbers.split_whitespace().collect();
        // con-bounces contentions waittime (4) acq-bounces acquisitions holdtime (4)
        if let (12, Some(Ok(acquisitions))) = (numbers.len(), numbers.get(7).map(|number| number.parse::<u64>())) {
            *sums.entry(class_of(name.trim())).or_default() += acquisitions;
        }
    }
    sums
}

/// Acquisitions by class, from the phase of a trace in which lockdep counted. A lock that was seen initialised has the name that it was given there, if lockdep
/// has a class of that name; others, and those whose class is set later, have the one that lay in their memory afterwards.
fn traced(out: &Path, known: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let trace = out.join("load.lima");
    let phases = table(&trace, "phases");
    let begins: BTreeMap<String, u64> = phases.texts("phase").into_iter().zip(phases.numbers("begin_ns")).collect();
    let counted = begins["load"]..begins["after"];
    println!("counted for {} ms", (counted.end - counted.start) / 1_000_000);
    let inits = table(&trace, "inits");
    let given = inits.numbers("lock").into_iter().zip(inits.numbers("life")).zip(inits.texts("name"));
    let given: BTreeMap<(u64, u64), String> = given.map(|(lock, name)| (lock, class_of(&name))).collect();
    let classes = fs::read(out.join("load.classes")).unwrap();
    let found: BTreeMap<u64, String> = shown(&classes)
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(lock, name)| (u64::from_str_radix(lock.trim_start_matches("0x"), 16).unwrap(), class_of(name)))
        .collect();
    let table = table(&trace, "acquisitions");
    let mut sums = BTreeMap::new();
    let locks = table.numbers("lock").into_iter().zip(table.numbers("life"));
    let rows = locks.zip(table.numbers("acquisitions")).zip(table.numbers("time_ns"));
    for ((lock, acquisitions), _) in rows.filter(|(_, time_ns)| counted.contains(time_ns)) {
        let given = given.get(&lock).filter(|name| known.contains_key(*name));
        let class = given.or_else(|| found.get(&lock.0)).cloned().unwrap_or_else(|| "?".to_owned());
        *sums.entry(class).or_default() += acquisitions;
    }
    sums
}

/// One recording with a load. Lockdep begins and ends to count, and the recorder begins a phase and the next one, at the same
/// instant: a connection is there before, and then both are told. The recorder looks at its connections twenty times a
/// second, so that both its phases begin a little later, by about the same time.
const SCRIPT: &str = r#"
cd /tmp
cat >begin.pl <<'END'
use Socket;
my ($phase, $file) = @ARGV;
my ($path) = glob "/run/lima/*";
socket(my $recorder, PF_UNIX, SOCK_STREAM, 0) or die;
open(my $lockdep, ">", $file) or die;
connect($recorder, sockaddr_un($path)) or die;
syswrite($lockdep, "0");
syswrite($recorder, "$phase\n");
readline($recorder) =~ /ok/ or die;
END
cat >load <<'END'
set -e
perl begin.pl load /proc/lock_stat
$LIMA lab load hammer --dir /tmp --seconds 10 --tenant red
i=0; while [ $i -lt 300 ]; do i=$((i + 1)); /bin/true; done
perl begin.pl after /proc/sys/kernel/lock_stat
cat /proc/lock_stat >load.stat
END
echo 1 >/proc/sys/kernel/lock_stat
$LIMA record --level acquisitions --own --bucket 20s --max-totals 400000 -o load.lima -- sh load
$LIMA report load.lima --acquisitions --by lock --top 1000000 --format csv >load.csv 2>report.err
awk -F, 'NR > 1 { print $3, $1 }' load.csv | sort -u >load.asked
cat load.asked >FILES/classes
cat FILES/classes >load.classes
grep debug_locks /proc/lockdep_stats >debug_locks
dmesg >dmesg
cp -r load* debug_locks dmesg "$LIMA_OUT/"
"#;

#[test]
#[ignore = "for minutes, and on a kernel that takes ten to build: `make test-lockdep`"]
fn acquisitions_agree_with_lock_stat() {
    if !can_drive("lockdep") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let script = format!("$LIMA lab module load; {}", SCRIPT.replace("FILES", FILES));
    let options = ["--accel", "tcg-single", "--timeout", "540s", "--append", "random.trust_cpu=on"];
    let output = in_guest("lockdep", out, &options, &script);
    assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
    let losses = manifest(&out.join("load.lima"))["losses"].clone();
    println!("losses {losses}");
    assert_eq!(losses["acquisitions_full"], 0, "the sums were too small for this load");
    let stat = lock_stat(&fs::read_to_string(out.join("load.stat")).unwrap());
    let traced = traced(out, &stat);
    let (mut compared, mut off) = (0, Vec::new());
    println!("{:<34}{:>10}{:>10}{:>9}", "class", "lock_stat", "trace", "");
    for (class, &expected) in stat.iter().filter(|&(_, &count)| count >= ENOUGH) {
        let found = traced.get(class).copied().unwrap_or_default();
        let (percent, why) = ((found as f64 / expected as f64 - 1.0) * 100.0, explained(class));
        println!("{class:<34}{expected:>10}{found:>10}{percent:>8.2}% {}", why.unwrap_or_default());
        if why.is_none() {
            compared += 1;
            if percent.abs() > 1.0 {
                off.push(format!("{class}: {expected}, in the trace {found} ({percent:.2} %)"));
            }
        }
    }
    println!("not known by name: {:?} of {}", traced.get("?"), traced.values().sum::<u64>());
    let said = fs::read_to_string(out.join("dmesg")).unwrap();
    let debug_locks = fs::read_to_string(out.join("debug_locks")).unwrap();
    assert_eq!(debug_locks.split_whitespace().last(), Some("1"), "lockdep found fault:\n{said}");
    assert!(!said.contains("WARNING:") && !said.contains("BUG:"), "the kernel found fault:\n{said}");
    assert!(compared >= 10, "only {compared} classes are comparable");
    assert!(off.is_empty(), "{} of {compared} classes are off by more than 1 %:\n{off:#?}", off.len());
}
