//! What a study leaves behind: the front page of the study and that of each of its runs.
//!
//! A study is a folder: `study.toml` (what was asked for), `study.json` ([`Study`]), `runs/ID/` and `results/`. A run is one
//! group of tenants on one platform, one repetition: `runs/ID/run.json` ([`Run`]) and the trace `runs/ID/trace.lima/`, whose
//! rows have the phases [`COLD`] and [`WARM`]. `lima study run` writes both, `lima analyze` reads them.

use serde::{Deserialize, Serialize};

/// The schema that this version writes.
pub const SCHEMA: &str = "lima-study/1";

/// The phase from the start of the platform to the workload's first work.
pub const COLD: &str = "cold";
/// The phase of steady work.
pub const WARM: &str = "warm";

/// The trace in the folder of a run.
pub const TRACE: &str = "trace.lima";
/// The front page in the folder of a run. It is written last, so that a run without it was cut.
pub const RUN_FILE: &str = "run.json";
/// The front page of a study.
pub const STUDY_FILE: &str = "study.json";
/// The copy of what was asked for.
pub const STUDY_TOML: &str = "study.toml";
/// The folder of the runs.
pub const RUNS: &str = "runs";
/// The folder of what was made of them.
pub const RESULTS: &str = "results";

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// To its end.
    Done,
    /// Something did not work: a platform did not start, a workload ended with an error.
    #[default]
    Failed,
    /// It took longer than it may, or took its guest with it.
    Hung,
    /// It was not tried: the machine lacks something.
    Skipped,
}

impl Status {
    /// The word as it stands in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Hung => "hung",
            Self::Skipped => "skipped",
        }
    }
}

/// Kinds of workloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// A microbenchmark: one thing, again and again.
    Micro,
    /// Starts, computes, writes, ends.
    Function,
    /// A server and its clients.
    Service,
    /// Any command.
    #[default]
    Command,
}

impl Group {
    /// The word as it stands in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Micro => "micro",
            Self::Function => "function",
            Self::Service => "service",
            Self::Command => "command",
        }
    }
}

/// A tenant of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tenant {
    /// Its name in the trace's table `tenants`.
    pub name: String,
    /// The workload that it runs.
    pub workload: String,
    /// The kind of workload.
    pub group: Group,
    /// The stressor of stress-ng, of workloads that are one.
    pub stressor: Option<String>,
    /// From the order to its end, the fixed amount of work while tracing; `None` where the workload has none.
    pub elapsed_traced_ns: Option<u64>,
    /// The same without tracing.
    pub elapsed_untraced_ns: Option<u64>,
}

/// Work that a platform does for a tenant outside of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Helper {
    /// A tenant of the trace, by its name in the table `tenants`.
    pub name: String,
    /// The tenant (its name in the trace) that it works for.
    pub works_for: String,
    /// What it is: `runtime`, `vmm`.
    pub role: String,
    /// How that is known.
    pub known_by: String,
}

/// How long the phases were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Phases {
    /// From the start of the first platform until the last tenant's workload began its first work.
    pub cold_ns: u64,
    /// From the mark until the recorder was told to end.
    pub warm_ns: u64,
}

/// A measure against interference through hardware, or against chance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measure {
    /// `smt_off`, `pinning`, `resctrl` or `aslr_off`.
    pub name: String,
    /// Whether it was in force.
    pub done: bool,
    /// How, or why it was not possible.
    pub detail: String,
}

/// `run.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// `PLATFORM.WORKLOADS.rN`, the workloads joined by `+`.
    pub id: String,
    /// The platform.
    pub platform: String,
    /// Which repetition, from 1 on.
    pub repetition: u32,
    /// How it ended.
    pub status: Status,
    /// Why it did not end well.
    pub reason: Option<String>,
    /// The level of tracing: `contention` or `acquisitions`.
    pub level: String,
    /// The tenants.
    pub tenants: Vec<Tenant>,
    /// How long the phases were.
    pub phases: Phases,
    /// From the order until the last tenant had done a fixed amount of work, traced; `None` where a workload has none.
    pub elapsed_traced_ns: Option<u64>,
    /// The same without tracing, right after.
    pub elapsed_untraced_ns: Option<u64>,
    /// What the platform does for the tenants outside of them.
    pub helpers: Vec<Helper>,
    /// Measures against interference through hardware.
    pub isolation: Vec<Measure>,
    /// The build id of the kernel it ran on.
    pub kernel_build_id: String,
    /// The machine that it saw.
    pub machine: Option<Machine>,
    /// The tools that it used.
    pub tools: Vec<Tool>,
    /// What a reader of the numbers should know.
    pub notes: Vec<String>,
    /// When it began, as RFC 3339 has it.
    pub started: String,
    /// From its set-up to its end.
    pub took_ns: u64,
}

/// The version of a tool that the runs use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it says of its version.
    pub version: String,
}

/// The machine that the runs were made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// CPUs that were online.
    pub cpus: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// `uname -r`.
    pub kernel_release: String,
    /// The build id of the kernel.
    pub kernel_build_id: String,
}

/// A run that is planned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Planned {
    /// The run's id.
    pub id: String,
    /// The platform.
    pub platform: String,
    /// The workloads, one a tenant.
    pub workloads: Vec<String>,
    /// Which repetition.
    pub repetition: u32,
}

/// `study.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Study {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of LIMA that wrote it.
    pub lima_version: String,
    /// What the study is called.
    pub name: String,
    /// Where the runs are made: `here` or `lab:KERNEL`.
    pub target: String,
    /// The machine that LIMA was called on.
    pub machine: Machine,
    /// The machine that the runs saw: a guest of the lab has its own. Known from the first run on.
    pub guest: Option<Machine>,
    /// Measures against interference through hardware, as the first run that ended well had them.
    pub isolation: Vec<Measure>,
    /// All runs, in their order.
    pub plan: Vec<Planned>,
    /// The tools that the runs used, as far as runs have been made.
    pub tools: Vec<Tool>,
}
