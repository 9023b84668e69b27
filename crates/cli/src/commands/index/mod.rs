//! `lima index`: make an index of a kernel, and ask it.

mod ask;
mod build;
pub(crate) mod cache;

use anyhow::Result;
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// The arguments.
#[derive(Args, Debug)]
#[command(
    long_about = "Make an index of a kernel, and ask it: every lock, the object that it protects, and every place that \
        takes it.\n\nAn index is made from the kernel's image alone; nothing is run or traced. Objects are called \
        `TYPE.path` (inode.i_rwsem) or by a variable's name (tasklist_lock).",
    after_help = "Start with `lima index build`, then `lima index sites --object inode.i_rwsem`."
)]
pub struct Arguments {
    /// What to do
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the index of a kernel
    Build(build::Arguments),
    /// Which locks there are: members of structs, and variables
    Locks(ask::Locks),
    /// Which places acquire, try, release or initialise a lock
    Sites(ask::Sites),
    /// Whom a function calls, or who calls it
    Calls(ask::Calls),
    /// How a function or system call comes to take a lock
    Path(ask::Path),
    /// How a struct is laid out: its members, locks and cache lines
    Show(ask::Show),
    /// What is at an address of code or data
    At(ask::At),
    /// Which locks and sites were added, are gone, or changed between two kernels
    Diff(ask::Diff),
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::Build(arguments) => build::run(arguments)?,
        Command::Locks(question) => question.answer()?,
        Command::Sites(question) => question.answer()?,
        Command::Calls(question) => question.answer()?,
        Command::Path(question) => question.answer()?,
        Command::Show(question) => question.answer()?,
        Command::At(question) => question.answer()?,
        Command::Diff(question) => question.answer()?,
    }
    Ok(ExitCode::SUCCESS)
}
