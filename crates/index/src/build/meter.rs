//! What making an index costs, stage by stage, and how far it is.

use lima_model::index::{Cost, Stage};
use rustix::time::{ClockId, clock_gettime};
use std::time::Instant;

/// How far the work is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// What is being done.
    pub stage: &'a str,
    /// How many things of this stage are done; with `total` 0 it has no parts.
    pub done: u64,
    /// Out of how many.
    pub total: u64,
}

/// Where progress is reported to, from any thread.
pub type Report<'a> = &'a (dyn Fn(Progress<'_>) + Sync);

/// Measures stages.
pub(super) struct Meter<'a> {
    report: Report<'a>,
    begin: Mark,
    stages: Vec<Stage>,
}

#[derive(Clone, Copy)]
struct Mark {
    wall: Instant,
    cpu_ns: u64,
}

impl Mark {
    fn now() -> Self {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let cpu_ns = u64::try_from(time.tv_sec).unwrap_or_default().saturating_mul(1_000_000_000);
        Self { wall: Instant::now(), cpu_ns: cpu_ns.saturating_add(u64::try_from(time.tv_nsec).unwrap_or_default()) }
    }

    /// Wall and CPU time since.
    fn since(self) -> (u64, u64) {
        let wall = u64::try_from(self.wall.elapsed().as_nanos()).unwrap_or(u64::MAX);
        (wall, Self::now().cpu_ns.saturating_sub(self.cpu_ns))
    }
}

impl<'a> Meter<'a> {
    pub(super) fn new(report: Report<'a>) -> Self {
        Self { report, begin: Mark::now(), stages: Vec::new() }
    }

    /// Runs a stage.
    pub(super) fn stage<T>(&mut self, name: &str, work: impl FnOnce(Report<'_>) -> T) -> T {
        (self.report)(Progress { stage: name, done: 0, total: 0 });
        let begin = Mark::now();
        let result = work(self.report);
        let (wall_ns, cpu_ns) = begin.since();
        self.stages.push(Stage { name: name.to_owned(), wall_ns, cpu_ns });
        result
    }

    /// All that was measured. What was done before the first stage counts too: opening the files.
    pub(super) fn finish(self) -> Cost {
        let (wall_ns, cpu_ns) = self.begin.since();
        Cost { wall_ns, cpu_ns, peak_bytes: peak_bytes(), stages: self.stages }
    }
}

/// The most memory that this process had; 0 when the system does not tell.
pub(super) fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or_default().saturating_mul(1024)
}
