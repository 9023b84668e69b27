//! Questions to made-up traces.

use lima_analyze::synthetic::{Event, Synthetic, Total};
use lima_analyze::{By, Filter, Interference, Query, Report, Rows, Value, Who};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use std::collections::BTreeMap;
use std::fmt::Write;

fn ask(by: By, filters: &[&str]) -> Report {
    let filters = filters.iter().map(|filter| filter.parse::<Filter>().unwrap()).collect();
    Synthetic::sample().analysis().unwrap().report(&Query { by, filters, ..Query::default() }).unwrap()
}

/// Some columns as text, a row a line.
fn lines(rows: &Rows, columns: &[&str]) -> String {
    let mut out = String::new();
    for row in &rows.rows {
        let cell = |name: &&str| match &row[rows.position(name).unwrap_or_else(|| panic!("no column {name}"))] {
            Value::Missing => "-".to_owned(),
            Value::Text(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Texts(frames) => frames.join(";"),
            other => panic!("no report has {other:?}"),
        };
        let _ = writeln!(out, "{}", columns.iter().map(cell).collect::<Vec<_>>().join(" | "));
    }
    out
}

#[test]
fn objects_are_named_by_the_best_evidence() {
    let report = ask(By::Object, &[]);
    insta::assert_snapshot!(lines(&report.rows, &[
        "object", "method", "lock_type", "mode", "locks", "waits", "wait_ns_total", "wait_ns_min", "wait_ns_max",
        "wait_ns_avg", "wait_ns_p50", "held_ns_total", "free_ns_total", "unknown_ns_total",
    ]), @r#"
    inode_cache+0x98 | slab | mutex | exclusive | 1 | 3 | 101000000 | 1000000 | 80000000 | 33666666 | 20971519 | 91000000 | 8000000 | 2000000
    tasklist_lock | symbol | rwsem | read | 1 | 1 | 3000000 | 3000000 | 3000000 | 3000000 | 3000000 | 3000000 | 0 | 0
    futex_wake() | caller | spinlock | exclusive | 1 | 1000 | 1500000 | 1500 | 1500 | 1500 | 1500 | 0 | 0 | 1500000
    "#);
}

#[test]
fn what_a_trace_was_resolved_to_comes_first() {
    let analysis = Synthetic::sample().resolved().analysis().unwrap();
    let report = |by| analysis.report(&Query { by, ..Query::default() }).unwrap().rows;
    insta::assert_snapshot!(lines(&report(By::Object), &["object", "method", "waits"]), @r#"
    super_block.s_vfs_rename_mutex | site | 3
    tasklist_lock | symbol | 1
    conflict | conflict | 1000
    "#);
    insta::assert_snapshot!(lines(&report(By::Site), &["site", "object"]), @r#"
    do_renameat2+0x1a fs/namei.c:2980 | super_block.s_vfs_rename_mutex
    [only lock functions] | tasklist_lock
    futex_wake+0x44 kernel/futex/waitwake.c:160 | conflict
    "#);
    insta::assert_snapshot!(lines(&report(By::Stack), &["stack"]), @r#"
    __mutex_lock.constprop.0+0x10;lock_rename (inlined) fs/namei.c:2980;do_renameat2+0x1a fs/namei.c:4910;do_syscall_64+0x71
    rwsem_down_read_slowpath+0x50
    _raw_spin_lock+0x30;spin_lock (inlined) include/linux/spinlock.h:351;futex_wake+0x44 kernel/futex/waitwake.c:160;do_syscall_64+0x71
    "#);
    let frames = |(frames, _): &(Vec<String>, u64)| frames.join(";");
    insta::assert_snapshot!(analysis.flame(&[]).unwrap().iter().map(frames).collect::<Vec<_>>().join("\n"), @r#"
    do_syscall_64;do_renameat2;lock_rename;__mutex_lock.constprop.0;[mutex]
    do_syscall_64;futex_wake;spin_lock;_raw_spin_lock;[spinlock]
    rwsem_down_read_slowpath;[rwsem]
    "#);
}

#[test]
fn every_report_has_all_waits() {
    for &by in By::ALL {
        let report = ask(by, &[]);
        assert_eq!(report.cut, lima_analyze::Sums::default(), "{by:?}");
        if ![By::Task, By::Event].contains(&by) {
            assert_eq!((report.whole.waits, report.whole.wait_ns_total), (1_004, 105_500_000), "{by:?}");
        }
    }
}

#[test]
fn sites_and_stacks_lie_outside_the_primitives() {
    insta::assert_snapshot!(lines(&ask(By::Site, &[]).rows, &["site", "object", "lock_type", "waits"]), @r#"
    do_renameat2+0x1a | inode_cache+0x98 | mutex | 3
    [only lock functions] | tasklist_lock | rwsem | 1
    futex_wake+0x44 | futex_wake() | spinlock | 1000
    "#);
    insta::assert_snapshot!(lines(&ask(By::Stack, &[]).rows, &["stack", "lock_type", "wait_ns_total"]), @r#"
    __mutex_lock.constprop.0+0x10;do_renameat2+0x1a;do_syscall_64+0x71 | mutex | 101000000
    rwsem_down_read_slowpath+0x50 | rwsem | 3000000
    _raw_spin_lock+0x30;futex_wake+0x44;do_syscall_64+0x71 | spinlock | 1500000
    "#);
}

#[test]
fn times_come_in_their_order_and_locks_by_their_time() {
    insta::assert_snapshot!(lines(&ask(By::Time, &[]).rows, &["time_ns", "waits", "wait_ns_total"]), @r#"
    0 | 1003 | 104500000
    1000000000 | 1 | 1000000
    "#);
    insta::assert_snapshot!(lines(&ask(By::Lock, &[]).rows, &["lock", "object", "objects", "waits"]), @r#"
    18446612682070036632 | inode_cache+0x98 | 1 | 3
    18446744071595622400 | tasklist_lock | 1 | 1
    18446612682070040576 | futex_wake() | 1 | 1000
    "#);
}

#[test]
fn tasks_and_tenants() {
    insta::assert_snapshot!(lines(&ask(By::Task, &[]).rows, &["tid", "comm", "tenant", "waits", "wait_ns_avg"]), @r#"
    100 | fio | b | 2 | 50000000
    200 | dd | a | 1000 | 1500
    "#);
    insta::assert_snapshot!(lines(&ask(By::Tenant, &[]).rows, &["waiter_tenant", "waits", "wait_ns_total"]), @r#"
    b | 3 | 103000000
    a | 1001 | 2500000
    "#);
}

#[test]
fn single_waits_come_with_their_holders() {
    let found = ask(By::Event, &[]);
    insta::assert_snapshot!(lines(&found.rows, &[
        "begin_ns", "wait_ns", "held_ns", "other_held_ns", "free_ns", "unknown_ns", "errno", "object", "method", "site",
        "comm", "tid", "waiter_tenant", "holder_comm", "holder_tid", "holder_tenant", "holder_method",
    ]), @r#"
    120000000 | 80000000 | 70000000 | 2000000 | 6000000 | 2000000 | - | inode_cache+0x98 | slab | do_renameat2+0x1a | fio | 101 | b | dd | 201 | a | owner_word+waker
    300000000 | 20000000 | 20000000 | 0 | 0 | 0 | 4 | inode_cache+0x98 | slab | do_renameat2+0x1a | fio | 101 | b | dd | 201 | a | owner_word
    400000000 | 3000000 | 0 | 0 | 0 | 3000000 | 4 | tasklist_lock | symbol | [only lock functions] | fio | 101 | b | - | - | unknown | unknown
    "#);
    insta::assert_snapshot!(lines(&found.rows, &["stack", "holder_stack", "release_stack"]), @r#"
    __mutex_lock.constprop.0+0x10;do_renameat2+0x1a;do_syscall_64+0x71 | io_schedule+0x60;ext4_find_entry+0x70;do_syscall_64+0x71 | mutex_unlock+0x80;do_renameat2+0x3a;do_syscall_64+0x71
    __mutex_lock.constprop.0+0x10;do_renameat2+0x1a;do_syscall_64+0x71 | - | -
    rwsem_down_read_slowpath+0x50 | - | -
    "#);
    assert!(found.rows.position("user_stack").is_none());
    assert_eq!((found.whole.rows, found.whole.wait_ns_total), (3, 103_000_000));
}

#[test]
fn single_waits_can_be_narrowed_sorted_and_cut() {
    let waits = |filters: &[&str]| ask(By::Event, filters).whole.waits;
    assert_eq!(waits(&["object=inode_cache*"]), 2);
    assert_eq!(waits(&["comm=fio", "tid=101", "cpu=1"]), 3);
    assert_eq!(waits(&["holder_comm=dd"]), 2);
    assert_eq!(waits(&["holder_comm!=dd"]), 1);
    assert_eq!(waits(&["holder=a", "type!=rwsem", "holder_pid=200"]), 2);
    let analysis = Synthetic::sample().analysis().unwrap();
    let first = |sort: Option<&str>| {
        let query = Query { by: By::Event, sort: sort.map(str::to_owned), top: Some(1), ..Query::default() };
        let report = analysis.report(&query).unwrap();
        assert_eq!((report.rows.rows.len(), report.cut.rows), (1, 2));
        (report.rows.number(0, "begin_ns"), report.cut.wait_ns_total)
    };
    assert_eq!(first(None), (120_000_000, 23_000_000));
    assert_eq!(first(Some("begin_ns")), (120_000_000, 23_000_000));
    assert_eq!(first(Some("unknown_ns")).0, 400_000_000);
}

#[test]
fn what_a_holder_waited_for_itself() {
    let mut trace = Synthetic::sample();
    let model = trace.events[0].clone();
    let wait = |tid: u32, lock: u64, begin_ns: u64, ns: u64, holder: Option<u32>| Event {
        begin_ns,
        parts: [ns, 0, 0, 0],
        lock,
        waiter: (format!("t{tid}"), tid, tid, 3),
        holder: holder.map(|tid| (format!("t{tid}"), tid, tid)),
        ..model.clone()
    };
    // A (1) holds lock 0x100; B (2) holds 0x200 and waits for 0x100; C (3) waits for 0x200. Before that, and for the same lock, B
    // has waited, too, which is no link.
    trace.events = vec![
        wait(2, 0x100, 0, 50, Some(9)),
        wait(2, 0x200, 110, 40, Some(8)),
        wait(2, 0x100, 200, 1_000, Some(1)),
        wait(3, 0x200, 100, 1_200, Some(2)),
    ];
    let query = Query { by: By::Event, filters: vec!["tid=3".parse().unwrap()], ..Query::default() };
    let found = trace.analysis().unwrap().report(&query).unwrap();
    let columns = [
        "tid",
        "holder_tid",
        "holder_wait_ns",
        "holder_wait_lock",
        "holder_wait_holder_tid",
        "holder_wait_holder_comm",
    ];
    assert_eq!(lines(&found.rows, &columns), "3 | 2 | 1000 | 256 | 1 | t1\n");
    let query = Query { by: By::Event, filters: vec!["tid=2".parse().unwrap()], ..Query::default() };
    let found = trace.analysis().unwrap().report(&query).unwrap();
    assert_eq!(lines(&found.rows, &["holder_wait_ns"]), "-\n-\n-\n", "the holders of these waited for nothing");
}

#[test]
fn filters_narrow() {
    let waits = |filters: &[&str]| ask(By::Type, filters).whole.waits;
    assert_eq!(waits(&["type=mutex"]), 3);
    assert_eq!(waits(&["type!=mutex"]), 1_001);
    assert_eq!(waits(&["type=mutex", "type=rwsem"]), 4);
    assert_eq!(waits(&["type=mutex", "tenant=a"]), 1);
    assert_eq!(waits(&["object=inode_cache+*"]), 3);
    assert_eq!(waits(&["object=inode%"]), 0);
    assert_eq!(waits(&["holder=b"]), 2);
    assert_eq!(waits(&["lock=0xffffffff82000000"]), 1);
    assert_eq!(waits(&["lock=0xffff8880*"]), 1_003);
    assert_eq!(waits(&["function=do_syscall_*"]), 1_003);
    assert_eq!(waits(&["function!=do_syscall_*"]), 1);
    assert_eq!(waits(&["function=nothing"]), 0);
    assert_eq!(waits(&["site=futex_wake+0x44", "method=caller"]), 1_000);
    assert_eq!(waits(&["tenant=it's'; --"]), 0);
    assert_eq!(ask(By::Task, &["comm=f*", "pid=100"]).whole.waits, 2);
}

#[test]
fn tenants_may_be_spelled_without_their_slash() {
    let tenants = vec![(3, "/red".into()), (4, "/green".into()), (5, "green".into())];
    let analysis = Synthetic { tenants, ..Synthetic::sample() }.analysis().unwrap();
    let waits = |by, filter: &str| {
        analysis.report(&Query { by, filters: vec![filter.parse().unwrap()], ..Query::default() }).unwrap().whole.waits
    };
    for red in ["tenant=red", "tenant=/red", "tenant=red/", "tenant=re*", "tenant=/re*", "tenant!=/green"] {
        assert_eq!(waits(By::Object, red), 1_001, "{red}");
    }
    assert_eq!(waits(By::Task, "tenant=red"), 1_000);
    assert_eq!(waits(By::Object, "holder=red"), 2);
    // What is somebody's name means no other.
    assert_eq!([waits(By::Object, "tenant=green"), waits(By::Object, "tenant=/green")], [0, 3]);
    let ask =
        |tenant: &str| analysis.interference(&Who { tenant: Some(tenant.into()), ..Who::default() }).unwrap().rows;
    assert_eq!(ask("red"), ask("/red"));
    assert_eq!(ask("red").rows.len(), 3);
}

#[test]
fn what_is_cut_is_counted() {
    let analysis = Synthetic::sample().analysis().unwrap();
    let report = analysis.report(&Query { top: Some(1), ..Query::default() }).unwrap();
    assert_eq!(report.rows.rows.len(), 1);
    assert_eq!((report.cut.rows, report.cut.waits, report.cut.wait_ns_total), (2, 1_001, 4_500_000));
}

#[test]
fn sorting_by_a_column_that_is_not_there_says_which_are() {
    let analysis = Synthetic::sample().analysis().unwrap();
    let by = |sort: &str| analysis.report(&Query { sort: Some(sort.into()), ..Query::default() });
    assert_eq!(by("waits").unwrap().rows.text(0, "object"), "futex_wake()");
    assert_eq!(by("object").unwrap().rows.text(0, "object"), "futex_wake()");
    assert_eq!(by("wait_ns_p99").unwrap().rows.text(0, "object"), "inode_cache+0x98");
    insta::assert_snapshot!(by("wiats").unwrap_err().to_string(), @r#"cannot sort by `wiats`: the columns of `--by object` are object, method, lock_type, mode, locks, shared_locks, waits, failed_waits, wait_ns_total, wait_ns_min, wait_ns_max, wait_ns_avg, wait_ns_p50, wait_ns_p90, wait_ns_p99, wait_ns_p999, spin_ns_total, sleep_ns_total, held_ns_total, free_ns_total, unknown_ns_total"#);
}

#[test]
fn an_empty_trace_has_no_rows() {
    let analysis = Synthetic::default().analysis().unwrap();
    for &by in By::ALL {
        assert_eq!(analysis.report(&Query { by, ..Query::default() }).unwrap().whole, lima_analyze::Sums::default());
    }
    assert!(analysis.interference(&Who::default()).unwrap().rows.rows.is_empty());
    assert!(analysis.flame(&[]).unwrap().is_empty());
}

#[test]
fn a_share_of_a_second_holder_has_no_shortest_wait() {
    let mut share = Total::mutex(4, 5, &[]);
    share.parts[0] = 1_000;
    let mut main = Total::mutex(4, 3, &[5_000, 6_000]);
    main.parts[0] = 10_000;
    let trace = Synthetic { totals: vec![main, share], ..Synthetic::sample() };
    let report = trace.analysis().unwrap().report(&Query::default()).unwrap();
    assert_eq!(report.rows.number(0, "wait_ns_min"), 5_000);
    let found = trace.analysis().unwrap().interference(&Who::default()).unwrap();
    insta::assert_snapshot!(lines(&found.rows, &["waiter_tenant", "holder_tenant", "waits", "wait_ns_total"]), @r#"
    b | a | 2 | 10000
    b | tenant #5 | 0 | 1000
    "#);
    assert_eq!(found.excess_ns, 0);
}

#[test]
fn interference_is_split_by_who_held_the_lock() {
    let found = Synthetic::sample().analysis().unwrap().interference(&Who::default()).unwrap();
    insta::assert_snapshot!(lines(&found.rows, &[
        "object", "lock_type", "waiter_tenant", "holder_tenant", "waits", "wait_ns_total", "holder_method", "method",
    ]), @r#"
    inode_cache+0x98 | mutex | b | a | 2 | 90000000 | owner_word | slab
    inode_cache+0x98 | mutex | b | none | 0 | 8000000 | - | slab
    inode_cache+0x98 | mutex | b | unknown | 0 | 2000000 | - | slab
    inode_cache+0x98 | mutex | a | b | 1 | 1000000 | owner_word | slab
    tasklist_lock | rwsem | b | b | 1 | 3000000 | last_reader | symbol
    futex_wake() | spinlock | a | unknown | 1000 | 1500000 | unknown | caller
    "#);
    insta::assert_snapshot!(lines(&found.all, &["waiter_tenant", "holder_tenant", "waits", "wait_ns_total"]), @r#"
    b | a | 2 | 90000000
    b | none | 0 | 8000000
    b | b | 1 | 3000000
    b | unknown | 0 | 2000000
    a | unknown | 1000 | 1500000
    a | b | 1 | 1000000
    "#);
}

#[test]
fn interference_can_be_asked_of_one_object_or_tenant() {
    let analysis = Synthetic::sample().analysis().unwrap();
    let ask = |object: Option<&str>, tenant: Option<&str>, top| {
        let who = Who { object: object.map(str::to_owned), tenant: tenant.map(str::to_owned), top, ..Who::default() };
        analysis.interference(&who).unwrap()
    };
    assert_eq!(ask(Some("task*"), None, None).rows.rows.len(), 1);
    assert_eq!(ask(None, Some("a"), None).rows.rows.len(), 3);
    let first = ask(None, None, Some(1));
    assert_eq!((first.whole.rows, first.cut.rows, first.cut.wait_ns_total), (3, 2, 4_500_000));
}

#[test]
fn stacks_are_weighed_from_the_outermost_frame() {
    let mut trace = Synthetic::sample();
    trace.totals[0].user_stack_id = 9;
    trace.totals[1].stack_id = 0;
    trace.stacks.push((9, Some(7), vec![0x77, 0x88]));
    trace.frames.push((7, 0x77, Some("rename".into()), 3, Some("/lib/libc.so.6".into())));
    trace.frames.push((7, 0x88, None, 0x123, Some("/usr/bin/mv".into())));
    let flame = trace.analysis().unwrap().flame(&[]).unwrap();
    let text: String = flame.iter().map(|(frames, weight)| format!("{} {weight}\n", frames.join(";"))).collect();
    insta::assert_snapshot!(text, @r#"
    [stack missing];[mutex] 1000000
    do_syscall_64;futex_wake;_raw_spin_lock;[spinlock] 1500000
    mv+0x123;rename [libc.so.6];do_syscall_64;do_renameat2;__mutex_lock.constprop.0;[mutex] 100000000
    rwsem_down_read_slowpath;[rwsem] 3000000
    "#);
}

fn per_object_and_waiter(found: &Interference) -> BTreeMap<(String, String, String), (u64, u64)> {
    let mut sums: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for row in 0..found.rows.rows.len() {
        let text = |column| found.rows.text(row, column).to_owned();
        let sum = sums.entry((text("object"), text("lock_type"), text("waiter_tenant"))).or_default();
        sum.0 += found.rows.number(row, "waits");
        sum.1 += found.rows.number(row, "wait_ns_total");
    }
    sums
}

/// Waits of any tenant for one of a few objects, cut at random into held, free, unknown, and a share of a second
/// holder; sometimes a part is lost.
fn any_totals() -> impl Strategy<Value = Vec<Total>> {
    let holder = prop_oneof![Just(0u32), Just(1), Just(2), 3u32..6];
    let row = (3u32..6, holder, 3u32..6, 0u32..3, proptest::collection::vec(1u64..1_000_000, 1..5), any::<[u8; 4]>());
    proptest::collection::vec(row, 0..30).prop_map(|rows| {
        let mut totals = Vec::new();
        for (waiter, holder, second, offset, waits, cuts) in rows {
            let mut rest: u64 = waits.iter().sum();
            let [held, free, unknown, share] = cuts.map(|cut| {
                let part = rest * u64::from(cut) / 255;
                rest -= part;
                part
            });
            let slab = Some(("cache".to_owned(), offset));
            let main =
                Total { parts: [held, free, unknown], slab: slab.clone(), ..Total::mutex(waiter, holder, &waits) };
            totals.push(main);
            if share > 0 {
                totals.push(Total { parts: [share, 0, 0], slab, ..Total::mutex(waiter, second, &[]) });
            }
        }
        totals
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn interference_adds_up_to_the_waits(totals in any_totals()) {
        let trace = Synthetic { totals, tenants: vec![(3, "x".into()), (4, "x".into())], ..Synthetic::default() };
        let name = |tenant| match tenant { 3 => "x#3".to_owned(), 4 => "x#4".to_owned(), n => format!("tenant #{n}") };
        let mut expected: BTreeMap<_, (u64, u64)> = BTreeMap::new();
        for total in trace.totals.iter().filter(|total| !total.waits.is_empty()) {
            let object = format!("cache+{:#x}", total.slab.as_ref().unwrap().1);
            let sum = expected.entry((object, "mutex".to_owned(), name(total.waiter))).or_default();
            sum.0 += total.waits.len() as u64;
            sum.1 += total.waits.iter().sum::<u64>();
        }
        let found = trace.analysis().unwrap().interference(&Who::default()).unwrap();
        prop_assert_eq!(per_object_and_waiter(&found), expected);
        prop_assert_eq!(found.excess_ns, 0);
    }
}

#[test]
fn acquisitions_are_summed_up_and_a_lock_ends_with_its_life() {
    let analysis = Synthetic::sample().with_acquisitions().analysis().unwrap();
    let ask = |by| analysis.report(&Query { by, acquisitions: true, ..Query::default() }).unwrap();
    let columns = ["object", "lock_type", "locks", "acquisitions", "failed", "holds", "hold_ns_total", "hold_ns_max"];
    insta::assert_snapshot!(lines(&ask(By::Object).rows, &columns), @r#"
    futex_wake() | spinlock | 2 | 1007 | 0 | 1007 | 400000 | 1000
    do_renameat2() | mutex | 1 | 50 | 2 | 49 | 95000000 | 70000000
    "#);
    let columns = ["hold_ns_min", "hold_ns_p50", "hold_ns_p90", "hold_ns_p99", "hold_ns_p999", "hold_ns_max"];
    // Of 49 holds 38 are of 8192 to 16383 ns, the 25th in the middle of them; the 49th alone is of 67 to 134 ms.
    insta::assert_snapshot!(lines(&ask(By::Object).rows, &columns), @r#"
    100 | 754 | 951 | 995 | 1000 | 1000
    10000 | 14199 | 116508 | 70000000 | 70000000 | 70000000
    "#);
    let columns =
        ["hold_max_tid", "hold_max_site", "hold_max_end_ns", "wait_max_tid", "wait_max_site", "wait_max_end_ns"];
    insta::assert_snapshot!(lines(&ask(By::Object).rows, &columns), @r#"
    101 | futex_wake+0x44 | 20000 | - | - | -
    101 | do_renameat2+0x1a | 1500000000 | 202 | do_renameat2+0x1a | 800000000
    "#);
    insta::assert_snapshot!(lines(&ask(By::Type).rows, &["wait_ns_p50", "wait_ns_p99", "wait_ns_max"]), @r#"
    - | - | 0
    46777216 | 60000000 | 60000000
    "#);
    insta::assert_snapshot!(lines(&ask(By::Lock).rows, &["lock", "life", "acquisitions", "waits", "wait_ns_total"]), @r#"
    18446612682070040576 | 0 | 1000 | 0 | 0
    18446612682070036632 | 0 | 50 | 3 | 101000000
    18446612682070040576 | 1 | 7 | 0 | 0
    "#);
    insta::assert_snapshot!(lines(&ask(By::Tenant).rows, &["tenant", "locks", "acquisitions"]), @r#"
    a | 3 | 1047
    b | 1 | 10
    "#);
    assert_eq!(lines(&ask(By::Stack).rows, &["acquisitions"]), "1007\n50\n");
    let error = analysis.report(&Query { by: By::Task, acquisitions: true, ..Query::default() }).unwrap_err();
    assert!(error.to_string().contains("not known by task"), "{error}");
}

fn by_instance(trace: &Synthetic, acquisitions: bool) -> String {
    let query = Query { by: By::Instance, acquisitions, ..Query::default() };
    let report = trace.analysis().unwrap().report(&query).unwrap();
    let count = if acquisitions { "acquisitions" } else { "waits" };
    lines(&report.rows, &["instance", "object", "lock_type", "sharing", "tenants", count])
}

#[test]
fn instances_say_who_shares_them() {
    let trace = Synthetic::sample();
    insta::assert_snapshot!(by_instance(&trace, false), @r#"
    inode 12 of ext4 8:1 | inode_cache+0x98 | mutex | shared | a;b | 3
    0xffffffff82000000 | tasklist_lock | rwsem | seen | b | 1
    0xffff888000002000 | futex_wake() | spinlock | seen | a | 1000
    "#);
    let trace = trace.with_acquisitions();
    insta::assert_snapshot!(by_instance(&trace, false), @r#"
    inode 12 of ext4 8:1 | inode_cache+0x98 | mutex | shared | a;b | 3
    0xffffffff82000000 | tasklist_lock | rwsem | seen | b | 1
    0xffff888000002000 | futex_wake() | spinlock | seen | a | 1000
    "#);
    insta::assert_snapshot!(by_instance(&trace, true), @r#"
    0xffff888000002000 | futex_wake() | spinlock | private | a | 1000
    inode 12 of ext4 8:1 | do_renameat2() | mutex | shared | a;b | 50
    0xffff888000002000 | futex_wake() | spinlock | private | a | 7
    "#);
}

#[test]
fn a_lock_that_somebody_unknown_acquired_is_not_private() {
    let mut trace = Synthetic::sample().with_acquisitions();
    let mut unknown =
        trace.acquired.iter().find(|row| row.lock == 0xffff_8880_0000_2000 && row.life == 0).unwrap().clone();
    unknown.tenant = 0;
    trace.acquired.push(unknown);
    let said = by_instance(&trace, true);
    assert!(said.contains("0xffff888000002000 | futex_wake() | spinlock | seen | a | 2000"), "{said}");
    assert!(said.contains("0xffff888000002000 | futex_wake() | spinlock | private | a | 7"), "{said}");
}

#[test]
fn a_filter_makes_no_shared_lock_private() {
    let query = |by| Query { by, filters: vec!["tenant=a".parse().unwrap()], acquisitions: true, ..Query::default() };
    let analysis = Synthetic::sample().with_acquisitions().analysis().unwrap();
    let rows = analysis.report(&query(By::Instance)).unwrap().rows;
    insta::assert_snapshot!(lines(&rows, &["instance", "life", "sharing", "tenants", "acquisitions"]), @r#"
    0xffff888000002000 | 0 | private | a | 1000
    inode 12 of ext4 8:1 | 0 | shared | a;b | 40
    0xffff888000002000 | 1 | private | a | 7
    "#);
    let rows = analysis.report(&query(By::Object)).unwrap().rows;
    insta::assert_snapshot!(lines(&rows, &["object", "locks", "shared_locks"]), @r#"
    futex_wake() | 2 | 0
    do_renameat2() | 1 | 1
    "#);
}

#[test]
fn memory_that_is_used_again_is_another_object() {
    let mut trace = Synthetic::sample();
    // What was read at the end of the second time bucket holds from its start; nobody but `a` and `b` is there in both.
    trace.instances.push((1_000_000_000, 0xffff_8880_0000_1098, 0, "inode 13 of ext4 8:1".into(), None));
    trace.totals[0].holder = 4;
    trace.totals[1].holder = 3;
    insta::assert_snapshot!(by_instance(&trace, false), @r#"
    inode 12 of ext4 8:1 | inode_cache+0x98 | mutex | seen | b | 2
    0xffffffff82000000 | tasklist_lock | rwsem | seen | b | 1
    0xffff888000002000 | futex_wake() | spinlock | seen | a | 1000
    inode 13 of ext4 8:1 | inode_cache+0x98 | mutex | seen | a | 1
    "#);
}

#[test]
fn a_renamed_file_is_one_instance_with_its_last_path() {
    let mut trace = Synthetic::sample();
    trace.instances[0].4 = Some("data/old".into());
    let again = (1_000_000_000, 0xffff_8880_0000_1098, 0, "inode 12 of ext4 8:1".into(), Some("data/new".into()));
    trace.instances.push(again);
    let analysis = trace.analysis().unwrap();
    let paths = |filters: &[Filter]| {
        let query = Query { by: By::Instance, filters: filters.to_vec(), ..Query::default() };
        lines(&analysis.report(&query).unwrap().rows, &["instance", "path", "waits"])
    };
    insta::assert_snapshot!(paths(&[]), @r#"
    inode 12 of ext4 8:1 | data/new | 3
    0xffffffff82000000 | - | 1
    0xffff888000002000 | - | 1000
    "#);
    insta::assert_snapshot!(paths(&[Filter::new("path", "data/o*").unwrap()]), @"inode 12 of ext4 8:1 | data/old | 2");
}

#[test]
fn what_the_kernel_does_for_nobody_shares_nothing() {
    let mut trace = Synthetic::sample();
    trace.totals[0].holder = 2;
    trace.totals[1] = trace.totals[0].clone();
    trace.totals[2].waiter = 2;
    trace.totals[3].waiter = 0;
    trace.totals[3].holder = 0;
    insta::assert_snapshot!(by_instance(&trace, false), @r#"
    inode 12 of ext4 8:1 | inode_cache+0x98 | mutex | seen | b | 4
    0xffffffff82000000 | tasklist_lock | rwsem | unknown | - | 1
    0xffff888000002000 | futex_wake() | spinlock | kernel | - | 1000
    "#);
}

#[test]
fn potential_interference_is_acquisitions_of_locks_in_common() {
    let mut trace = Synthetic::sample().with_acquisitions();
    let mut own = trace.acquired[0].clone();
    own.lock += 0x1000;
    trace.acquired.push(own);
    let found = trace.analysis().unwrap().interference(&Who::default()).unwrap();
    let columns = ["object", "holder_tenant", "other_tenant", "locks", "object_locks", "acquisitions", "hold_ns_total"];
    insta::assert_snapshot!(lines(&found.potential, &columns), @r#"
    do_renameat2() | a | b | 1 | 2 | 40 | 90000000
    do_renameat2() | b | a | 1 | 2 | 10 | 5000000
    "#);
}

#[test]
fn a_phase_has_what_came_after_its_mark() {
    let mut trace = Synthetic::sample().with_acquisitions();
    let whole = trace.analysis().unwrap().report(&Query { by: By::Phase, ..Query::default() }).unwrap();
    assert_eq!((whole.rows.rows.len(), whole.rows.text(0, "phase")), (1, "start"));
    // Names are other people's words.
    trace.phases = vec![(0, "start".into()), (1_000_000_000, "it's warm".into())];
    let analysis = trace.analysis().unwrap();
    let report = analysis.report(&Query { by: By::Phase, ..Query::default() }).unwrap();
    let phases: Vec<_> = (0..report.rows.rows.len()).map(|row| report.rows.text(row, "phase").to_owned()).collect();
    assert_eq!(phases.len(), 2, "{phases:?}");
    assert_eq!(report.whole.wait_ns_total, whole.whole.wait_ns_total);
    let only = |filter: &str| {
        let filters = vec![filter.parse().unwrap()];
        analysis.report(&Query { filters, ..Query::default() }).unwrap().whole.waits
    };
    assert_eq!(only("phase=it's warm") + only("phase=start"), whole.whole.waits);
    assert!(only("phase=it's warm") > 0 && only("phase=start") > 0);
}

#[test]
fn a_sample_says_how_far_it_may_be_off() {
    let mut trace = Synthetic::sample().with_acquisitions();
    let error = |trace: &Synthetic| {
        let report = trace.analysis().unwrap().report(&Query { acquisitions: true, ..Query::default() }).unwrap();
        (report.rows.text(0, "lock_type").to_owned(), report.rows.number(0, "acquisitions_error"))
    };
    assert_eq!(error(&trace), ("spinlock".to_owned(), 0));
    trace.sample.insert("spinlock".to_owned(), 17);
    // Of 1007: the root of 1007 * 16.
    assert_eq!(error(&trace), ("spinlock".to_owned(), 127));
}
