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

/// Why lockdep counts a class otherwise, and how that is held against the trace.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Why {
    /// No function of a lock is called for it: the trace must not know it at all.
    NoLock,
    /// LIMA leaves its own out: the trace must not know it at all.
    Own,
    /// `might_lock` counts besides, and takes nothing: the trace must have no more.
    Might,
    /// The same by `__might_fault` alone, whose calls are counted and told beside it.
    MightFault,
    /// Handed on in a context switch, which is an acquisition for lockdep and no call: the switches are counted and told beside it.
    Switched,
    /// Taken in the tick alone, which interrupts others' programs on the same function: what is missing must be among the runs that
    /// the kernel skipped, and has counted.
    Skipped,
    /// Named after its spinlock was initialised: a lock that is gone by the end has its first name only. What is missing must be
    /// among what the trace does not know by name.
    Gone,
}

/// Classes that lockdep counts otherwise: how their names begin (or all of it), and the place in Linux 6.1 where that shows.
const EXPLAINED: &[(&str, Why, &str)] = &[
    ("rcu_read_lock", Why::NoLock, "a read section"),
    ("rcu_callback", Why::NoLock, "a mark on callbacks"),
    ("(", Why::NoLock, "a mark on work, timers and completions"),
    ("lock", Why::NoLock, "local_locks: INIT_LOCAL_LOCK(lock) in mm/swap.c"),
    ("&c->lock", Why::NoLock, "a local_lock, inlined"),
    ("batched_entropy_", Why::NoLock, "a local_lock, inlined"),
    ("fs_reclaim", Why::NoLock, "a mark on allocation"),
    ("mmu_notifier_", Why::NoLock, "a mark"),
    ("tk_core.seq", Why::NoLock, "a sequence counter"),
    ("jiffies_seq", Why::NoLock, "a sequence counter"),
    ("&____s->seqcount", Why::NoLock, "a sequence counter"),
    ("rename_lock.seqcount", Why::NoLock, "a sequence counter"),
    ("&per_cpu_ptr(group->pcpu", Why::NoLock, "a sequence counter"),
    ("sb_writers", Why::NoLock, "readers of a percpu_rwsem, inlined"),
    ("sb_pagefaults", Why::NoLock, "readers of a percpu_rwsem, inlined"),
    ("&wq", Why::NoLock, "a wait in workqueues"),
    ("&fsnotify_mark_srcu", Why::NoLock, "a read section"),
    ("&rb->spinlock", Why::Own, "BPF's ring buffers"),
    ("&memcg->move_lock", Why::Might, "mm/memcontrol.c, folio_memcg_lock"),
    ("mount_lock", Why::Might, "fs/namespace.c, __mnt_want_write; and its sequence counter"),
    ("&mm->mmap_lock", Why::MightFault, "mm/memory.c, __might_fault"),
    ("&rq->__lock", Why::Switched, "kernel/sched/core.c, prepare_lock_switch and finish_lock_switch"),
    ("jiffies_lock", Why::Skipped, "kernel/time/tick-sched.c, tick_do_update_jiffies64"),
    ("&pipe->rd_wait", Why::Gone, "init_waitqueue_head"),
    ("&pipe->wr_wait", Why::Gone, "init_waitqueue_head"),
    ("&x->wait", Why::Gone, "init_swait_queue_head; completions on stacks"),
];

/// Classes that a lock is put into after its initialisation, whose name is all that is known of one that is gone: judged together.
const TOGETHER: &[(&str, &[&str])] = &[(
    "inode->i_rwsem",
    &["&sb->s_type->i_mutex_key", "&ovl_i_mutex_key[depth]", "&type->i_mutex_dir_key", "&ovl_i_mutex_dir_key[depth]"],
)];

/// What is said of a class.
fn explained(class: &str) -> Option<(Why, &'static str)> {
    let is = |name: &str| if matches!(name, "lock" | "&wq") { class == name } else { class.starts_with(name) };
    EXPLAINED.iter().find(|(name, ..)| is(name)).map(|&(_, why, place)| (why, place))
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
    let name: String = plain(&plain(name, '/'), '#').chars().take(32).collect();
    let together = TOGETHER.iter().find(|(_, names)| names.contains(&name.as_str()));
    together.map_or(name, |(name, _)| (*name).to_owned())
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

/// What was counted between two readings.
struct Counted {
    /// Acquisitions by class, by lockdep.
    classes: BTreeMap<String, u64>,
    /// Context switches.
    switches: u64,
    /// Calls of `__might_fault`.
    faults: u64,
}

impl Counted {
    fn read(out: &Path, which: &str) -> Self {
        let read = |when| fs::read_to_string(out.join(format!("load.{which}-{when}"))).unwrap();
        let (begin, end) = (read("begin"), read("end"));
        let before = lock_stat(&begin);
        let mut classes = lock_stat(&end);
        for (class, count) in &mut classes {
            *count = count.saturating_sub(before.get(class).copied().unwrap_or_default());
        }
        let word = |text: &str, name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name));
            line.unwrap_or_else(|| panic!("{which}: no {name}")).split_whitespace().next().unwrap().parse().unwrap()
        };
        let passed = |name| word(&end, name) - word(&begin, name);
        Self { classes, switches: passed("ctxt "), faults: passed("might_fault ") }
    }
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

