//! The command line as a whole. Each command's own arguments stand beside what it does, in `commands/`.

#[cfg(feature = "cluster")]
use crate::commands::cluster;
use crate::commands::{
    analyze, doctor, explain, index, info, interference, lab, man, mark, record, report, resolve, stat, study,
};
use clap::{Parser, Subcommand};

/// Which kernel locks a workload waits for, what they protect, and which tenant slows which.
#[derive(Debug, Parser)]
#[command(name = "lima", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Start with `lima doctor`, then `lima record -d 10s`, then `lima report lima-*.lima`.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what this kernel and these privileges permit
    Doctor(doctor::Arguments),
    /// Record lock waits of the running kernel into a trace
    Record(record::Arguments),
    /// Begin a new phase in a recording under way
    Mark(mark::Arguments),
    /// Record and report at once, without keeping the trace
    Stat(stat::Arguments),
    /// Say what the locks of a trace protect, with an index of its kernel
    Resolve(resolve::Arguments),
    /// Say how it is known what a lock protects
    Explain(explain::Arguments),
    /// Show which locks cost time, and where
    Report(report::Arguments),
    /// Show which tenant slowed which, through which objects
    Interference(interference::Arguments),
    /// Make tables, figures and findings from the runs of a study
    Analyze(analyze::Arguments),
    /// Let several machines analyze together
    #[cfg(feature = "cluster")]
    Cluster(cluster::Arguments),
    /// Show what a trace holds and what it lost
    Info(info::Arguments),
    /// Make an index of a kernel, and ask it: its locks, what they protect, who takes them
    Index(index::Arguments),
    /// Run loads with known lock contention
    Lab(lab::Arguments),
    /// Run workloads on isolation platforms and trace them, cold and warm, again and again
    Study(study::Arguments),
    /// Write the manual pages
    #[command(hide = true)]
    Man(man::Arguments),
}
