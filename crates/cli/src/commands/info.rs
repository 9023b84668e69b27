//! `lima info`.

use anyhow::{Result, bail};
use clap::Args;
use std::process::ExitCode;

/// The arguments.
#[derive(Args, Debug)]
pub struct Arguments {}

/// Runs the command.
pub fn run(_arguments: &Arguments) -> Result<ExitCode> {
    bail!("not built yet")
}
