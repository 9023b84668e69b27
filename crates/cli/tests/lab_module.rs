//! `lima lab module`: the module does what it is told, in every way and context, and what would harm it refuses. On a
//! kernel with lockdep, nothing that it does is against the kernel's rules.

mod common;

use common::module::{FILES, answers, asked, can_drive, drive};
use common::{run, shown};
use lima_lab::module::Listing;
use std::collections::BTreeSet;
use std::fs;

/// What is done besides taking every lock in every way.
const SCENES: &[&str] = &[
    "take lock=hard.spinlock by=spin_lock context=hardirq threads=2 count=300",
    "take lock=soft.rwlock by=read_lock context=softirq threads=2 count=300",
    "take lock=hard.seqlock by=write_seqlock context=irqs_off threads=2 count=300",
    "take lock=soft.raw_spinlock by=raw_spin_lock context=bh_off threads=2 count=300",
    "take lock=box.mutex by=mutex_lock threads=4 count=100 hold_us=50",
    "take lock=box.spinlock by=spin_lock threads=4 count=100 hold_us=50 cpus=any",
    "take lock=box.rwsem by=down_read as=caller count=3 gap_us=100",
    "take lock=box.mutex by=mutex_lock inner=box.spinlock inner_by=spin_lock_irqsave count=100 inner_hold_us=5",
    "take lock=box.spinlock by=spin_lock inner=hard.spinlock inner_by=spin_lock inner_context=hardirq count=100",
    "take lock=box.spinlock by=spin_lock inner=soft.spinlock inner_by=spin_lock inner_context=softirq count=100",
    "take lock=box.mutex by=mutex_lock inner=box.rwsem inner_by=downgrade_write count=20",
    "fail lock=box.rwsem by=down_read_trylock holder_by=downgrade_write count=10",
    "take lock=array[*] by=spin_lock threads=9 count=100",
    "take lock=cpu[*].spinlock by=spin_lock threads=2 count=100",
    "fail lock=box.mutex by=mutex_trylock threads=3 count=100",
    "fail lock=box.mutex by=mutex_lock_interruptible threads=3 count=20",
    "fail lock=box.mutex by=mutex_lock_killable threads=2 count=5 signal_after_us=1000",
    "fail lock=box.rwsem by=down_write_trylock holder_by=down_read threads=2 count=50",
    "fail lock=box.rwsem by=down_read_interruptible threads=2 count=10",
    "fail lock=box.rwsem by=down_write_killable threads=2 count=10 signal_after_us=1000",
    "fail lock=box.semaphore by=down_timeout timeout_us=2000 threads=2 count=5",
    "fail lock=box.semaphore by=down_trylock context=hardirq threads=2 count=50",
    "fail lock=box.rt_mutex by=rt_mutex_lock_interruptible threads=2 count=5 signal_after_us=1000",
    "fail lock=box.ww_mutex by=ww_mutex_lock_interruptible threads=2 count=10",
    "fail lock=box.percpu_rwsem by=percpu_down_read_trylock threads=2 count=10",
    "fail lock=box.sleep_bits by=wait_on_bit_lock_killable threads=2 count=10",
    "fail lock=page by=folio_lock_killable threads=2 count=10",
    "fail lock=box.spinlock by=spin_trylock count=500",
    "fail lock=hard.raw_spinlock by=raw_spin_trylock context=hardirq count=500",
    "block lock=box.mutex by=mutex_lock threads=2 count=3 hold_us=20000 delay_us=1000 then_hold_us=500",
    "block lock=box.percpu_rwsem by=percpu_down_read count=3 hold_us=20000 delay_us=1000",
    "block lock=hard.spinlock by=spin_lock_irqsave count=3 hold_us=10000 delay_us=100",
    "handover lock=box.semaphore by=down count=10 hold_us=500",
    "handover lock=box.rwsem by=down_read_non_owner count=10 hold_us=500",
    "handover lock=box.sleep_bits by=wait_on_bit_lock count=10 hold_us=500",
    "handover lock=page by=folio_lock count=10 hold_us=500",
    "churn threads=2 count=50 takes=3",
];

