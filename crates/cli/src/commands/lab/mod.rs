//! `lima lab`: stock kernels under QEMU, and loads with known lock contention.

mod kernels;
mod load;
mod module;
mod run;

use anyhow::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// The arguments.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
A guest is a stock Debian kernel under QEMU, with or without KVM. It runs one command as root over this machine's own
files, which it cannot change, and is gone afterwards:

  lima lab run -- uname -r                        boot the newest 6.1 at hand (fetched when there is none)
  lima lab run --kernel 6.12 -- lima doctor       what that kernel permits
  lima lab run --out results -- \\
      lima record -o results/fight.lima -- \\
      lima lab load hammer --dir /tmp --seconds 3 record there, keep the trace here
  lima report results/fight.lima

docs/lab.md tells the rest.";

#[derive(Debug, Subcommand)]
enum Command {
    /// List the kernels that are cached here, and those that can be fetched
    Kernels(kernels::ListArguments),
    /// Fetch a kernel from Debian's archive into the cache
    Fetch(kernels::FetchArguments),
    /// Build a kernel with more tracing than Debian's into the cache
    BuildKernel(kernels::BuildArguments),
    /// Boot a kernel and run a command in it as root
    Run(Box<run::Arguments>),
    /// Run a load; it prints what it did as JSON
    #[command(subcommand)]
    Load(load::Load),
    /// Build and drive a kernel module with locks of known truth
    #[command(subcommand)]
    Module(module::Module),
    /// Play one part in a load (used by `lima lab load culprit` itself)
    #[command(hide = true)]
    Role(load::RoleArguments),
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::Kernels(arguments) => kernels::list(arguments),
        Command::Fetch(arguments) => kernels::fetch(arguments),
        Command::BuildKernel(arguments) => kernels::build(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Load(load) => load::run(load),
        Command::Module(module) => module::run(module),
        Command::Role(role) => load::play(role),
    }
}

/// One line about what is being done.
fn say(what: &str) {
    eprintln!("lima lab: {}", lima_model::escape::terminal(what));
}
