//! The truth about objects: on a kernel with lockdep every acquisition says which class its lock is of, and what LIMA says of
//! the lock must be the same. On a stock kernel, how much of a broad load is resolved at all.

mod common;

use common::module::{can_drive, in_guest};
use common::{Columns, lima, shown, table};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The load.
const BROAD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../lab/loads/broad.sh");
/// What lockdep calls locks whose name is not in LIMA's word for them, with the kernel file that says so.
const NAMES: &str = include_str!("data/lockdep-names.csv");

/// Of the acquisitions of the load, how many in a hundred have an object by an index.
struct Shares {
    debug: f64,
    bare: f64,
}

/// What they were when this was last set (docs/accuracy.md). Half a point less is a fault.
const ON_6_1: Shares = Shares { debug: 99.99, bare: 99.9 };
const ON_6_12: Shares = Shares { debug: 99.99, bare: 99.5 };

/// One combination of lock, life and place in a trace that was resolved.
struct Use {
    lock: u64,
    lock_type: String,
    object: String,
    words: BTreeSet<String>,
    declared: String,
    acquisitions: u64,
}

impl Use {
    fn is_resolved(&self) -> bool {
        !["unknown", "conflict"].contains(&&*self.object)
    }
}

/// Where the debug package of the cached kernel lies.
fn cached(kernel: &str) -> PathBuf {
    let home = std::env::var_os("HOME").unwrap();
    Path::new(&home).join(".cache/lima/kernels").join(kernel)
}

/// A file whose name begins so.
fn file(folder: &Path, beginning: &str) -> PathBuf {
    let names = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names = names.map(|entry| entry.unwrap().path());
    let is =
        |path: &PathBuf| path.file_name().is_some_and(|name| shown(name.as_encoded_bytes()).starts_with(beginning));
    names.find(is).unwrap_or_else(|| panic!("{} has no {beginning}*", folder.display()))
}

/// Makes an index and resolves a trace with it.
fn resolve(trace: &Path, index: &Path, build: &[&Path]) -> String {
    let mut command = lima(["index", "build", "--rebuild", "-o"]);
    let output = command.arg(index).args(build).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    let output = lima(["resolve"]).arg(trace).arg("--index").arg(index).output().unwrap();
    assert!(output.status.success(), "{}", shown(&output.stderr));
    shown(&output.stdout)
}

/// The uses of locks in a trace, with their objects.
fn uses(trace: &Path) -> Vec<Use> {
    let objects = table(trace, "objects");
    let texts = |name| objects.texts(name);
    let (object, declared, container) = (texts("object"), texts("declared"), texts("container"));
    let instance = texts("instance");
    let keys = |table: &Columns| -> Vec<(u64, u64, u64)> {
        let (locks, lives, stacks) = (table.numbers("lock"), table.numbers("life"), table.numbers("stack_id"));
        locks.into_iter().zip(lives).zip(stacks).map(|((lock, life), stack)| (lock, life, stack)).collect()
    };
    let rows: BTreeMap<_, _> = keys(&objects).into_iter().zip(0..).collect();
    let acquisitions = table(trace, "acquisitions");
    let (counts, types) = (acquisitions.numbers("acquisitions"), acquisitions.texts("lock_type"));
    let of = |(key, (acquisitions, lock_type)): ((u64, u64, u64), (u64, String))| {
        let row: usize = rows[&key];
        let all = [&object[row], &declared[row], &container[row], &instance[row]];
        let words = all.into_iter().flat_map(|text| identifiers(text)).map(str::to_owned).collect();
        let (object, declared) = (object[row].clone(), declared[row].clone());
        Use { lock: key.0, lock_type, object, words, declared, acquisitions }
    };
    keys(&acquisitions).into_iter().zip(counts.into_iter().zip(types)).map(of).collect()
}

fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_').filter(|word| !word.is_empty())
}

#[test]
fn a_broad_load_is_resolved_on_6_1() {
    if can_drive("6.1") {
        load("6.1", &cached("d61"), &ON_6_1);
    }
}

#[test]
fn a_broad_load_is_resolved_on_6_12() {
    let kernel = cached("d612");
    if !kernel.join("usr/lib/debug/boot").exists() {
        println!("left out: the debug information of 6.12 is not cached (scripts/fetch-kernel.sh d612)");
        return;
    }
    if can_drive("6.12") {
        load("6.12", &kernel, &ON_6_12);
    }
}