/// Commands that the module must refuse, and a part of why.
const REFUSED: &[(&str, &str)] = &[
    ("", "there is no command"),
    ("take", "there is no lock"),
    ("take lock=box.mutex by=spin_lock", "no way to take"),
    ("take lock=array[8] by=spin_lock", "there is no lock"),
    ("take lock=box.mutex by=mutex_lock count=0", "cannot be"),
    ("take lock=box.mutex by=mutex_lock count=1000001", "cannot be"),
    ("take lock=box.mutex by=mutex_lock threads=65", "cannot be"),
    ("take lock=box.mutex by=mutex_lock colour=red", "no key"),
    ("take lock=box.mutex by=mutex_lock colour", "has no value"),
    ("take lock=box.mutex by=mutex_lock context=irqs_off", "no place to sleep"),
    ("take lock=box.spinlock by=spin_lock context=hardirq", "not for interrupts"),
    ("take lock=soft.spinlock by=spin_lock context=hardirq", "not for hard interrupts"),
    ("take lock=soft.spinlock by=spin_lock", "for softirqs too"),
    ("take lock=hard.spinlock by=spin_lock_bh", "for hard interrupts too"),
    ("take lock=box.spinlock by=spin_lock_irq context=irqs_off", "let interrupts in"),
    ("take lock=box.spinlock by=spin_lock hold=sleep", "cannot sleep"),
    ("take lock=box.spinlock by=spin_lock hold_us=20001", "at most 20000"),
    ("take lock=box.mutex by=mutex_lock hold_us=1000000 count=21", "longer than 20 s"),
    ("take lock=box.spinlock by=spin_lock inner=box.mutex inner_by=mutex_lock", "does not nest"),
    ("take lock=box.mutex by=mutex_lock inner=box.mutex inner_by=mutex_lock", "does not nest"),
    (
        "take lock=hard.spinlock by=spin_lock_irq inner=hard.rwlock inner_by=read_lock inner_context=hardirq",
        "cannot come",
    ),
    ("take lock=box.mutex by=mutex_lock as=caller threads=2", "one thread"),
    ("take lock=cpu[0].local_lock by=local_lock cpus=any", "for one CPU"),
    ("fail lock=box.mutex by=mutex_lock", "wait for ever"),
    ("fail lock=box.spinlock by=spin_trylock cpus=any", "CPU of its own"),
    ("block lock=box.mutex by=mutex_lock hold_us=10 delay_us=10", "less than hold_us"),
    ("handover lock=box.mutex by=mutex_lock", "may let it go"),
];

#[test]
fn the_module_does_what_it_is_told_on_6_1() {
    does_what_it_is_told("6.1");
}

#[test]
fn the_module_does_what_it_is_told_on_6_12() {
    does_what_it_is_told("6.12");
}

#[test]
fn the_module_does_what_it_is_told_under_the_eyes_of_lockdep() {
    does_what_it_is_told("lockdep");
}

