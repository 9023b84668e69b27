//! The truth about acquisitions, holds and waits: a kernel module takes locks of every type in every way and context,
//! counts and times what it does, and the trace must say the same, to the last acquisition.

mod common;

use common::module::{answers, can_drive, drive};
use common::{manifest, shown, table};
use lima_lab::module::{Answer, Row};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Every lock function that can be traced, in every context that it may be called from, and attempts that fail.
const COMMANDS: &[&str] = &[
    "take lock=box.mutex by=mutex_lock threads=2 count=200",
    "take lock=box.mutex by=mutex_lock_io threads=2 count=50",
    "take lock=box.mutex by=mutex_lock_interruptible threads=2 count=51",
    "take lock=box.mutex by=mutex_lock_killable threads=2 count=52",
    "take lock=box.mutex by=mutex_trylock threads=2 count=53",
    "fail lock=box.mutex by=mutex_trylock threads=2 count=54",
    "fail lock=box.mutex by=mutex_lock_interruptible threads=2 count=55",
    "fail lock=box.mutex by=mutex_lock_killable threads=2 count=5 signal_after_us=1000",
    "take lock=box.ww_mutex by=ww_mutex_lock threads=2 count=56",
    "take lock=box.ww_mutex by=ww_mutex_lock_interruptible count=57",
    "take lock=box.ww_mutex by=ww_mutex_trylock count=58",
    "take lock=box.ww_mutex by=ww_mutex_lock_alone count=59",
    "fail lock=box.ww_mutex by=ww_mutex_trylock count=60",
    "take lock=box.rwsem by=down_read threads=2 count=61",
    "take lock=box.rwsem by=down_read_interruptible count=62",
    "take lock=box.rwsem by=down_read_killable count=63",
    "take lock=box.rwsem by=down_read_trylock count=64",
    "take lock=box.rwsem by=down_write threads=2 count=65",
    "take lock=box.rwsem by=down_write_killable count=66",
    "take lock=box.rwsem by=down_write_trylock count=67",
    "take lock=box.rwsem by=downgrade_write threads=2 count=68",
    "fail lock=box.rwsem by=down_read_trylock threads=2 count=69",
    "fail lock=box.rwsem by=down_write_killable threads=2 count=70",
    "take lock=box.semaphore by=down threads=2 count=71",
    "take lock=box.semaphore by=down_interruptible count=72",
    "take lock=box.semaphore by=down_killable count=73",
    "take lock=box.semaphore by=down_timeout timeout_us=1000 count=74",
    "take lock=box.semaphore by=down_trylock context=hardirq count=75",
    "fail lock=box.semaphore by=down_timeout timeout_us=1000 count=5",
    "fail lock=box.semaphore by=down_trylock context=hardirq count=76",
    "take lock=box.rt_mutex by=rt_mutex_lock threads=2 count=77",
    "take lock=box.rt_mutex by=rt_mutex_lock_interruptible count=78",
    "take lock=box.rt_mutex by=rt_mutex_lock_killable count=79",
    "take lock=box.rt_mutex by=rt_mutex_trylock count=80",
    "fail lock=box.rt_mutex by=rt_mutex_lock_interruptible count=5 signal_after_us=1000",
    "fail lock=box.rt_mutex by=rt_mutex_trylock count=81",
    "take lock=box.percpu_rwsem by=percpu_down_write count=12",
    "take lock=box.spinlock by=spin_lock threads=2 count=201",
    "take lock=box.spinlock by=spin_lock_bh threads=2 count=52",
    "take lock=box.spinlock by=spin_lock_irq threads=2 count=53",
    "take lock=box.spinlock by=spin_lock_irqsave threads=2 count=54",
    "take lock=box.spinlock by=spin_trylock count=55",
    "take lock=box.spinlock by=spin_trylock_bh count=56",
    "take lock=box.spinlock by=spin_trylock_irq count=57",
    "take lock=box.spinlock by=spin_trylock_irqsave count=58",
    "fail lock=box.spinlock by=spin_trylock count=59",
    "take lock=box.raw_spinlock by=raw_spin_lock threads=2 count=60",
    "take lock=box.raw_spinlock by=raw_spin_lock_irqsave threads=2 count=61",
    "take lock=box.rwlock by=read_lock threads=2 count=62",
    "take lock=box.rwlock by=read_lock_bh count=63",
    "take lock=box.rwlock by=read_lock_irq count=64",
    "take lock=box.rwlock by=read_lock_irqsave count=65",
    "take lock=box.rwlock by=read_trylock count=66",
    "take lock=box.rwlock by=write_lock threads=2 count=67",
    "take lock=box.rwlock by=write_lock_bh count=68",
    "take lock=box.rwlock by=write_lock_irq count=69",
    "take lock=box.rwlock by=write_lock_irqsave count=70",
    "take lock=box.rwlock by=write_trylock count=71",
    "fail lock=box.rwlock by=read_trylock count=72",
    "take lock=box.seqlock by=write_seqlock threads=2 count=73",
    "take lock=box.seqlock by=read_seqlock_excl_bh count=74",
    "take lock=hard.spinlock by=spin_lock context=hardirq threads=2 count=101",
    "take lock=hard.rwlock by=read_lock context=hardirq threads=2 count=102",
    "fail lock=hard.raw_spinlock by=raw_spin_trylock context=hardirq count=103",
    "take lock=soft.spinlock by=spin_lock context=softirq threads=2 count=104",
    "take lock=soft.rwlock by=write_lock context=softirq threads=2 count=105",
    "take lock=soft.raw_spinlock by=raw_spin_lock context=bh_off threads=2 count=106",
    "take lock=static.mutex by=mutex_lock inner=static.spinlock inner_by=spin_lock_irqsave threads=2 count=107",
    "take lock=static.rwsem by=down_write inner=hard.seqlock inner_by=write_seqlock inner_context=hardirq count=108",
    "take lock=static.raw_spinlock by=raw_spin_lock inner=soft.seqlock inner_by=write_seqlock inner_context=softirq count=109",
    "take lock=static.rwlock by=write_lock context=irqs_off threads=2 count=110",
    "take lock=global.mutex by=mutex_lock count=31",
    "take lock=global.rwlock by=read_lock count=32",
    "take lock=array[*] by=spin_lock threads=8 count=33",
    "take lock=cpu[*].spinlock by=spin_lock threads=2 count=34",
    "take lock=link.mutex by=mutex_lock count=35",
    "take lock=link.spinlock by=spin_lock count=36",
    "take lock=part.mutex by=mutex_lock count=37",
    "churn threads=2 count=40 takes=3",
];