/// Records the load on a kernel, and resolves it with an index of its debug information, and of its image alone.
fn load(name: &str, kernel: &Path, expected: &Shares) {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        r#"$LIMA record --level acquisitions --max-totals 400000 -o "$LIMA_OUT/broad.lima" -- sh {BROAD} 2>&1
        uname -r >"$LIMA_OUT/release""#
    );
    let output =
        in_guest(name, folder.path(), &["--accel", "tcg-single", "--memory", "4G", "--timeout", "280s"], &script);
    assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
    let trace = folder.path().join("broad.lima");
    let release = fs::read_to_string(folder.path().join("release")).unwrap();
    let release = release.trim();
    let modules = kernel.join("lib/modules").join(release);
    let debug = kernel.join("usr/lib/debug");
    let image = debug.join(format!("boot/vmlinux-{release}"));
    let with_debug = ["--vmlinux".as_ref(), &*image, "--debug-dir".as_ref(), &*debug, "--modules".as_ref(), &*modules];
    let bare = kernel.join(format!("boot/vmlinuz-{release}"));
    let symbols = debug.join(format!("boot/System.map-{release}"));
    let without = [
        "--vmlinuz".as_ref(),
        &*bare,
        "--kallsyms".as_ref(),
        &*symbols,
        "--modules".as_ref(),
        &*modules,
        "--bare".as_ref(),
    ];
    for (mode, expected, build) in [("debug", expected.debug, &with_debug[..]), ("bare", expected.bare, &without[..])] {
        let told = resolve(&trace, &folder.path().join(format!("{mode}.limaindex")), build);
        let uses = uses(&trace);
        let all: u64 = uses.iter().map(|used| used.acquisitions).sum();
        let resolved: u64 = uses.iter().filter(|used| used.is_resolved()).map(|used| used.acquisitions).sum();
        let objects: BTreeSet<_> = uses.iter().map(|used| &used.object).collect();
        let percent = resolved as f64 / all as f64 * 100.0;
        println!(
            "{name}, {mode}: {resolved} of {all} acquisitions ({percent:.3} %), {} objects\n{told}",
            objects.len()
        );
        assert!(all > 500_000 && objects.len() > 150, "{name}, {mode}: the load was not broad");
        assert!(percent > expected - 0.5, "{name}, {mode}: {percent:.3} % are resolved, and were {expected} %");
        assert!(told.contains("of acquisitions have an object"), "{told}");
    }
}

/// Where the `dep_map` of a lock lies in it, in our kernel with lockdep.
fn dep_map(lock_type: &str) -> u64 {
    match lock_type {
        "mutex" | "ww_mutex" => 112,
        "rwsem" => 120,
        "percpu_rwsem" => 224,
        _ => 24,
    }
}

/// What lockdep saw acquired: by address of the `dep_map` the names of the classes, from the pages of the kernel's ring
/// buffer (`kernel/trace/ring_buffer.c`) with events `lock:lock_acquire`.
fn acquired(pages: &[u8], into: &mut BTreeMap<u64, BTreeMap<String, u64>>) {
    let word =
        |bytes: &[u8], at: usize| bytes.get(at..at + 4).map_or(0, |it| u32::from_le_bytes(it.try_into().unwrap()));
    for page in pages.chunks_exact(4096) {
        let end = 16 + (word(page, 8) & 0xf_ffff) as usize;
        let mut at = 16;
        while at + 4 <= end.min(4096) {
            let kind = word(page, at) & 31;
            at += 4;
            let (start, length) = match kind {
                0 => (at + 4, word(page, at) as usize),
                29 => break,
                30 | 31 => {
                    at += 4;
                    continue;
                }
                words => (at, words as usize * 4),
            };
            at += length.max(4);
            let event = page.get(start..at.min(4096)).unwrap_or_default();
            if event.len() < 24 {
                continue;
            }
            let place = word(event, 12);
            let (from, bytes) = ((place & 0xffff) as usize, (place >> 16) as usize);
            let name = event.get(from..from + bytes.saturating_sub(1)).map(shown).unwrap_or_default();
            let lock = u64::from(word(event, 16)) | u64::from(word(event, 20)) << 32;
            *into.entry(lock).or_default().entry(name).or_default() += 1;
        }
    }
}

/// A class's name without what tells classes of one name apart.
fn plain(name: &str) -> &str {
    let mut name = name;
    for mark in ['/', '#'] {
        if let Some((before, after)) = name.rsplit_once(mark)
            && !before.is_empty()
            && after.bytes().all(|byte| byte.is_ascii_digit())
        {
            name = before;
        }
    }
    name
}

/// Whether what LIMA says of a lock is what lockdep's name for it means: the name's last word is one of LIMA's, or the list
/// says that the kernel gives that object's locks this name.
fn agrees(used: &Use, name: &str, listed: &BTreeMap<String, Vec<String>>) -> bool {
    let name = plain(name);
    let beginning = name.split("AF_").next().filter(|_| name.contains("-AF_")).map(|start| format!("{start}AF_"));
    let listed = listed.get(name).or_else(|| listed.get(&beginning?));
    listed.is_some_and(|objects| objects.contains(&used.declared))
        || identifiers(name)
            .filter(|word| !word.starts_with(|first: char| first.is_ascii_digit()))
            .last()
            .is_some_and(|word| used.words.contains(word))
}

