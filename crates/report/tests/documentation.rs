//! The examples of `docs/report.md` are what LIMA prints of a made-up trace: two tenants on a machine called db1.
//! `LIMA_UPDATE_DOCS=1 cargo test -p lima-report --test documentation` brings them up to date.

use lima_analyze::synthetic::{Event, FrameName, Synthetic, Total};
use lima_analyze::{About, Analysis, By, Filter, Query, Who};
use lima_model::Loss;
use lima_report::Format;
use std::collections::BTreeSet;
use std::path::PathBuf;

const SHOP: u32 = 3;
const BATCH: u32 = 4;
const US: u64 = 1_000;
const MS: u64 = 1_000_000;

/// A directory's rwsem, a pipe's mutex, and the spinlock of a dentry, fought for by `/shop` and `/batch`.
fn example() -> Synthetic {
    let mut trace = Synthetic {
        totals: Vec::new(),
        events: vec![frozen()],
        tasks: Vec::new(),
        stacks: (1..).zip(STACKS).map(|(id, stack)| (id, None, stack.iter().map(address).collect())).collect(),
        frames: STACKS.iter().copied().flatten().map(named).collect(),
        tenants: vec![(SHOP, "/shop".into()), (BATCH, "/batch".into())],
        ..Synthetic::default()
    };
    trace.losses.set(Loss::InsideProbe, 3);
    trace.losses.set(Loss::Recursion, 5);
    let directory = Total { lock_type: "rwsem", mode: "write", slab: slab("ext4_inode_cache", 0x1a8), ..lock(1) };
    let pipe = Total { slab: slab("kmalloc-cg-192", 0), ..lock(4) };
    let spinlock = Total { lock_type: "spinlock", method: "unknown", holder: 0, slab: slab("dentry", 0x80), ..lock(5) };
    for (waiter, holder) in [(SHOP, BATCH), (BATCH, SHOP)] {
        let (long, worst) = if waiter == SHOP { (9 * MS, 80 * MS) } else { (6 * MS, 31 * MS) };
        trace.totals.push(waits(Total { waiter, holder, ..directory.clone() }, 230, long, worst, [46, 30, 24]));
        trace.totals.push(waits(Total { waiter, holder, ..pipe.clone() }, 120_000, 2 * US, 9 * MS, [91, 9, 0]));
        trace.totals.push(waits(Total { waiter, ..spinlock.clone() }, 40, 5 * US, 22 * US, [0, 0, 100]));
    }
    trace
}

fn lock(stack_id: u64) -> Total {
    Total { lock: 0xffff_8880_0100_0000 + stack_id * 0x1000, stack_id, ..Total::mutex(0, 0, &[]) }
}

fn slab(cache: &str, offset: u32) -> Option<(String, u32)> {
    Some((cache.into(), offset))
}

/// Waits of about `long`, the longest of `worst`, split in per cent into held, free and unknown.
fn waits(total: Total, count: u64, long: u64, worst: u64, split: [u64; 3]) -> Total {
    let scattered = (1..count).map(|wait| long / 8 + wait.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (2 * long));
    let waits: Vec<_> = scattered.chain([worst]).collect();
    let sum: u64 = waits.iter().sum();
    let [held, free] = [split[0], split[1]].map(|percent| sum * percent / 100);
    let rest = sum - held - free;
    let parts = if split[2] == 0 { [held, free + rest, 0] } else { [held, free, rest] };
    Total { waits, parts, ..total }
}

/// A wait of 80 ms: the holder reads a directory from the disk.
fn frozen() -> Event {
    Event {
        begin_ns: 4_211 * MS + 350 * US,
        parts: [77 * MS + 900 * US, 0, 2 * MS + 60 * US, 40 * US],
        spin_ns: 12 * US,
        lock: lock(1).lock,
        lock_type: "rwsem",
        mode: "write",
        waiter: ("nginx".into(), 1204, 1201, SHOP),
        stacks: [1, 0],
        slab: slab("ext4_inode_cache", 0x1a8),
        holder: Some(("tar".into(), 7731, 7731)),
        holder_tenant: BATCH,
        holder_stacks: [2, 3],
        method: "owner_word+waker",
        ..Event::default()
    }
}