/// Holds of known length, each of a lock that nothing else takes.
const HOLDS: &[&str] = &[
    "take lock=static.mutex by=mutex_lock_killable count=20 hold_us=2000",
    "take lock=static.ww_mutex by=ww_mutex_lock count=20 hold_us=2000",
    "take lock=static.rwsem by=down_read count=20 hold_us=2000",
    "take lock=static.rwsem by=downgrade_write count=20 hold_us=2000",
    "take lock=static.semaphore by=down count=20 hold_us=2000",
    "take lock=static.rt_mutex by=rt_mutex_lock count=20 hold_us=2000",
    "take lock=static.spinlock by=spin_lock count=20 hold_us=2000",
    "take lock=static.rwlock by=read_lock count=20 hold_us=2000",
    "take lock=hard.rwlock by=write_lock context=hardirq count=20 hold_us=2000",
    "handover lock=global.semaphore by=down count=10 hold_us=2000",
];

/// A known holder and those that wait for it.
const BLOCKS: &[&str] = &[
    "block lock=soft.mutex by=mutex_lock count=5 hold_us=20000 delay_us=1000",
    "block lock=soft.rwsem by=down_read count=5 hold_us=20000 delay_us=1000",
    "block lock=hard.rwsem by=down_write holder_by=down_read count=5 hold_us=20000 delay_us=1000",
    "block lock=soft.semaphore by=down count=5 hold_us=20000 delay_us=1000",
    "block lock=soft.rt_mutex by=rt_mutex_lock count=5 hold_us=20000 delay_us=1000",
    "block lock=global.spinlock by=spin_lock count=5 hold_us=20000 delay_us=1000",
];

