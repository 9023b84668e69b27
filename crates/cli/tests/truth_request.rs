//! The truth about what is traced on request, and about the statistics and choices that nothing else checks: sockets, bits,
//! read sections of RCU, variables that each CPU has, waits for one lock, samples of all types, readers and writers, nodes,
//! slab caches, and writers that spin.

mod common;

use common::module::{FILES, can_drive, drive};
use common::{column, json, manifest, number, rows, shown, table};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The rows of a function's sites, by the report.
fn at<'a>(report: &'a Value, site: &'a str) -> impl Iterator<Item = &'a Value> {
    let here = move |row: &&Value| {
        row["site"].as_str().is_some_and(|found| found.split('+').next().is_some_and(|name| name == site))
    };
    rows(report).iter().filter(here)
}

/// A sum over the rows of a function's sites.
fn sum(trace: &Path, site: &str, what: &str) -> u64 {
    let report = json("report", trace, &["--acquisitions", "--by", "site"]);
    at(&report, site).map(|row| number(row, what)).sum()
}

/// What the module says of its threads' waits or holds: how many of those in a role acquired, and the time of that.
fn told(answer: &Path, role: &str, what: &str) -> (u64, u64) {
    let answer: Value = serde_json::from_slice(&fs::read(answer).unwrap()).unwrap();
    let threads = answer["threads"].as_array().unwrap().iter().filter(|thread| thread["role"] == role);
    let takes: Vec<&Value> = threads.flat_map(|thread| thread["takes"].as_array().unwrap()).collect();
    let of = |name: &str| takes.iter().map(|take| take[what][name].as_u64().unwrap()).sum();
    (of("count"), of("sum_ns"))
}

