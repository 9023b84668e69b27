//! `lima mark`: a new phase in a recording under way.

use super::record::control::begin_phase;
use anyhow::{Result, ensure};
use clap::Args;
use std::process::ExitCode;

/// The arguments.
#[derive(Args, Debug)]
#[command(
    long_about = "Begin a new phase in a recording under way.\n\nReturns when the phase has begun: what is started after that \
        is in it. `lima report --phase NAME` and `--by phase` tell the phases apart; what was before the first mark is the \
        phase `start`.",
    after_help = "\
Example, cold and warm in one recording:
  lima record -o service.lima -- sh -c './start-service; lima mark warm; ./load'
  lima report service.lima --by phase"
)]
pub struct Arguments {
    /// The phase's name
    #[arg(value_name = "NAME")]
    name: String,
    /// The process of the recorder, when several record at once
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let name = arguments.name.trim();
    ensure!(!name.is_empty() && !name.contains('\n'), "the name of a phase is one line of text");
    begin_phase(arguments.pid, name)?;
    Ok(ExitCode::SUCCESS)
}
