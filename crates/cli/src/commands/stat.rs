//! `lima stat`: record and report at once, without keeping the trace.

use super::record::options::RecordOptions;
use super::record::{exit_code, session};
use super::report;
use anyhow::{Context, Result};
use clap::Args;
use std::process::ExitCode;

/// The arguments.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    options: RecordOptions,

    #[command(flatten)]
    view: report::How,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("lima-stat-").tempdir().context("cannot make a temporary folder")?;
    let trace = folder.path().join("stat.lima");
    let outcome = session::record(&arguments.options, &trace)?;
    report::show(&trace, &arguments.view)?;
    exit_code(outcome.exit_status)
}
