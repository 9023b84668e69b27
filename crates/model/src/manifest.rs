//! `trace.json`, the front page of a trace: what was recorded, where, how, and what was lost.

use crate::loss::Losses;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The schema that this version writes: `lima-trace/MAJOR`. A reader refuses a larger number.
pub const SCHEMA: &str = "lima-trace/1";

/// The number in a schema name `lima-trace/N`; `None` when the text is something else.
pub fn schema_number(schema: &str) -> Option<u32> {
    schema.strip_prefix("lima-trace/")?.parse().ok()
}

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It has not: the recorder is at work, or was killed.
    Recording,
    /// By Ctrl-C or TERM.
    Interrupted,
    /// The time that was asked for was over.
    Duration,
    /// The command that was recorded ended.
    Command,
    /// Something failed, the trace could not be written for example; `notes` says what.
    Error,
}

/// The machine's kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// `uname -v`.
    pub version: String,
    /// `uname -m`.
    pub machine: String,
    /// The build id of the kernel image in hex, from `/sys/kernel/notes`; empty when it has none.
    pub build_id: String,
    /// How many CPUs are online.
    pub cpus: u32,
    /// By CPU, how far its share of the per-CPU variables lies from where the image has them, modulo 2^64; empty when the
    /// kernel did not tell.
    pub per_cpu: Vec<u64>,
}

/// What the objects and lines of a trace were resolved with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resolved {
    /// The version of LIMA that did it.
    pub lima_version: String,
    /// The kernel's build id of the index.
    pub build_id: String,
    /// What the index was made from: `dwarf` or `bare`.
    pub index: String,
    /// Fingerprint of the code that made the index.
    pub analysis: String,
}

/// The clock of a trace. All times in tables are nanoseconds of CLOCK_MONOTONIC since `start_mono_ns`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clock {
    /// Wall-clock time of the start, nanoseconds since 1970.
    pub start_unix_ns: i64,
    /// CLOCK_MONOTONIC at the start, nanoseconds.
    pub start_mono_ns: u64,
    /// How long was recorded, nanoseconds; while recording, up to the last segment.
    pub duration_ns: u64,
}

/// A filter as it was asked for, applied in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// What is compared: `pid`, `tid`, `comm`, `cgroup`, `tenant`, `cpu`, `type`, `lock` or `site`.
    pub field: String,
    /// The values that pass.
    pub values: Vec<String>,
}

/// What was asked of the recorder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The level of tracing: `contention` or `acquisitions`.
    pub level: String,
    /// Single waits are kept from this duration on, nanoseconds.
    pub threshold_ns: u64,
    /// The width of a time bucket of the totals, nanoseconds.
    pub bucket_ns: u64,
    /// Whether user stacks were recorded.
    pub user_stacks: bool,
    /// What makes a tenant: `cgroup`, `pidns`, `comm` or `user`.
    pub tenant_by: String,
    /// With `cgroup`: the hierarchy that was read, `v2` or the name of a v1 controller.
    pub cgroup_hierarchy: String,
    /// The filters, all of which a wait must pass.
    pub filters: Vec<Filter>,
    /// What was measured of acquisitions, by the names of [`Stat`](crate::Stat).
    pub stats: Vec<String>,
    /// Of which lock types only a sample of the acquisitions was recorded, by name: one in so many. The numbers in the
    /// table are estimates for all.
    pub sample: BTreeMap<String, u32>,
    /// How many keys the totals of one time bucket can hold.
    pub max_totals: u32,
    /// The size of the ring buffer, bytes.
    pub buffer_bytes: u64,
}

/// One kernel-side program and what it cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// The kernel event it is attached to.
    pub attached_to: String,
    /// How often it ran; 0 unless `kernel.bpf_stats_enabled` is set.
    pub runs: u64,
    /// Its time in nanoseconds; 0 unless `kernel.bpf_stats_enabled` is set.
    pub run_ns: u64,
    /// How often the kernel skipped it because it was running on that CPU already.
    pub recursion_misses: u64,
}

/// A lock function that was to be traced, at the level `acquisitions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// Its name.
    pub function: String,
    /// The type of its locks.
    pub lock_type: String,
    /// `acquire`, `try`, `release` or `init`.
    pub operation: String,
    /// `attached`; `missing` when this kernel has no such function; `not asked for` when what was asked for does not need
    /// it; else why it could not be traced.
    pub state: String,
}

/// What is missing where these functions are traced, by type and operation: where there is none that the kernel has, and
/// each that it refused.
pub fn not_traced(hooks: &[Hook]) -> Vec<String> {
    let mut families: BTreeMap<(&str, &str), Vec<&Hook>> = BTreeMap::new();
    for hook in hooks.iter().filter(|hook| hook.state != Hook::NOT_ASKED) {
        families.entry((&hook.lock_type, &hook.operation)).or_default().push(hook);
    }
    let asked = |family: &(&str, &str)| {
        !hooks
            .iter()
            .any(|hook| hook.state == Hook::NOT_ASKED && (hook.lock_type.as_str(), hook.operation.as_str()) == *family)
    };
    let missing =
        families.iter().filter(|(family, hooks)| asked(family) && hooks.iter().all(|hook| hook.state == Hook::MISSING));
    let missing: Vec<_> = missing.map(|((lock_type, operation), _)| format!("{lock_type} {operation}")).collect();
    let mut lines = Vec::new();
    if !missing.is_empty() {
        lines.push(format!("{}: this kernel has no such function", missing.join(", ")));
    }
    for ((lock_type, operation), hooks) in families {
        let refused = hooks.iter().filter(|hook| ![Hook::MISSING, Hook::ATTACHED].contains(&hook.state.as_str()));
        lines.extend(refused.map(|hook| format!("{lock_type} {operation} by {}: {}", hook.function, hook.state)));
    }
    lines
}