#[test]
#[ignore = "on a kernel that takes ten minutes to build: `make test-lockdep`"]
fn objects_agree_with_lockdep() {
    if !can_drive("lockdep") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let script = format!(
        r#"mount -t tracefs none /sys/kernel/tracing || true
        cd /sys/kernel/tracing
        echo 0 >tracing_on
        echo 160000 >buffer_size_kb
        # Marks that are no locks, three quarters of all events.
        echo 'name != "rcu_read_lock" && name != "fs_reclaim" && name != "lock" && name != "rcu_callback"' \
            >events/lock/lock_acquire/filter
        echo 1 >events/lock/lock_acquire/enable
        cat >/tmp/load <<'END'
echo 1 >/sys/kernel/tracing/tracing_on
sh {BROAD}
echo 0 >/sys/kernel/tracing/tracing_on
END
        $LIMA record --level acquisitions --bucket 2s --max-totals 400000 -o "$LIMA_OUT/broad.lima" -- sh /tmp/load 2>&1
        for cpu in 0 1; do
            dd if=per_cpu/cpu$cpu/trace_pipe_raw of="$LIMA_OUT/raw$cpu" bs=4096 iflag=nonblock 2>/dev/null || true
        done
        grep debug_locks /proc/lockdep_stats >"$LIMA_OUT/debug_locks""#
    );
    let options = ["--accel", "tcg-single", "--memory", "6G", "--timeout", "570s", "--append", "no_hash_pointers"];
    let output = in_guest("lockdep", out, &options, &script);
    assert!(output.status.success(), "{}{}", shown(&output.stdout), shown(&output.stderr));
    assert!(fs::read_to_string(out.join("debug_locks")).unwrap().trim().ends_with('1'), "lockdep found fault");
    let image = file(&cached("lockdep").join("usr/lib/debug/boot"), "vmlinux-");
    println!("{}", resolve(&out.join("broad.lima"), &out.join("lockdep.limaindex"), &["--vmlinux".as_ref(), &image]));

    let mut classes = BTreeMap::new();
    for cpu in 0..2 {
        acquired(&fs::read(out.join(format!("raw{cpu}"))).unwrap(), &mut classes);
    }
    let mut listed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in csv::Reader::from_reader(NAMES.as_bytes()).records() {
        let row = row.unwrap();
        listed.entry(row[0].to_owned()).or_default().push(row[1].to_owned());
    }
    // By class: acquisitions that agree, that do not, and without an object.
    let mut sums: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    let (mut weights, mut unseen, mut disagreeing) = ([0; 3], 0, BTreeMap::new());
    let uses = uses(&out.join("broad.lima"));
    for used in &uses {
        let Some(names) = classes.get(&(used.lock + dep_map(&used.lock_type))) else {
            unseen += used.acquisitions;
            continue;
        };
        // Of an address that was used again there are several names; one of them must fit.
        let verdict = match () {
            () if !used.is_resolved() => 2,
            () if names.keys().any(|name| agrees(used, name, &listed)) => 0,
            () => {
                let names = names.keys().map(|name| plain(name)).collect::<Vec<_>>().join(" | ");
                *disagreeing.entry((used.object.clone(), names)).or_insert(0) += used.acquisitions;
                1
            }
        };
        weights[verdict] += used.acquisitions;
        for name in names.keys() {
            sums.entry(name).or_default()[verdict] += used.acquisitions;
        }
    }
    let all: u64 = weights.iter().sum();
    let percent = |part: u64, all: u64| part as f64 / all as f64 * 100.0;
    let classes_where = |verdict: usize| {
        let most = |sum: &&[u64; 3]| (0..3).max_by_key(|&at| sum[at]) == Some(verdict);
        sums.values().filter(most).count() as u64
    };
    let (known, wrong) = (sums.len() as u64 - classes_where(2), classes_where(1));
    println!("disagreeing, by what LIMA and lockdep say: {disagreeing:#?}");
    println!(
        "of {all} acquisitions {:.3} % are resolved and {:.3} % disagree ({unseen} were of locks that lockdep did not see); of {} \
         classes {known} are resolved and {wrong} disagree",
        percent(weights[0] + weights[1], all),
        percent(weights[1], all),
        sums.len()
    );
    assert!(sums.len() >= 300, "the load took locks of {} classes only", sums.len());
    assert!(unseen * 100 < all, "lockdep did not see {unseen} acquisitions beside {all}");
    assert!(percent(weights[2], all) <= 0.5 && percent(weights[1], all) <= 0.1);
    assert!(percent(known, sums.len() as u64) >= 97.0 && percent(wrong, sums.len() as u64) <= 0.5);
}
