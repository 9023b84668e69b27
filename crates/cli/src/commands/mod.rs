//! One file a command: its arguments and what it does with them.

pub mod analyze;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod doctor;
pub mod explain;
pub mod index;
pub mod info;
pub mod interference;
pub mod lab;
pub mod man;
pub mod mark;
mod opened;
mod output;
pub mod record;
pub mod report;
pub mod resolve;
pub mod stat;
pub mod study;

use crate::cli::Command;
use anyhow::Result;
use std::process::ExitCode;

/// Runs a command. An error ends the program with exit code 2.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
        Command::Stat(arguments) => stat::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Resolve(arguments) => resolve::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Interference(arguments) => interference::run(&arguments),
        Command::Analyze(arguments) => analyze::run(&arguments),
        #[cfg(feature = "cluster")]
        Command::Cluster(arguments) => cluster::run(&arguments),
        Command::Info(arguments) => info::run(&arguments),
        Command::Index(arguments) => index::run(&arguments),
        Command::Lab(arguments) => lab::run(&arguments),
        Command::Study(arguments) => study::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
        Command::Mark(arguments) => mark::run(&arguments),
    }
}
