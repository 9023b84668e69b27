//! Tools of the workspace that are not part of LIMA.
//!
//! `cargo xtask accuracy` judges an index by the kernel's source, `cargo xtask compare` measures what making it costs.

mod accuracy;
mod compare;
mod measure;
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
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{}\n{}", accuracy::USAGE, compare::USAGE);
        return Ok(true);
    }
    match arguments.split_first() {
        Some((command, rest)) if command == "accuracy" => accuracy::run(rest),
        Some((command, rest)) if command == "compare" => compare::run_all(rest),
        _ => bail!("the commands are:\n\n{}\n{}", accuracy::USAGE, compare::USAGE),
    }
}