/// A return address: how far in which function.
type Frame = (&'static str, u64);

const STACKS: &[&[Frame]] = &[
    &[
        ("rwsem_down_write_slowpath", 0x2d1),
        ("down_write", 0x4e),
        ("open_last_lookups", 0x2a5),
        ("path_openat", 0x8f),
        ("do_syscall_64", 0x3c),
    ],
    &[
        ("io_schedule", 0x46),
        ("bit_wait_io", 0xd),
        ("__ext4_find_entry", 0x1f3),
        ("ext4_unlink", 0x5c),
        ("vfs_unlink", 0x109),
        ("do_unlinkat", 0x255),
        ("do_syscall_64", 0x3c),
    ],
    &[("rwsem_wake", 0x6c), ("up_write", 0x58), ("do_unlinkat", 0x26d), ("do_syscall_64", 0x3c)],
    &[("__mutex_lock", 0x2fa), ("pipe_write", 0x53), ("do_syscall_64", 0x3c)],
    &[("_raw_spin_lock", 0x2a), ("lockref_get_not_dead", 0x1b), ("path_openat", 0x8f), ("do_syscall_64", 0x3c)],
];

/// Each function begins somewhere else.
fn address(&(function, offset): &Frame) -> u64 {
    let names: BTreeSet<_> = STACKS.iter().copied().flatten().map(|&(name, _)| name).collect();
    let before = names.iter().take_while(|&&name| name < function).count() as u64;
    0xffff_ffff_8100_0000 + before * 0x1000 + offset
}

fn named(frame: &Frame) -> FrameName {
    (0, address(frame), Some(frame.0.to_owned()), frame.1, None)
}

fn about(analysis: &Analysis) -> About {
    let mut about = analysis.about().clone();
    about.path = "web.lima".into();
    let manifest = &mut about.manifest;
    manifest.host = "db1".into();
    manifest.kernel.release = "6.12.117+deb12-cloud-amd64".into();
    manifest.kernel.cpus = 8;
    manifest.clock.start_unix_ns = 1_793_522_580_000_000_000;
    manifest.clock.duration_ns = 10_000 * MS;
    manifest.options.threshold_ns = 50 * US;
    about
}

/// The document with what stands behind a command, up to the end of its block, replaced.
fn with_output(document: &str, command: &str, output: &[u8]) -> String {
    let mark = format!("```\n$ {command}\n");
    let begin = document.find(&mark).unwrap_or_else(|| panic!("no example of {command}")) + mark.len();
    let end = begin + document[begin..].find("```").expect("the end of the example");
    format!("{}{}{}", &document[..begin], std::str::from_utf8(output).unwrap(), &document[end..])
}

#[test]
fn the_examples_are_what_lima_prints() {
    let analysis = example().analysis().unwrap();
    let about = about(&analysis);
    let report = |by, filters: &[&str], top| {
        let filters = filters.iter().map(|filter| filter.parse::<Filter>().unwrap()).collect();
        let query = Query { by, filters, top: Some(top), ..Query::default() };
        let report = analysis.report(&query).unwrap();
        lima_report::report(&about, &report, Format::Table, None).unwrap()
    };
    let who = Who { object: Some("ext4*".into()), ..Who::default() };
    let found = analysis.interference(&who).unwrap();
    let found = lima_report::interference(&about, &found, Format::Table, None).unwrap();

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/report.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let expected = with_output(&document, "lima report web.lima", &report(By::Object, &[], 20));
    let event = report(By::Event, &["tenant=shop"], 1);
    let expected = with_output(&expected, "lima report web.lima --by event --filter tenant=shop --top 1", &event);
    let expected = with_output(&expected, "lima interference web.lima --object 'ext4*'", &found);
    if std::env::var_os("LIMA_UPDATE_DOCS").is_some() {
        std::fs::write(path, expected).unwrap();
    } else {
        assert!(document == expected, "run LIMA_UPDATE_DOCS=1 cargo test -p lima-report --test documentation");
    }
}
