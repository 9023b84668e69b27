use super::{duration, page, quoted, size};
use crate::commands::info::{Info, TableInfo};
use lima_model::manifest::{Clock, Edges, Ended, Filter, Kernel, Manifest, Options, Program};
use lima_model::{Loss, Losses};

/// A trace of a host, and of tenants, that mean no good.
fn info() -> Info {
    let mut manifest = Manifest {
        host: "build-1\u{1b}]0;owned\u{7}".into(),
        ended: Ended::Command,
        kernel: Kernel {
            release: "6.18.5".into(),
            version: "#1 SMP PREEMPT_DYNAMIC Tue Nov 10 10:00:00 UTC 2026".into(),
            machine: "x86_64".into(),
            build_id: "1f2e3d4c".into(),
            cpus: 1,
            per_cpu: Vec::new(),
        },
        command: ["sh", "-c", "echo 'a\nb'", ""].map(str::to_owned).to_vec(),
        exit_status: Some(3),
        options: Options {
            level: "contention".into(),
            threshold_ns: 50_000,
            bucket_ns: 1_000_000_000,
            user_stacks: false,
            tenant_by: "cgroup".into(),
            cgroup_hierarchy: "v2".into(),
            filters: vec![Filter { field: "comm".into(), values: vec!["a\u{202e}b".into(), "c".into()] }],
            max_totals: 16_384,
            buffer_bytes: 4 << 20,
            ..Options::default()
        },
        clock: Clock { start_unix_ns: 1_794_000_000_000_000_000, start_mono_ns: 5, duration_ns: 12_345_678_901 },
        edges: Edges { began_before: 1, unfinished: 0, ..Edges::default() },
        programs: vec![
            Program {
                name: "on_begin".into(),
                attached_to: "lock:contention_begin".into(),
                runs: 200_000,
                run_ns: 61_000_000,
                recursion_misses: 0,
            },
            Program { name: "on_end".into(), attached_to: "lock:contention_end".into(), ..Program::default() },
        ],
        notes: vec!["holders of spinlocks are not known on this kernel".into(), "\u{1b}[2J".into()],
        ..Manifest::begin("0.1.0")
    };
    manifest.losses.set(Loss::TotalsFull, 120);
    manifest.losses.0.insert("later\u{1b}[1m".into(), 1);
    let mut losses = manifest.losses.clone();
    losses.set(Loss::Unreadable, 1);
    let table = |name, segments, rows, bytes| TableInfo { name, segments, rows, bytes };
    Info {
        path: "a.lima".into(),
        manifest,
        complete: false,
        losses,
        tables: vec![table("totals", 1, 12_345, 734_003), table("events", 0, 0, 0)],
        damaged: vec![("a.lima/events/\u{1b}.parquet".into(), "it is not named as a segment is".into())],
    }
}

#[test]
fn a_page_with_everything() {
    insta::assert_snapshot!(page(&info()), @r"
    trace        a.lima
    written by   LIMA 0.1.0, schema lima-trace/1
    host         build-1\u{1b}]0;owned\u{7}
    kernel       6.18.5 x86_64 on 1 CPU
                 #1 SMP PREEMPT_DYNAMIC Tue Nov 10 10:00:00 UTC 2026
    build id     1f2e3d4c
    recorded     2026-11-06 21:20:00 UTC, for 12.3 s
    command      sh -c 'echo '\''a\nb'\''' '' (exit status 3)
    ended        with the command
    level        contention, totals by 1 s
    single waits from 50 us on
    user stacks  not recorded
    tenants by   cgroup (v2)
    filter       comm = a\u{202e}b, c
    limits       16384 keys a bucket, buffer 4 MiB
    complete     no

    table    rows     size  segments
    totals  12345  717 KiB         1
    events      0      0 B         0
    all     12345  717 KiB         1

    program   attached to              runs   time   a run  misses
    on_begin  lock:contention_begin  200000  61 ms  305 ns       0
    on_end    lock:contention_end         -      -       -       0

    edges: 1 wait had begun before the recording did, 0 waits had not ended when it did
    stacks: 0 recalled, 0 walked; 0 waits added up outside the kernel

    losses               count  meaning
    later\u{1b}[1m           1  later\u{1b}[1m
    totals_full            120  waits left out of the totals because the map was full (raise --max-totals)
    unreadable_segments      1  segments of the trace that could not be read

    damaged
      a.lima/events/\u{1b}.parquet: it is not named as a segment is

    notes
      holders of spinlocks are not known on this kernel
      \u{1b}[2J
    ");
}

#[test]
fn a_page_with_nothing() {
    let manifest = Manifest::begin("0.1.0");
    let info = Info {
        path: "a.lima".into(),
        manifest,
        complete: true,
        losses: Losses::none(),
        tables: Vec::new(),
        damaged: Vec::new(),
    };
    insta::assert_snapshot!(page(&info), @r"
    trace        a.lima
    written by   LIMA 0.1.0, schema lima-trace/1
    host         -
    kernel       on 0 CPUs
                 -
    build id     -
    recorded     1970-01-01 00:00:00 UTC, for 0 ns
    ended        not in order: the recorder is still at work, or was killed
    level        , totals by 0 ns
    single waits all
    user stacks  not recorded
    tenants by   -
    limits       0 keys a bucket, buffer 0 B
    complete     yes

    table  rows  size  segments
    all       0   0 B         0

    edges: 0 waits had begun before the recording did, 0 waits had not ended when it did
    stacks: 0 recalled, 0 walked; 0 waits added up outside the kernel
    losses: none
    ");
}

#[test]
fn no_control_character_reaches_the_terminal() {
    assert!(page(&info()).chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn the_json_has_what_was_found_when_reading() {
    let json = info().json();
    assert_eq!(json["schema"], "lima-info/1");
    let trace = &json["trace"];
    assert_eq!(trace["complete"], false);
    assert_eq!(trace["losses"]["unreadable_segments"], 1);
    assert_eq!(trace["losses"]["totals_full"], 120);
    assert_eq!(trace["kernel"]["release"], "6.18.5");
    assert_eq!(trace["tables"][0]["rows"], 12_345);
    assert_eq!(trace["damaged"][0]["reason"], "it is not named as a segment is");
}

#[test]
fn durations_and_sizes_have_three_digits() {
    let durations = [0, 999, 1_000, 50_000, 1_234_567, 999_999_999, 12_345_678_901, 100_000_000_000, 7_322_000_000_000];
    assert_eq!(
        durations.map(duration),
        ["0 ns", "999 ns", "1 us", "50 us", "1.23 ms", "1000 ms", "12.3 s", "1 min 40 s", "2 h 2 min 2 s"]
    );
    assert_eq!(
        [1_023, 1_024, 734_003, 5 << 20, 3 << 40].map(size),
        ["1023 B", "1 KiB", "717 KiB", "5 MiB", "3072 GiB"]
    );
}

#[test]
fn a_command_shows_where_its_words_end() {
    assert_eq!(["ls", "", "a b", "it's"].map(quoted), ["ls", "''", "'a b'", "'it'\\''s'"]);
}