/// One recording with a load. Lockdep's numbers are read before and after each phase begins: opening the file takes a copy of
/// them. What the phase of the load counts lies between the readings inside and those around it.
const SCRIPT: &str = r#"
cd /tmp
cat >begin.pl <<'END'
use Socket;
my ($phase, $earlier, $later) = @ARGV;
my ($path) = glob "/run/lima/*";
socket(my $recorder, PF_UNIX, SOCK_STREAM, 0) or die;
connect($recorder, sockaddr_un($path)) or die;
my @others = ("/proc/stat", "/sys/kernel/tracing/kprobe_profile");
sub others { join "", map { open(my $file, "<", $_) or die; <$file> } @others }
open(my $before, "<", "/proc/lock_stat") or die;
my $counts_before = others();
syswrite($recorder, "$phase\n");
readline($recorder) =~ /ok/ or die;
open(my $after, "<", "/proc/lock_stat") or die;
my $counts_after = others();
for ([$before, $earlier, $counts_before], [$after, $later, $counts_after]) {
	open(my $copy, ">", $$_[1]) or die;
	my ($from, $counts) = ($$_[0], $$_[2]);
	while (my $line = <$from>) { print $copy $line }
	print $copy $counts;
	close($copy) or die;
}
END
cat >load <<'END'
set -e
perl begin.pl load load.outer-begin load.inner-begin
$LIMA lab load hammer --dir /tmp --seconds 10 --tenant red
i=0; while [ $i -lt 100 ]; do i=$((i + 1)); /bin/true; done
perl begin.pl after load.inner-end load.outer-end
END
echo p:might_fault __might_fault >/sys/kernel/tracing/kprobe_events
echo 1 >/sys/kernel/tracing/events/kprobes/might_fault/enable
echo 1 >/proc/sys/kernel/lock_stat
$LIMA record --level acquisitions --own --bucket 5s --max-totals 400000 -o load.lima -- sh load
$LIMA report load.lima --acquisitions --by lock --top 1000000 --format csv >load.csv 2>report.err
awk -F, 'NR > 1 { print $3, $1 }' load.csv | sort -u >load.asked
perl -ne 'BEGIN { open F, ">", "FILES/classes" or die } $b .= $_;
	if (length $b > 60000 or eof) { syswrite(F, $b) == length $b or die; $b = "" }' load.asked
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
    let [least, most] = ["inner", "outer"].map(|which| Counted::read(out, which));
    let traced = traced(out, &most.classes);
    let unknown = traced.get("?").copied().unwrap_or_default();
    let (mut compared, mut gone, mut skipped, mut off) = (0, 0, 0, Vec::new());
    println!("{:<34}{:>10}{:>10}{:>10}{:>9}", "class", "at least", "at most", "trace", "off");
    for class in most.classes.iter().filter(|&(_, &count)| count >= ENOUGH).map(|(class, _)| class) {
        let found = traced.get(class).copied().unwrap_or_default();
        let why = explained(class);
        let bounds = [&least, &most].map(|counted| {
            let count = counted.classes.get(class).copied().unwrap_or_default();
            match why {
                Some((Why::MightFault, _)) => count.saturating_sub(counted.faults),
                Some((Why::Switched, _)) => count.saturating_sub(counted.switches),
                _ => count,
            }
        });
        let (at_least, at_most) = (bounds[0].min(bounds[1]), bounds[0].max(bounds[1]));
        let beyond = found.saturating_sub(at_most) as f64 / at_most.max(1) as f64;
        let short = at_least.saturating_sub(found) as f64 / at_least.max(1) as f64;
        let percent = (beyond - short) * 100.0;
        println!("{class:<34}{at_least:>10}{at_most:>10}{found:>10}{percent:>8.2}% {why:?}");
        let agrees = match why.map(|(why, _)| why) {
            // How near it comes without what is counted besides is printed; the trace must not have more than both.
            Some(Why::MightFault | Why::Switched) => found <= most.classes.get(class).copied().unwrap_or_default(),
            None => {
                compared += 1;
                percent.abs() <= 1.0
            }
            Some(Why::NoLock | Why::Own) => found == 0,
            Some(Why::Might) => beyond <= 0.01,
            Some(Why::Skipped) => {
                skipped += at_least.saturating_sub(found);
                compared += 1;
                beyond <= 0.01
            }
            Some(Why::Gone) => {
                gone += at_least.saturating_sub(found);
                beyond <= 0.01
            }
        };
        if !agrees {
            off.push(format!("{class}: {at_least} to {at_most}, in the trace {found} ({percent:.2} %) {why:?}"));
        }
    }
    let runs = losses["recursion"].as_u64().unwrap();
    assert!(skipped <= runs, "{skipped} acquisitions are missing, and only {runs} runs of programs were skipped");
    assert!(gone <= unknown, "{gone} acquisitions are missing, and only {unknown} have no name");
    println!("not known by name: {:?} of {}", traced.get("?"), traced.values().sum::<u64>());
    let said = fs::read_to_string(out.join("dmesg")).unwrap();
    let debug_locks = fs::read_to_string(out.join("debug_locks")).unwrap();
    assert_eq!(debug_locks.split_whitespace().last(), Some("1"), "lockdep found fault:\n{said}");
    assert!(!said.contains("WARNING:") && !said.contains("BUG:"), "the kernel found fault:\n{said}");
    assert!(compared >= 10, "only {compared} classes are comparable");
    assert!(off.is_empty(), "{} of {compared} classes are off by more than 1 %:\n{off:#?}", off.len());
}
