//! What people see.

use lima_analyze::synthetic::{Synthetic, Total};
use lima_analyze::{By, Query, Who};
use lima_report::Format;

fn report(trace: &Synthetic, query: &Query, width: Option<usize>) -> String {
    let analysis = trace.analysis().unwrap();
    let report = analysis.report(query).unwrap();
    String::from_utf8(lima_report::report(analysis.about(), &report, Format::Table, width).unwrap()).unwrap()
}

fn by(by: By) -> Query {
    Query { by, ..Query::default() }
}

#[test]
fn by_object() {
    insta::assert_snapshot!(report(&Synthetic::sample(), &by(By::Object), None), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    1,004 waits, 106 ms waited in all; each second 502 waits and 52.8 ms

    object            type        waits    total  share      avg      p50      p99      max   held  nobody  unknown  shared  found by
    inode_cache+0x98  mutex           3   101 ms   96 %  33.7 ms  21.0 ms  80.0 ms  80.0 ms   90 %   7.9 %    2.0 %  1 of 1  slab
    tasklist_lock     rwsem read      1  3.00 ms  2.8 %  3.00 ms  3.00 ms  3.00 ms  3.00 ms  100 %     0 %      0 %  0 of 1  symbol
    futex_wake()      spinlock    1,000  1.50 ms  1.4 %  1.50 us  1.50 us  1.50 us  1.50 us    0 %     0 %    100 %  0 of 1  caller

    complete: nothing was lost
    "#);
}

#[test]
fn by_site() {
    insta::assert_snapshot!(report(&Synthetic::sample(), &by(By::Site), None), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    1,004 waits, 106 ms waited in all; each second 502 waits and 52.8 ms

    site                   type        object            waits    total  share      avg      p50      p99      max   held  nobody  unknown
    do_renameat2+0x1a      mutex       inode_cache+0x98      3   101 ms   96 %  33.7 ms  21.0 ms  80.0 ms  80.0 ms   90 %   7.9 %    2.0 %
    [only lock functions]  rwsem read  tasklist_lock         1  3.00 ms  2.8 %  3.00 ms  3.00 ms  3.00 ms  3.00 ms  100 %     0 %      0 %
    futex_wake+0x44        spinlock    futex_wake()      1,000  1.50 ms  1.4 %  1.50 us  1.50 us  1.50 us  1.50 us    0 %     0 %    100 %

    complete: nothing was lost
    "#);
}

#[test]
fn by_stack() {
    insta::assert_snapshot!(report(&Synthetic::sample(), &by(By::Stack), None), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    1,004 waits, 106 ms waited in all; each second 502 waits and 52.8 ms

    101 ms (96 %) in 3 waits, avg 33.7 ms, p99 80.0 ms, max 80.0 ms: mutex inode_cache+0x98
        __mutex_lock.constprop.0+0x10
        do_renameat2+0x1a
        do_syscall_64+0x71

    3.00 ms (2.8 %) in 1 wait, avg 3.00 ms, p99 3.00 ms, max 3.00 ms: rwsem read tasklist_lock
        rwsem_down_read_slowpath+0x50

    1.50 ms (1.4 %) in 1,000 waits, avg 1.50 us, p99 1.50 us, max 1.50 us: spinlock futex_wake()
        _raw_spin_lock+0x30
        futex_wake+0x44
        do_syscall_64+0x71

    complete: nothing was lost
    "#);
}

#[test]
fn by_task() {
    insta::assert_snapshot!(report(&Synthetic::sample(), &by(By::Task), None), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    1,002 waits, 102 ms waited in all; each second 501 waits and 50.8 ms

    task  tid  pid  tenant  waits    total  share      avg      max  spinning  asleep
    fio   100  100  b           2   100 ms   99 %  50.0 ms   100 ms     100 %     0 %
    dd    200  200  a       1,000  1.50 ms  1.5 %  1.50 us  1.50 ms     100 %     0 %

    complete: nothing was lost
    "#);
}

#[test]
fn by_time() {
    insta::assert_snapshot!(report(&Synthetic::sample(), &by(By::Time), None), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    1,004 waits, 106 ms waited in all; each second 502 waits and 52.8 ms

     from  waits    total  share      avg      p50      p99      max   held  nobody  unknown
    0.0 s  1,003   105 ms   99 %   104 us  1.52 us  1.53 us  80.0 ms   89 %   7.7 %    3.3 %
    1.0 s      1  1.00 ms  0.9 %  1.00 ms  1.00 ms  1.00 ms  1.00 ms  100 %     0 %      0 %

    complete: nothing was lost
    "#);
}

#[test]
fn single_waits() {
    insta::assert_snapshot!(report(&Synthetic::sample(), &Query { top: Some(2), ..by(By::Event) }, None), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    3 single waits, 103 ms waited in all

    80.0 ms for mutex inode_cache+0x98 (found by slab), at do_renameat2+0x1a
        from      1970-01-01 00:00:00.120000 UTC, 0.120000 s into the trace
        waiter    fio, thread 101 of process 100, tenant b: 1.00 ms spinning, 79.0 ms asleep, on CPU 1
        holder    dd, thread 201 of process 200, tenant a (found by owner_word+waker)
        held      70.0 ms by tenant a, 2.00 ms by other tenants, 6.00 ms by nobody, 2.00 ms unknown
        waiting in
            __mutex_lock.constprop.0+0x10
            do_renameat2+0x1a
            do_syscall_64+0x71
        the holder slept in
            io_schedule+0x60
            ext4_find_entry+0x70
            do_syscall_64+0x71
        the lock was let go in
            mutex_unlock+0x80
            do_renameat2+0x3a
            do_syscall_64+0x71

    20.0 ms for mutex inode_cache+0x98 (found by slab), at do_renameat2+0x1a
        from      1970-01-01 00:00:00.300000 UTC, 0.300000 s into the trace
        waiter    fio, thread 101 of process 100, tenant b: 20.0 ms asleep, ended without the lock (errno 4), on CPU 1
        holder    dd, thread 201 of process 200, tenant a (found by owner_word)
        held      20.0 ms by tenant a
        waiting in
            __mutex_lock.constprop.0+0x10
            do_renameat2+0x1a
            do_syscall_64+0x71

    1 more row, 3.00 ms (--top 0 shows all)

    complete: nothing was lost
    "#);
    let none = Synthetic { events: Vec::new(), ..Synthetic::sample() };
    assert!(report(&none, &by(By::Event), None).contains("No single wait was kept."));
}

#[test]
fn what_is_sorted_by_is_shown_and_what_is_cut_is_said() {
    let query = Query {
        sort: Some("wait_ns_p999".into()),
        top: Some(1),
        filters: vec!["type!=spinlock".parse().unwrap()],
        ..Query::default()
    };
    insta::assert_snapshot!(report(&Synthetic::sample(), &query, None), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    4 waits, 104 ms waited in all; each second 2 waits and 52.0 ms
    only: type!=spinlock

    object            type   waits   total  share      avg      p50      p99      max  held  nobody  unknown    p99.9  shared  found by
    inode_cache+0x98  mutex      3  101 ms   97 %  33.7 ms  21.0 ms  80.0 ms  80.0 ms  90 %   7.9 %    2.0 %  80.0 ms  1 of 1  slab
    1 more row, 3.00 ms (--top 0 shows all)

    complete: nothing was lost
    "#);
}

#[test]
fn by_instance_it_is_said_who_shares_it() {
    let mut trace = Synthetic::sample();
    trace.instances[0].3 = "dentry \"\u{1b}[31mred\" of ext4 8:1".into();
    insta::assert_snapshot!(report(&trace, &by(By::Instance), None), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    1,004 waits, 106 ms waited in all; each second 502 waits and 52.8 ms

    instance                            object            type      who             waits    total  share      avg      max
    dentry "\u{1b}[31mred" of ext4 8:1  inode_cache+0x98  mutex     shared by a, b      3   101 ms   96 %  33.7 ms  80.0 ms
    0xffffffff82000000                  tasklist_lock     rwsem     only b seen         1  3.00 ms  2.8 %  3.00 ms  3.00 ms
    0xffff888000002000                  futex_wake()      spinlock  only a seen     1,000  1.50 ms  1.4 %  1.50 us  1.50 us

    complete: nothing was lost
    "#);
    let trace = trace.with_acquisitions();
    let query = Query { acquisitions: true, ..by(By::Instance) };
    insta::assert_snapshot!(report(&trace, &query, None), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    1,057 acquisitions, held for 95.4 ms in all; 101 ms waited in 3 waits

    instance                            object          type      who             acquired     held  waits  waited
    0xffff888000002000                  futex_wake()    spinlock  private to a       1,000   200 us      0       0
    dentry "\u{1b}[31mred" of ext4 8:1  do_renameat2()  mutex     shared by a, b        50  95.0 ms      3  101 ms
    0xffff888000002000                  futex_wake()    spinlock  private to a           7   200 us      0       0

    the longest hold above: 70.0 ms, do_renameat2(), thread 101, at do_renameat2+0x1a, let go 1.500 s after the start
    the longest wait above: 60.0 ms, do_renameat2(), thread 202, at do_renameat2+0x1a, over 0.800 s after the start

    complete: nothing was lost
    "#);
}

#[test]
fn of_a_long_path_the_end_is_shown() {
    let mut trace = Synthetic::sample();
    let mut shown = |path: &str| {
        trace.instances[0].4 = Some(path.to_owned());
        let text = report(&trace, &by(By::Instance), None);
        text.lines()
            .find_map(|line| line.split_once(" of ext4 8:1 ")?.1.split_once("  ").map(|(path, _)| path.to_owned()))
    };
    assert_eq!(shown("data/\u{1b}ham").as_deref(), Some("(data/\\u{1b}ham)"));
    let long = format!("{}/{}", "a".repeat(50), "b".repeat(38));
    assert_eq!(shown(&long), Some(format!("(...a/{})", "b".repeat(38))));
}

#[test]
fn a_narrow_terminal_gets_fewer_columns_and_then_broken_names() {
    let mut trace = Synthetic::sample();
    trace.totals[0].slab = Some(("a_slab_cache_with_a_rather_long_name_in_a_module".into(), 0x40));
    let table = |width| {
        let text = report(&trace, &by(By::Object), Some(width));
        let table: String =
            text.lines().skip(3).take_while(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
        assert!(table.lines().all(|line| line.len() <= width), "{table}");
        table
    };
    insta::assert_snapshot!(table(120), @r#"
    object                            type        waits    total  share      p99   held  nobody  unknown  shared  found by
    a_slab_cache_with_a_rather_long_  mutex           2   100 ms   95 %  80.0 ms   90 %   8.0 %    2.0 %  1 of 1  slab
    name_in_a_module+0x40
    tasklist_lock                     rwsem read      1  3.00 ms  2.8 %  3.00 ms  100 %     0 %      0 %  0 of 1  symbol
    futex_wake()                      spinlock    1,000  1.50 ms  1.4 %  1.50 us    0 %     0 %    100 %  0 of 1  caller
    inode_cache+0x98                  mutex           1  1.00 ms  0.9 %  1.00 ms  100 %     0 %      0 %  1 of 1  slab
    (left out for want of width: p50, avg, max)
    "#);
    insta::assert_snapshot!(table(80), @r#"
    object            type        waits    total   held  nobody  unknown  found by
    a_slab_cache_wit  mutex           2   100 ms   90 %   8.0 %    2.0 %  slab
    h_a_rather_long_
    name_in_a_module
    +0x40
    tasklist_lock     rwsem read      1  3.00 ms  100 %     0 %      0 %  symbol
    futex_wake()      spinlock    1,000  1.50 ms    0 %     0 %    100 %  caller
    inode_cache+0x98  mutex           1  1.00 ms  100 %     0 %      0 %  slab
    (left out for want of width: p50, avg, max, p99, share, shared)
    "#);
}

#[test]
fn without_waits_there_is_a_sentence() {
    let text = report(&Synthetic { tasks: Vec::new(), ..Synthetic::default() }, &Query::default(), None);
    insta::assert_snapshot!(text, @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    0 waits, 0 waited in all; each second 0 waits and 0

    No lock was waited for while this trace was recorded.

    complete: nothing was lost
    "#);
    let query = Query { filters: vec!["type=semaphore".parse().unwrap()], ..Query::default() };
    assert!(report(&Synthetic::sample(), &query, None).contains("No wait fits the filters."));
}

#[test]
fn interference() {
    let analysis = Synthetic::sample().analysis().unwrap();
    let found = analysis.interference(&Who { top: Some(2), ..Who::default() }).unwrap();
    let text = lima_report::interference(analysis.about(), &found, Format::Table, None).unwrap();
    insta::assert_snapshot!(String::from_utf8(text).unwrap(), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    1,004 waits, 106 ms waited in all; each second 502 waits and 52.8 ms

    Of 106 ms waited, 91.0 ms (86 %) while another tenant held the lock, 3.00 ms (2.8 %) while their own did, 8.00 ms (7.6 %) while nobody did; of 3.50 ms (3.3 %) it is not known.
    b waited 103 ms, of which 90.0 ms (87 %) while a held inode_cache+0x98.
    a waited 2.50 ms, of which 1.00 ms (40 %) while b held inode_cache+0x98.

    All objects: time that the tenants at the left waited while those at the top held the lock.

    waiter        a          b   nobody  unknown    total
    b       90.0 ms  (3.00 ms)  8.00 ms  2.00 ms   103 ms
    a             0    1.00 ms        0  1.50 ms  2.50 ms

    inode_cache+0x98 (mutex, found by slab): 101 ms in 3 waits

    waiter        a        b   nobody  unknown    total
    b       90.0 ms        0  8.00 ms  2.00 ms   100 ms
    a             0  1.00 ms        0        0  1.00 ms

    tasklist_lock (rwsem, found by symbol): 3.00 ms in 1 wait

    waiter          b  nobody  unknown    total
    b       (3.00 ms)       0        0  3.00 ms

    1 more object, 1.50 ms (--top 0 shows all)

    (in brackets: tenants waiting for themselves)
    complete: nothing was lost
    "#);
}

#[test]
fn many_tenants_share_a_column() {
    let mut trace = Synthetic::sample();
    trace.tenants = (3..20).map(|tenant| (tenant, format!("t{tenant}"))).collect();
    trace.totals = (4..20).map(|tenant| Total::mutex(3, tenant, &[u64::from(tenant) * 1_000])).collect();
    let analysis = trace.analysis().unwrap();
    let found = analysis.interference(&Who::default()).unwrap();
    let text = lima_report::interference(analysis.about(), &found, Format::Table, None).unwrap();
    let text = String::from_utf8(text).unwrap();
    let matrix: String = text.lines().skip(8).take(2).map(|line| format!("{line}\n")).collect();
    insta::assert_snapshot!(matrix, @r#"
    waiter      t19      t18      t17      t16      t15      t14      t13      t12  8 others  nobody  unknown   total
    t3      19.0 us  18.0 us  17.0 us  16.0 us  15.0 us  14.0 us  13.0 us  12.0 us   60.0 us       0        0  184 us
    "#);
}

#[test]
fn acquisitions_by_object() {
    let query = Query { acquisitions: true, ..Query::default() };
    insta::assert_snapshot!(report(&Synthetic::sample().with_acquisitions(), &query, None), @r#"
    made-up.lima: box, Linux 6.18.44, 2 CPUs, 2.00 s recorded
    1,057 acquisitions, held for 95.4 ms in all; 101 ms waited in 3 waits

    object          type      acquired  a second  failed     held      avg      p50      p99  longest  waits  waited      max  shared  found by
    futex_wake()    spinlock     1,007       504       0   400 us   397 ns   754 ns   995 ns  1.00 us      0       0        0  0 of 2  caller
    do_renameat2()  mutex           50        25       2  95.0 ms  1.94 ms  14.2 us  70.0 ms  70.0 ms      3  101 ms  60.0 ms  1 of 1  caller

    the longest hold above: 70.0 ms, do_renameat2(), thread 101, at do_renameat2+0x1a, let go 1.500 s after the start
    the longest wait above: 60.0 ms, do_renameat2(), thread 202, at do_renameat2+0x1a, over 0.800 s after the start

    complete: nothing was lost
    "#);
}

#[test]
fn a_wait_for_one_that_waits_itself() {
    let mut trace = Synthetic::sample();
    let (holder, first) = (trace.events[0].holder.clone().unwrap(), trace.events[0].clone());
    let mut next = first.clone();
    (next.lock, next.waiter.0, next.waiter.1, next.holder) =
        (0xffff_8880_0000_2000, holder.0, holder.1, Some(("dd\u{1b}[31m".into(), 7, 7)));
    trace.events = vec![first, next];
    let query = Query { filters: vec!["tid=101".parse().unwrap()], ..by(By::Event) };
    let text = report(&trace, &query, None);
    let line = text.lines().find(|line| line.contains("besides")).unwrap();
    let expected = r"besides   the holder itself waited 20.0 ms for inode_cache+0x98 at 0xffff888000002000, held by dd\u{1b}[31m, thread 7";
    assert_eq!(line.trim_start(), expected);
}
