//! Tools of the workspace that are not part of LIMA.
//!
//! `cargo xtask accuracy` judges an index by the kernel's source.

mod accuracy;
mod source;

use anyhow::{Result, bail};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs a command; whether what it checks is as it should be.
fn run(arguments: &[String]) -> Result<bool> {
    match arguments.split_first() {
        Some((command, rest)) if command == "accuracy" => accuracy::run(rest),
        _ => bail!("the commands are:\n\n{}", accuracy::USAGE),
    }
}