/// A lock at a site in a mode and a context; the sites of objects that come and go have no lock.
type Key = (u64, String, String, String);

/// What was done there, by the module or by the trace.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    acquisitions: u64,
    failed: u64,
    holds: u64,
    hold_ns: u64,
    waits: u64,
    wait_ns: u64,
}

/// Whether a row of the trace is of a lock, and not of the spinlock inside it.
fn fits(lock_type: &str, row: &Row) -> bool {
    let seen = match row.lock_type.as_str() {
        "raw_spinlock" | "seqlock" => "spinlock",
        other => other,
    };
    lock_type == seen
}

fn context(row: &Row) -> &str {
    if matches!(row.context.as_str(), "irqs_off" | "bh_off") { "task" } else { &row.context }
}

/// What the module did.
fn truth<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> BTreeMap<Key, Sums> {
    let mut sums: BTreeMap<Key, Sums> = BTreeMap::new();
    for (thread, row) in answers.into_iter().flat_map(Answer::rows) {
        if thread.role == "releaser" {
            continue;
        }
        let key =
            |mode: &str| (row.address.unwrap_or_default(), row.site.clone(), mode.to_owned(), context(row).to_owned());
        let at = sums.entry(key(&row.mode)).or_default();
        at.acquisitions += row.acquisitions;
        at.failed += row.failures;
        at.holds += row.hold.count;
        at.hold_ns += row.hold.sum_ns;
        at.wait_ns += row.wait.sum_ns + row.failed_wait.sum_ns;
        if row.read_hold.count > 0 {
            let at = sums.entry(key("read")).or_default();
            at.holds += row.read_hold.count;
            at.hold_ns += row.read_hold.sum_ns;
        }
    }
    sums
}

/// What the trace says of the same locks.
fn traced<'a>(trace: &Path, answers: impl IntoIterator<Item = &'a Answer>) -> BTreeMap<Key, Sums> {
    let mut locks: BTreeMap<u64, &Row> = BTreeMap::new();
    let mut churned: BTreeMap<&str, &Row> = BTreeMap::new();
    for (_, row) in answers.into_iter().flat_map(Answer::rows) {
        match row.address {
            Some(address) => drop(locks.insert(address, row)),
            None => drop(churned.insert(&row.site, row)),
        }
    }
    let (stacks, frames) = (table(trace, "stacks"), table(trace, "frames"));
    let first = stacks.lists("addresses").into_iter().map(|addresses| addresses[0]);
    let first: BTreeMap<u64, u64> = stacks.numbers("stack_id").into_iter().zip(first).collect();
    let names: BTreeMap<u64, String> = frames.numbers("address").into_iter().zip(frames.texts("symbol")).collect();
    let site = |stack: &u64| first.get(stack).and_then(|address| names.get(address)).cloned().unwrap_or_default();

    let table = table(trace, "acquisitions");
    let [types, modes, contexts] = ["lock_type", "mode", "context"].map(|name| table.texts(name));
    let columns = ["acquisitions", "failed", "holds", "hold_ns_total", "waits", "wait_ns_total"];
    let [acquisitions, failed, holds, hold_ns, waits, wait_ns] = columns.map(|name| table.numbers(name));
    let mut sums: BTreeMap<Key, Sums> = BTreeMap::new();
    for (at, (&lock, stack)) in table.numbers("lock").iter().zip(&table.numbers("stack_id")).enumerate() {
        let site = site(stack);
        let known = locks.get(&lock).copied();
        let (lock, row) = match known.or_else(|| churned.get(site.as_str()).copied()) {
            Some(row) if known.is_some() => (lock, row),
            Some(row) => (0, row),
            None => continue,
        };
        if !fits(&types[at], row) {
            continue;
        }
        let sums = sums.entry((lock, site, modes[at].clone(), contexts[at].clone())).or_default();
        sums.acquisitions += acquisitions[at];
        sums.failed += failed[at];
        sums.holds += holds[at];
        sums.hold_ns += hold_ns[at];
        sums.waits += waits[at];
        sums.wait_ns += wait_ns[at];
    }
    sums
}