/// The address of a lock, from the module's list.
fn address(list: &Value, lock: &str) -> u64 {
    let found = list["locks"].as_array().unwrap().iter().find(|entry| entry["lock"] == lock).unwrap();
    u64::from_str_radix(found["address"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

fn requests(kernel: &str) {
    if !can_drive(kernel) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        r#"export LIMA LIMA_OUT
        record() {{ name=$1; shift; $LIMA record -o "$LIMA_OUT/$name.lima" "$@"; }}
        all() {{ name=$1; shift; record $name --level acquisitions "$@"; }}
        cat >/tmp/tell <<'END'
set -e
i=0
for command; do
    i=$((i + 1)); echo "$command" >{FILES}/run; [ -z "$KEEP" ] || cat {FILES}/result >"$LIMA_OUT/$KEEP.$i.json"
done
END
        cat >/tmp/sockets.pl <<'END'
use Socket;
socket(S, PF_INET, SOCK_STREAM, 0) or die;
for (1..100) {{ getsockname(S) or die }}
END
        cat >/tmp/both.pl <<'END'
use Socket;
socket(S, PF_INET, SOCK_STREAM, 0) or die;
my ($end, $calls) = (time + 6, 0);
my $other = open(my $told, "-|") // die;
while (time < $end) {{ getsockname(S) or die; $calls++ }}
if (!$other) {{ print $calls; exit }}
print $calls + <$told>, "\n";
END
        $LIMA lab module run list >"$LIMA_OUT/list.json"
        lock=$(tr '{{' '\n' <"$LIMA_OUT/list.json" | sed -n 's/.*"box.rwsem".*"address": *"\(0x[0-9a-f]*\)".*/\1/p')
        all socket --type socket_lock -- perl /tmp/sockets.pl
        all both --type socket_lock -- perl /tmp/both.pl >"$LIMA_OUT/both"
        all rcu --type rcu -- perl -e 'getpgrp(1) for 1..500'
        all cpus --lock lima_cpus+0x8 -- sh /tmp/tell 'take lock=cpu[0].spinlock by=spin_lock count=20' \
            'take lock=cpu[1].spinlock by=spin_lock count=30' 'take lock=box.spinlock by=spin_lock count=40'
        all rwsem --type rwsem --lock $lock --stats all -- sh /tmp/tell 'take lock=box.rwsem by=down_read count=10' \
            'take lock=box.rwsem by=down_write count=10' 'take lock=box.rwsem by=down_read count=5'
        all sample --sample 1/4 --type mutex,spinlock -- sh /tmp/tell 'take lock=box.spinlock by=spin_lock count=4000' \
            'take lock=box.mutex by=mutex_lock count=4000'
        record waits --lock lima_global_mutex -- sh /tmp/tell \
            'block lock=global.mutex by=mutex_lock threads=2 hold_us=20000 delay_us=1000 count=4' \
            'block lock=box.mutex by=mutex_lock threads=2 hold_us=20000 delay_us=1000 count=4'
        export KEEP=bits
        all bits --type bit_lock -- sh /tmp/tell \
            'block lock=box.sleep_bits by=wait_on_bit_lock threads=2 hold_us=20000 delay_us=1000 count=5'
        export KEEP=page
        all page --type bit_lock -- sh /tmp/tell \
            'block lock=page by=folio_lock threads=2 hold_us=20000 delay_us=1000 then_hold_us=3000 count=5'
        export KEEP=spin
        all spin --type rwsem --lock $lock -- sh /tmp/tell \
            'take lock=box.rwsem by=down_write threads=2 hold=busy hold_us=2000 count=50'"#
    );
    let output = drive(kernel, folder.path(), &[], &script);
    assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
    let trace = |name: &str| folder.path().join(format!("{name}.lima"));

    let counts = |name: &str, site: &str| {
        let trace = trace(name);
        (sum(&trace, site, "acquisitions"), sum(&trace, site, "holds"))
    };
    assert_eq!(counts("socket", "inet_getname"), (100, 100), "one for each getsockname");
    // Two processes ask of one socket on two CPUs: now and then one of them owns it when the other comes.
    let calls: u64 = fs::read_to_string(folder.path().join("both")).unwrap().trim().parse().unwrap();
    assert_eq!(counts("both", "inet_getname"), (calls, calls));
    let both = trace("both");
    let [waits, wait_ns] = ["waits", "wait_ns_total"].map(|what| sum(&both, "inet_getname", what));
    println!("waits for a socket: {waits} of {calls}, {wait_ns} ns; {}", manifest(&both)["losses"]);
    assert!(waits > 0 && wait_ns > 0 && wait_ns < 12_000_000_000, "{waits} waits of {wait_ns} ns");
    assert_eq!(counts("rcu", "do_getpgid"), (500, 500), "one for each getpgrp");
    assert_eq!(counts("rcu", "__bpf_prog_enter_recur").0, 0, "what is done for programs is no work of the machine's");
    assert_eq!(counts("cpus", "lima_site_cpu_spin_lock"), (50, 50));
    assert_eq!(column(&trace("cpus"), "acquisitions", "acquisitions").iter().sum::<u64>(), 50, "and no other lock");

    let list: Value = serde_json::from_slice(&fs::read(folder.path().join("list.json")).unwrap()).unwrap();
    let offsets = manifest(&trace("cpus"))["kernel"]["per_cpu"].clone();
    let inside = |cpu: usize| address(&list, &format!("cpu[{cpu}].spinlock")) - offsets[cpu].as_u64().unwrap();
    assert_eq!(inside(0), inside(1), "the same place in the memory of each CPU");

    let rwsem = trace("rwsem");
    let changes: u64 = column(&rwsem, "acquisitions", "mode_changes").iter().sum();
    assert_eq!(changes, 2, "from reading to writing and back");
    let known = table(&rwsem, "acquisitions");
    assert!(known.texts("slab_cache").iter().all(|cache| cache == "lima_box"), "{:?}", known.texts("slab_cache"));
    // A box begins with a number of eight bytes, then comes the mutex.
    let offset = address(&list, "box.rwsem") - address(&list, "box.mutex") + 8;
    assert!(known.numbers("slab_offset").iter().all(|&found| found == offset), "{:?}", known.numbers("slab_offset"));

    for site in ["lima_site_spin_lock", "lima_site_mutex_lock"] {
        let (estimate, _) = counts("sample", site);
        // Six times the root of 4000 * 3.
        assert!(estimate.abs_diff(4000) < 658 && estimate % 4 == 0, "{site}: {estimate} of 4000");
    }

    let waits = table(&trace("waits"), "totals");
    assert_eq!(waits.numbers("waits").iter().sum::<u64>(), 8, "of four rounds with two waiters, and of no other lock");
    let locks = waits.numbers("lock");
    assert!(locks.iter().all(|&lock| lock == address(&list, "global.mutex")), "{locks:x?}");

    let near = |found: u64, expected: u64| found.abs_diff(expected) <= expected / 10;
    let bits = trace("bits");
    let (count, expected) = told(&folder.path().join("bits.1.json"), "waiter", "wait");
    let site = "lima_site_wait_on_bit_lock";
    // A waiter that came late found the bit free, and took it where nobody sees it.
    let seen = sum(&bits, site, "acquisitions");
    assert!(seen <= count && seen * 2 >= count, "{seen} of {count} waiters");
    assert_eq!(sum(&bits, site, "waits"), seen, "who is seen had to wait");
    let found = sum(&bits, site, "wait_ns_total");
    assert!(near(found, expected), "waits for bits: {found} ns, the module says {expected}");

    // A page says more: who had to wait for it lets it go by a function.
    let page = trace("page");
    let answer = folder.path().join("page.1.json");
    let (count, expected) = told(&answer, "waiter", "wait");
    let site = "lima_site_folio_lock";
    let [seen, waits, holds] = ["acquisitions", "waits", "holds"].map(|what| sum(&page, site, what));
    assert!(seen <= count && seen * 2 >= count, "{seen} of {count} waiters for a page");
    assert_eq!((waits, holds), (seen, seen), "who is seen had to wait, and is seen to let go");
    let found = sum(&page, site, "wait_ns_total");
    assert!(near(found, expected), "waits for a page: {found} ns, the module says {expected}");
    let (count, expected) = told(&answer, "waiter", "hold");
    let found = sum(&page, site, "hold_ns_total");
    assert!(near(found * count, expected * holds), "{holds} holds of a page: {found} ns, {count} in all: {expected}");
    let locks = table(&page, "acquisitions").numbers("lock");
    assert!(locks.iter().any(|&lock| lock == address(&list, "page")), "{locks:x?}");

    // Nearly all of these waits is spinning: the holder never sleeps.
    let (_, expected) = told(&folder.path().join("spin.1.json"), "taker", "wait");
    let found = sum(&trace("spin"), "lima_site_down_write", "wait_ns_total");
    println!("writers: {found} ns, the module says {expected}; losses {}", manifest(&trace("spin"))["losses"]);
    assert!(near(found, expected), "waits of writers: {found} ns, the module says {expected}");

    // The longest hold: its thread is one of the module's, and it ended within the recording.
    let spin = table(&trace("spin"), "acquisitions");
    let answer: Value = serde_json::from_slice(&fs::read(folder.path().join("spin.1.json")).unwrap()).unwrap();
    let threads: Vec<u64> =
        answer["threads"].as_array().unwrap().iter().map(|thread| thread["tid"].as_u64().unwrap()).collect();
    for column in ["hold_max_tid", "wait_max_tid"] {
        let found = spin.numbers(column);
        assert!(!found.is_empty() && found.iter().all(|tid| threads.contains(tid)), "{column}: {found:?}, {threads:?}");
    }
    let duration = manifest(&trace("spin"))["clock"]["duration_ns"].as_u64().unwrap();
    let ends = spin.numbers("hold_max_end_ns");
    assert!(ends.iter().all(|&end| end > 0 && end <= duration), "{ends:?} of {duration}");
}

#[test]
fn what_is_asked_for_besides_is_counted_on_6_1() {
    requests("6.1");
}

#[test]
fn what_is_asked_for_besides_is_counted_on_6_12() {
    requests("6.12");
}