fn does_what_it_is_told(kernel: &str) {
    if !can_drive(kernel) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let first = drive(kernel, folder.path(), &[], "$LIMA lab module run list");
    assert!(first.status.success(), "{kernel}: {}", shown(&first.stderr));
    let listing: Listing = serde_json::from_slice(&first.stdout).unwrap();
    let ways =
        |lock: &str| listing.locks.iter().find(|listed| listed.lock == lock).map_or(0, |listed| listed.ways.len());
    assert!(
        ways("box.rwsem") >= 9 && ways("box.rwlock") >= 11 && ways("cpu[1].spinlock") == 1,
        "{kernel}: {listing:?}"
    );
    let sites: BTreeSet<&str> =
        listing.locks.iter().flat_map(|listed| &listed.ways).map(|way| way.site.as_str()).collect();
    assert!(sites.len() > 80, "{kernel}: {} sites", sites.len());

    // Every lock that tasks may take, in every way.
    let mut commands: Vec<String> = Vec::new();
    for listed in listing.locks.iter().filter(|listed| listed.level == "task" && !listed.lock.starts_with("cpu[")) {
        let take = |way: &str| format!("take lock={} by={way} threads=2 count=20 timeout_us=100000", listed.lock);
        commands.extend(listed.ways.iter().map(|way| take(&way.by)));
    }
    let mut commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    commands.extend(SCENES);
    let refusals = REFUSED
        .iter()
        .map(|(command, _)| format!("! echo '{command}' 2>/dev/null >{FILES}/run || exit 1; cat {FILES}/result; "));
    let script = format!(
        "sh $LIMA_OUT/tell; dmesg >$LIMA_OUT/dmesg; \
         [ ! -e /proc/lockdep_stats ] || cat /proc/lockdep_stats >$LIMA_OUT/lockdep; {} \
         ! $LIMA lab module run take lock=box.mutex by=down || exit 1",
        refusals.collect::<String>()
    );
    let output = drive(kernel, folder.path(), &commands, &script);
    assert!(output.status.success(), "{kernel}: {}{}", shown(&output.stdout), shown(&output.stderr));

    for (command, answer) in commands.iter().zip(answers(folder.path(), &commands)) {
        assert!(answer.complete && answer.ended_ns > answer.began_ns, "{kernel}: {command}: {answer:?}");
        let turns = asked(command, "count") * if command.starts_with("churn") { asked(command, "takes") } else { 1 };
        for (thread, row) in answer.rows() {
            let holds = thread.role == "holder" && command.starts_with("fail");
            let expected = if thread.role == "releaser" {
                0
            } else if holds {
                1
            } else {
                turns
            };
            assert_eq!(row.tries, expected, "{kernel}: {command}: {row:?}");
            assert_eq!(row.acquisitions + row.failures, row.tries, "{kernel}: {command}: {row:?}");
            assert_eq!(row.hold.count, row.acquisitions, "{kernel}: {command}: {row:?}");
            let fails = thread.role == "failer";
            let may_fail = row.by.contains("try") || row.by.contains("timeout");
            assert!(
                if fails { row.acquisitions == 0 } else { may_fail || row.failures == 0 },
                "{kernel}: {command}: {row:?}"
            );
            assert!(row.hold.sum_ns >= row.hold.max_ns && row.wait.sum_ns >= row.wait.max_ns, "{kernel}: {command}");
        }
        if command.starts_with("block") {
            for round in 0..answer.threads[0].rounds.len() {
                let hold = answer.threads[0].rounds[round];
                assert!(hold.dropped_ns - hold.taken_ns >= asked(command, "hold_us") * 1000, "{kernel}: {command}");
                for waiter in &answer.threads[1..] {
                    assert!(waiter.rounds[round].taken_ns > hold.taken_ns, "{kernel}: {command}: {answer:?}");
                }
            }
        }
    }

    let said = shown(&output.stdout);
    for ((command, why), line) in REFUSED.iter().zip(said.lines()) {
        assert!(line.contains(why), "{kernel}: '{command}' is refused with: {line}");
    }
    assert_eq!(said.lines().count(), REFUSED.len(), "{kernel}: {said}");
    let errors = shown(&output.stderr);
    assert!(errors.contains("'down' is no way to take 'box.mutex'"), "{kernel}: {errors}");

    let log = fs::read_to_string(folder.path().join("dmesg")).unwrap();
    for word in ["BUG:", "WARNING:", "INFO:", " stall", "lockup", "scheduling while"] {
        let bad = log.lines().find(|line| line.contains(word));
        assert!(bad.is_none(), "{kernel}: {}", bad.unwrap_or_default());
    }
    if let Ok(stats) = fs::read_to_string(folder.path().join("lockdep")) {
        let on = stats.lines().any(|line| line.contains("debug_locks") && line.trim_end().ends_with('1'));
        assert!(on, "{kernel}: lockdep has switched itself off: {stats}");
    }
}

#[test]
fn outside_a_guest_nothing_is_harmed() {
    let output = run(["lab", "module", "run", "list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(shown(&output.stderr).contains("is the module loaded"), "{}", shown(&output.stderr));
    let output = run(["lab", "module", "build", "--tree", "/nonexistent"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(shown(&output.stderr).contains("no build tree"), "{}", shown(&output.stderr));
    let output = run(["lab", "module", "load", "--file", "/nonexistent.ko"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(shown(&output.stderr).contains("cannot open the module"), "{}", shown(&output.stderr));
}
