//! What the machine under the tests can do, and who may use it when.

use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Says that a test is left out: on the screen, and in the file that `LIMA_SKIPS` names.
pub fn skipped(why: &str) {
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    println!("skipped: {why}");
    if let Some(list) = std::env::var_os("LIMA_SKIPS") {
        let mut list = File::options().create(true).append(true).open(list).unwrap();
        writeln!(list, "{test}: {why}").unwrap();
    }
}

/// Whether lock waits can be recorded here; if not, the test is noted as skipped. Asked of the kernel, not of LIMA:
/// a recorder that does not work must fail its tests.
pub fn can_record() -> bool {
    if !rustix::process::geteuid().is_root() {
        skipped("recording needs root");
        return false;
    }
    const TRACEPOINT: &[u8] = b"btf_trace_contention_begin\0";
    let known = fs::read("/sys/kernel/btf/vmlinux")
        .is_ok_and(|types| types.windows(TRACEPOINT.len()).any(|window| window == TRACEPOINT));
    if !known {
        skipped("this kernel has no BTF, or no lock:contention_begin in it (Linux 5.19)");
    }
    known
}

/// Whether a program is installed; if not, the test is noted as skipped.
pub fn has(program: &str, argument: &str) -> bool {
    let found = Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        skipped(&format!("{program} is not installed"));
    }
    found
}

/// A name that no other test has, now or at the same time.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("lima-test-{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Held by a test that can stand the company of others.
#[derive(Debug)]
pub struct Loaded(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

/// Held by a test that needs the machine for itself.
#[derive(Debug)]
pub struct Quiet(#[expect(dead_code, reason = "the lock lives as long as the file is open")] File);

impl Loaded {
    /// Waits until no test needs quiet.
    pub fn take() -> Self {
        Self(locked(FlockOperation::LockShared))
    }
}

impl Quiet {
    /// Waits until no other test that records is running.
    pub fn take() -> Self {
        Self(locked(FlockOperation::LockExclusive))
    }
}

fn locked(how: FlockOperation) -> File {
    let path = std::env::temp_dir().join("lima-tests.lock");
    let file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
    while let Err(error) = flock(&file, how) {
        assert_eq!(error, rustix::io::Errno::INTR);
    }
    file
}

/// Waits until something that other processes do has happened; `false` when it has not after a minute. For what has
/// no event to wait for.
pub fn comes_true(mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(60);
    while !condition() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// The ids of all programs, maps and links that the kernel holds, as `prog 7`.
pub fn probe_objects() -> BTreeSet<String> {
    use libbpf_rs::query::{LinkInfoIter, MapInfoIter, ProgInfoIter};
    let programs = ProgInfoIter::default().map(|info| format!("prog {} {}", info.id, info.name.to_string_lossy()));
    let maps = MapInfoIter::default().map(|info| format!("map {} {}", info.id, info.name.to_string_lossy()));
    let links = LinkInfoIter::default().map(|info| format!("link {}", info.id));
    programs.chain(maps).chain(links).collect()
}
