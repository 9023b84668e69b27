//! The truth about holders: a known task holds a lock for a known time, and LIMA must say so, to 5 %.

mod common;

use common::{
    Columns, Loaded, column, deviation, json, kept_everything, lima, manifest, number, rows, shown, table, text, unique,
};
use lima_lab::load::culprit::{Report, Turn};
use lima_lab::tenant::Tenant;
use serde_json::Value;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// What the issue grants.
const TOLERANCE: f64 = 0.05;

/// A scene that was played while LIMA recorded it.
struct Played {
    _folder: tempfile::TempDir,
    trace: PathBuf,
    truth: Report,
    /// The names that LIMA gives to the tenants: the holder's first.
    tenants: Vec<String>,
    interference: Value,
}

/// Plays a scene under `lima record`, every player in a tenant of its own.
fn play(object: &str, arguments: &[&str], victims: usize) -> Played {
    let _company = Loaded::take();
    let memory = Path::new("/dev/shm");
    let folder = tempfile::tempdir_in(if memory.is_dir() { memory } else { Path::new("/tmp") }).unwrap();
    let trace = folder.path().join("culprit.lima");
    let names: Vec<String> = (0..=victims).map(|_| unique(object)).collect();
    // Made here, so that they are still there when the recorder looks for their names at its end.
    let _tenants: Vec<Tenant> = names.iter().map(|name| Tenant::create(name).unwrap()).collect();

    let mut command = lima(["record", "--threshold", "0", "--buffer", "16777216", "-o"]);
    command.arg(&trace).args(["--", common::LIMA, "lab", "load", "culprit", "--object", object, "--times", "5"]);
    command.arg("--dir").arg(folder.path()).args(arguments).args(["--holder-tenant", &names[0]]);
    for name in &names[1..] {
        command.args(["--victim-tenant", name]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", shown(&output.stderr));
    let truth: Report = serde_json::from_slice(&output.stdout).unwrap();
    for round in &truth.rounds {
        println!("truth: {round:?}");
    }
    kept_everything(&trace);

    let interference = json("interference", &trace, &["--tenant", "*lima-test-*"]);
    let tenants = names.iter().map(|name| tenant(&trace, name)).collect();
    Played { _folder: folder, trace, truth, tenants, interference }
}

/// The name that LIMA gave to the tenant with this cgroup.
fn tenant(trace: &Path, cgroup: &str) -> String {
    let tenants = table(trace, "tenants");
    let paths = tenants.texts("path");
    let row = paths.iter().position(|path| path.ends_with(cgroup));
    let row = row.unwrap_or_else(|| panic!("no tenant of the cgroup {cgroup}: {paths:?}"));
    tenants.texts("name").swap_remove(row)
}

impl Played {
    /// What LIMA blames on a holder, nanoseconds.
    fn blame(&self, waiter: usize, holder: &str) -> u64 {
        let those =
            |row: &&Value| text(row, "waiter_tenant") == self.tenants[waiter] && text(row, "holder_tenant") == holder;
        rows(&self.interference).iter().filter(those).map(|row| number(row, "wait_ns_total")).sum()
    }

    /// All that LIMA saw a tenant wait.
    fn waited(&self, waiter: usize) -> u64 {
        let those = |row: &&Value| text(row, "waiter_tenant") == self.tenants[waiter];
        rows(&self.interference).iter().filter(those).map(|row| number(row, "wait_ns_total")).sum()
    }

    /// Adds up what is known about each round.
    fn sum(&self, of: impl Fn(&Turn, &[Turn]) -> Known) -> Known {
        let known = self.truth.rounds.iter().map(|round| of(&round.holder, &round.victims));
        known.fold(exactly(0), |sum, known| sum.start() + known.start()..=sum.end() + known.end())
    }

    fn agree(&self, what: &str, found: u64, known: &Known) {
        let nearest = found.clamp(*known.start(), *known.end());
        let deviation = deviation(found, nearest);
        println!("{what}: {found} ns found, {known:?} ns known, {:.2} % apart", deviation * 100.0);
        assert!(deviation <= TOLERANCE, "{what}: {found} ns found, {known:?} ns known: {:#}", self.interference);
    }
}

/// What the load knows of a duration: usually to some microseconds, but a task that is ready to run may be kept from
/// a busy CPU for longer, and it is for that time that a range is needed.
type Known = RangeInclusive<u64>;

fn exactly(ns: u64) -> Known {
    ns..=ns
}

/// How long `holder` held the lock while `victim` waited: until it could go on, or until its system call was over.
fn held(holder: &Turn, victim: &Turn) -> Known {
    holder.hold_end_ns.unwrap() - victim.enter_ns..=holder.leave_ns - victim.enter_ns
}

/// The events of one thread that waited longer than anything but the scene can explain.
struct Events {
    columns: Columns,
    rows: Vec<usize>,
    symbols: HashMap<u64, Vec<String>>,
}

impl Events {
    fn of(trace: &Path, tid: u32) -> Self {
        let columns = table(trace, "events");
        let (tids, waits) = (columns.numbers("tid"), columns.numbers("wait_ns"));
        let rows = (0..columns.len()).filter(|&row| tids[row] == u64::from(tid) && waits[row] > 10_000_000).collect();
        Self { columns, rows, symbols: stacks(trace) }
    }

    fn numbers(&self, name: &str) -> Vec<u64> {
        let all = self.columns.numbers(name);
        self.rows.iter().map(|&row| all[row]).collect()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let all = self.columns.texts(name);
        self.rows.iter().map(|&row| all[row].clone()).collect()
    }

    /// Whether each stack in a column goes through a function.
    fn go_through(&self, column: &str, function: &str) {
        for stack in self.numbers(column) {
            let frames = self.symbols.get(&stack);
            assert!(
                frames.is_some_and(|frames| frames.iter().any(|frame| frame.contains(function))),
                "{column} {stack} does not go through {function}: {frames:?}"
            );
        }
    }
}

/// The functions of each stack.
fn stacks(trace: &Path) -> HashMap<u64, Vec<String>> {
    let frames = table(trace, "frames");
    let names = frames.numbers("address").into_iter().zip(frames.texts("symbol")).collect::<HashMap<_, _>>();
    let stacks = table(trace, "stacks");
    let name = |address: u64| names.get(&address).cloned().unwrap_or_else(|| format!("{address:#x}"));
    let lists = stacks.lists("addresses").into_iter().map(|list| list.into_iter().map(name).collect());
    stacks.numbers("stack_id").into_iter().zip(lists).collect()
}

/// One holder, one victim: everything that is said about the waits is checked.
fn one_victim(object: &str, lock_type: &str, mode: &str, waits_in: &str, holds_in: Option<&str>) {
    let played = play(object, &["--hold", "100ms", "--enter", "20ms"], 1);
    let holder = played.tenants[0].clone();
    let waited = played.sum(|_, victims| exactly(victims[0].wait_ns()));
    played.agree("the victim's wait", played.waited(1), &waited);
    let blame = played.sum(|holder, victims| held(holder, &victims[0]));
    played.agree("the holder's blame", played.blame(1, &holder), &blame);
    assert_eq!(played.blame(0, &played.tenants[1]), 0, "the holder never waited for the victim");

    let events = Events::of(&played.trace, played.truth.victims[0].tid);
    let rounds = &played.truth.rounds;
    assert_eq!(events.rows.len(), rounds.len(), "one long wait a round");
    let start = manifest(&played.trace)["clock"]["start_mono_ns"].as_u64().unwrap();
    let [begins, waits, spins, sleeps] =
        ["begin_ns", "wait_ns", "spin_ns", "sleep_ns"].map(|name| events.numbers(name));
    let [holds, free, other, unknown] =
        ["held_ns", "free_ns", "other_held_ns", "unknown_ns"].map(|name| events.numbers(name));
    for (row, round) in rounds.iter().enumerate() {
        let (victim, wait) = (&round.victims[0], round.victims[0].wait_ns());
        played.agree("a wait", waits[row], &exactly(wait));
        played.agree("a hold", holds[row], &held(&round.holder, victim));
        let late = (start + begins[row]).abs_diff(victim.enter_ns);
        assert!(late as f64 <= TOLERANCE * wait as f64, "a wait is seen {late} ns from where it began");
        assert_eq!(holds[row] + free[row] + other[row] + unknown[row], waits[row], "the parts make up the wait");
        assert_eq!(spins[row] + sleeps[row], waits[row], "so do spinning and sleeping");
    }
    assert!(events.texts("lock_type").iter().all(|found| found == lock_type), "{:?}", events.texts("lock_type"));
    assert!(events.texts("mode").iter().all(|found| found == mode), "{:?}", events.texts("mode"));
    assert!(events.texts("comm").iter().all(|comm| comm == "lima-victim-1"));
    assert!(events.texts("holder_comm").iter().all(|comm| comm == "lima-holder"), "{:?}", events.texts("holder_comm"));
    assert_eq!(events.numbers("holder_tid"), vec![u64::from(played.truth.holder.tid); rounds.len()]);
    let locks = events.numbers("lock");
    assert!(locks.iter().all(|&lock| lock != 0 && lock == locks[0]), "one lock: {locks:x?}");
    events.go_through("stack_id", waits_in);
    if let Some(holds_in) = holds_in {
        events.go_through("holder_stack_id", holds_in);
        events.go_through("holder_stack_id", "handle_userfault");
    }
    let numbers = column(&played.trace, "tenants", "tenant");
    let names = table(&played.trace, "tenants").texts("name");
    let name = |number: u64| &names[numbers.iter().position(|&found| found == number).unwrap()];
    assert!(events.numbers("waiter_tenant").into_iter().all(|number| *name(number) == played.tenants[1]));
    assert!(events.numbers("holder_tenant").into_iter().all(|number| *name(number) == holder));
}

#[test]
fn the_mutex_of_a_pipe() {
    needs_recorder!();
    one_victim("pipe", "mutex", "exclusive", "pipe_write", Some("pipe_write"));
}

#[test]
fn the_rwsem_of_a_file_held_by_a_writer() {
    needs_recorder!();
    one_victim("inode", "rwsem", "write", "write", Some("write"));
}

#[test]
fn the_rwsem_of_a_directory_held_by_a_reader() {
    needs_recorder!();
    // Where a reader sleeps is not always known.
    one_victim("directory", "rwsem", "write", "open", None);
}

/// Two victims of different tenants queue up behind one holder: both waits are the holder's doing.
fn two_victims(object: &str) {
    let played = play(object, &["--hold", "100ms", "--enter", "20ms,50ms"], 2);
    let holder = played.tenants[0].clone();
    for victim in [0, 1] {
        let waited = played.sum(|_, victims| exactly(victims[victim].wait_ns()));
        played.agree("a victim's wait", played.waited(victim + 1), &waited);
        let blame = played.sum(|holder, victims| held(holder, &victims[victim]));
        played.agree("the holder's blame", played.blame(victim + 1, &holder), &blame);
    }
    assert_eq!(played.blame(0, &played.tenants[1]) + played.blame(0, &played.tenants[2]), 0);
}

#[test]
fn two_tenants_wait_for_the_mutex_of_a_pipe() {
    needs_recorder!();
    two_victims("pipe");
}

#[test]
fn two_tenants_wait_for_the_rwsem_of_a_file() {
    needs_recorder!();
    two_victims("inode");
}

/// A chain: the first victim gets the lock and holds it in its turn, while the second goes on waiting. The second
/// victim's wait has two culprits.
fn chain(object: &str) {
    let played = play(object, &["--hold", "100ms", "--enter", "20ms,40ms", "--then-hold", "80ms,0s"], 2);
    let (holder, first) = (played.tenants[0].clone(), played.tenants[1].clone());
    // The first victim has the lock at the latest when it is seen to be held up itself.
    let waited = played.sum(|holder, victims| {
        holder.hold_end_ns.unwrap() - victims[0].enter_ns..=victims[0].hold_begin_ns.unwrap() - victims[0].enter_ns
    });
    played.agree("the first wait", played.waited(1), &waited);
    played.agree("the second wait", played.waited(2), &played.sum(|_, victims| exactly(victims[1].wait_ns())));
    let by_holder = played.sum(|holder, victims| held(holder, &victims[1]));
    played.agree("the holder's part", played.blame(2, &holder), &by_holder);
    let by_first = played.sum(|holder, victims| {
        let (begin, end) = (victims[0].hold_begin_ns.unwrap(), victims[0].hold_end_ns.unwrap());
        end - begin..=victims[0].leave_ns - holder.hold_end_ns.unwrap()
    });
    played.agree("the first victim's part", played.blame(2, &first), &by_first);
    assert_eq!(played.blame(0, &first) + played.blame(1, &played.tenants[2]), 0);
}

#[test]
fn a_chain_of_holders_of_a_mutex() {
    needs_recorder!();
    chain("pipe");
}

#[test]
fn a_chain_of_holders_of_an_rwsem() {
    needs_recorder!();
    chain("inode");
}