impl Hook {
    /// Its state when it is traced.
    pub const ATTACHED: &str = "attached";
    /// Its state when the kernel has no such function.
    pub const MISSING: &str = "missing";
    /// Its state when nothing that was asked for needs it.
    pub const NOT_ASKED: &str = "not asked for";
}

/// Waits cut by the borders of the recording. They are not losses: no recording can know their length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edges {
    /// Waits that had begun before the recording did.
    pub began_before: u64,
    /// Waits that had not ended when the recording did.
    pub unfinished: u64,
    /// Releases of locks that had been acquired before the recording began.
    #[serde(default)]
    pub held_before: u64,
}

/// How the recorder came to its numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workings {
    /// Kernel stacks read by the known distances between their addresses.
    pub stacks_recalled: u64,
    /// Kernel stacks walked by the kernel.
    pub stacks_walked: u64,
    /// Waits for which the kernel side's maps had no room, added up by the recorder instead.
    pub waits_spilled: u64,
    /// Waits of LIMA's own programs for the locks of their maps: its own doing, counted nowhere else.
    #[serde(default)]
    pub own_waits: u64,
    /// Acquisitions by LIMA's own process; they are left out.
    #[serde(default)]
    pub own_acquisitions: u64,
    /// Acquisitions and ends of holds for which the kernel side's sums had no room, added up by the recorder instead.
    #[serde(default)]
    pub acquisitions_spilled: u64,
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of LIMA that wrote the trace.
    pub lima_version: String,
    /// Whether the recording ended in order and nothing was lost.
    pub complete: bool,
    /// How the recording ended.
    pub ended: Ended,
    /// The name of the machine.
    #[serde(default)]
    pub host: String,
    /// The machine's kernel.
    #[serde(default)]
    pub kernel: Kernel,
    /// The command that was recorded, word by word; empty without one.
    #[serde(default)]
    pub command: Vec<String>,
    /// The exit status of the command (128 + N after signal N).
    #[serde(default)]
    pub exit_status: Option<i32>,
    /// What was asked of the recorder.
    #[serde(default)]
    pub options: Options,
    /// The clock of the trace.
    #[serde(default)]
    pub clock: Clock,
    /// What was lost, by cause.
    #[serde(default)]
    pub losses: Losses,
    /// Waits cut by the borders of the recording.
    #[serde(default)]
    pub edges: Edges,
    /// How the recorder came to its numbers.
    #[serde(default)]
    pub workings: Workings,
    /// The kernel-side programs.
    #[serde(default)]
    pub programs: Vec<Program>,
    /// The lock functions that are traced, or could not be; empty at the level `contention`.
    #[serde(default)]
    pub hooks: Vec<Hook>,
    /// What it was resolved with, when `lima resolve` has written its tables into it.
    #[serde(default)]
    pub resolved: Option<Resolved>,
    /// What a reader of the numbers should know: features that this kernel lacks, approximations, errors.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Manifest {
    /// A manifest for a recording that is about to begin.
    pub fn begin(lima_version: &str) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            lima_version: lima_version.to_owned(),
            complete: false,
            ended: Ended::Recording,
            host: String::new(),
            kernel: Kernel::default(),
            command: Vec::new(),
            exit_status: None,
            options: Options::default(),
            clock: Clock::default(),
            losses: Losses::none(),
            edges: Edges::default(),
            workings: Workings::default(),
            programs: Vec::new(),
            hooks: Vec::new(),
            resolved: None,
            notes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_traced_is_told_by_family() {
        let hook = |function: &str, lock_type: &str, operation: &str, state: &str| Hook {
            function: function.into(),
            lock_type: lock_type.into(),
            operation: operation.into(),
            state: state.into(),
        };
        let hooks = [
            hook("mutex_lock", "mutex", "acquire", Hook::ATTACHED),
            hook("mutex_lock_nested", "mutex", "acquire", Hook::MISSING),
            hook("__rwlock_init", "rwlock", "init", Hook::MISSING),
            hook("up", "semaphore", "release", Hook::NOT_ASKED),
            hook("down_read", "rwsem", "acquire", Hook::NOT_ASKED),
            hook("down_read_nested", "rwsem", "acquire", Hook::MISSING),
            hook("down", "semaphore", "acquire", "no room"),
        ];
        assert_eq!(
            not_traced(&hooks),
            ["rwlock init: this kernel has no such function", "semaphore acquire by down: no room"]
        );
        assert!(not_traced(&hooks[..2]).is_empty());
    }
}