/// Within 5 %, or 100 us each: an emulated processor can lose the real one between the two clocks.
fn near(found: u64, expected: u64, count: u64) -> bool {
    found.abs_diff(expected) <= (expected / 20).max(100_000 * count)
}

const NOTHING: Sums = Sums { acquisitions: 0, failed: 0, holds: 0, hold_ns: 0, waits: 0, wait_ns: 0 };

fn the_trace_says_what_the_module_did(kernel: &str) {
    if !can_drive(kernel) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let commands = [COMMANDS, HOLDS, BLOCKS].concat();
    let record = "$LIMA record --level acquisitions -o $LIMA_OUT/truth.lima -- sh $LIMA_OUT/tell";
    let output = drive(kernel, folder.path(), &commands, record);
    assert!(output.status.success(), "{kernel}: {}{}", shown(&output.stdout), shown(&output.stderr));
    let trace = folder.path().join("truth.lima");
    println!("{kernel}: losses {}", manifest(&trace)["losses"]);
    let answers = answers(folder.path(), &commands);
    assert!(answers.iter().all(|answer| answer.complete), "{kernel}: not all was done in time");

    let (truth, traced) = (truth(&answers), traced(&trace, &answers));
    let mut wrong = BTreeSet::new();
    for (key, expected) in &truth {
        let found = traced.get(key).unwrap_or(&NOTHING);
        let counts = |sums: &Sums| (sums.acquisitions, sums.failed, sums.holds);
        if counts(found) != counts(expected) {
            wrong.insert(format!("{key:?}: {found:?}, and the module did {expected:?}"));
        }
    }
    for (key, found) in traced.iter().filter(|(key, _)| !truth.contains_key(*key)) {
        wrong.insert(format!("{key:?}: {found:?}, and the module did nothing there"));
    }
    // What lasts long enough to be timed. An emulated processor can lose the real one between the two clocks, so single
    // times may be far off: most must agree.
    let (mut timed, mut off) = (0, Vec::new());
    for (answer, command) in answers.iter().zip(&commands).skip(COMMANDS.len()) {
        for (key, expected) in &self::truth([answer]) {
            let found = traced.get(key).unwrap_or(&NOTHING);
            let waits = command.starts_with("block") && expected.wait_ns > 1_000_000;
            let agree = near(found.hold_ns, expected.hold_ns, expected.holds)
                && (!waits || near(found.wait_ns, expected.wait_ns, expected.acquisitions));
            timed += 1;
            if !agree {
                off.push(format!("{command}: {found:?}, and the module did {expected:?}"));
            }
        }
    }
    println!("{kernel}: {} of {timed} times are off: {off:#?}", off.len());
    assert!(off.len() * 2 < timed, "{kernel}: {} of {timed} times are off:\n{off:#?}", off.len());
    assert!(wrong.is_empty(), "{kernel}: {} of {} are wrong:\n{wrong:#?}", wrong.len(), truth.len());
}

#[test]
fn the_trace_says_what_the_module_did_on_6_1() {
    the_trace_says_what_the_module_did("6.1");
}

#[test]
fn the_trace_says_what_the_module_did_on_6_12() {
    the_trace_says_what_the_module_did("6.12");
}
