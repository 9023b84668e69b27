//! `STUDY.toml`: what is asked for.

mod read;

use super::platform::Platform;
use super::workload::Catalogue;
use serde::Deserialize;
use std::time::Duration;

/// A commented example: what `lima study new` writes.
pub const EXAMPLE: &str = include_str!("../example.toml");

/// A study as it was asked for, checked.
#[derive(Clone, Debug)]
pub struct File {
    /// What it is called.
    pub name: String,
    /// Where the runs are made.
    pub target: Target,
    /// What is traced.
    pub level: Level,
    /// The platforms.
    pub platforms: Vec<Platform>,
    /// The groups of tenants, each tenant by its workload.
    pub groups: Vec<Vec<String>>,
    /// How often each run is made.
    pub repetitions: u32,
    /// How long the steady part of the warm phase is.
    pub warm: Duration,
    /// How much of each workload's fixed amount of work is done, in per cent.
    pub work_percent: u32,
    /// How long a step of a run may take: a platform's start, the work.
    pub timeout: Duration,
    /// What files containers and guests see.
    pub root: Root,
    /// Measures against interference through hardware that are wanted.
    pub isolation: Vec<Isolation>,
    /// The guest, where runs are made in one.
    pub lab: Lab,
    /// All workloads, the study's own among them.
    pub catalogue: Catalogue,
}

/// Where runs are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// On this machine.
    Here,
    /// Each in a fresh guest with this kernel.
    Lab(String),
}

impl Target {
    /// As it is written.
    pub fn name(&self) -> String {
        match self {
            Self::Here => "here".to_owned(),
            Self::Lab(kernel) => format!("lab:{kernel}"),
        }
    }
}

/// The levels of tracing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Waits.
    #[default]
    Contention,
    /// Every acquisition, hold and initialisation besides.
    Acquisitions,
}

impl Level {
    /// As `lima record --level` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contention => "contention",
            Self::Acquisitions => "acquisitions",
        }
    }
}

/// What files containers and guests see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Root {
    /// The machine's own, with changes in memory.
    #[default]
    Machine,
    /// A minimal Debian with the workloads on it, made once.
    Debian,
}

/// Measures against interference through hardware, or against chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// One thread a core.
    SmtOff,
    /// Each tenant on CPUs of its own.
    Pinning,
    /// Each tenant in a part of the last-level cache of its own.
    Resctrl,
    /// Addresses of processes are not random.
    AslrOff,
}

/// The guest of the lab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lab {
    /// CPUs.
    pub cpus: Option<u32>,
    /// Memory, in MiB.
    pub memory_mib: Option<u64>,
    /// How its instructions are run.
    pub accel: Accel,
}

/// How a guest's instructions are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accel {
    /// With KVM when it boots the kernel, in software otherwise.
    #[default]
    Auto,
    /// With KVM.
    Kvm,
    /// In software.
    Tcg,
    /// In software, one CPU at a time.
    TcgSingle,
}
