//! `lima study`: workloads on isolation platforms, traced cold and warm, again and again.

mod check;
mod run;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use lima_lab::study::workload::Catalogue;
use lima_lab::study::{EXAMPLE, run as runs};
use std::io::{ErrorKind, Write, stdout};
use std::path::PathBuf;
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
A study is a file that names platforms and workloads. Its runs are made on this machine, or each in a fresh guest with a stock
kernel, and traced while they start (phase `cold`) and while they run (phase `warm`):

  lima study new study.toml             a commented example to begin with
  lima study check study.toml           what will run, how long it takes, what is missing here
  lima study run study.toml -o mine     run it; the same command goes on after an interruption
  lima analyze mine                     tables, figures, findings

docs/study.md tells the rest.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented example
    New(NewArguments),
    /// List the workloads that come with LIMA
    Workloads,
    /// Say what a study will run, how long that takes, and what this machine lacks for it
    Check(check::Arguments),
    /// Make the runs of a study that are not made yet
    Run(run::Arguments),
    /// Make one run (used by `lima study run` itself)
    #[command(hide = true)]
    One(OneArguments),
    /// Make one run in a guest (used by `lima study run` itself)
    #[command(hide = true)]
    InGuest(OneArguments),
}

/// Where the example goes.
#[derive(Args, Debug)]
struct NewArguments {
    /// The file to write [default: standard output]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Which run.
#[derive(Args, Debug)]
struct OneArguments {
    #[arg(long, value_name = "DIR")]
    study: PathBuf,
    #[arg(long, value_name = "ID")]
    run: String,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::New(arguments) => new(arguments),
        Command::Workloads => workloads(),
        Command::Check(arguments) => check::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::One(one) => {
            runs::one(&one.study, &one.run, &std::env::current_exe()?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::InGuest(one) => runs::in_guest(&one.study, &one.run, &std::env::current_exe()?),
    }
}

fn new(arguments: &NewArguments) -> Result<ExitCode> {
    match &arguments.file {
        None => print(EXAMPLE)?,
        Some(path) => {
            let shown = || super::record::shown(path);
            let mut file = std::fs::File::create_new(path).with_context(|| format!("cannot make {}", shown()))?;
            file.write_all(EXAMPLE.as_bytes()).with_context(|| format!("cannot write {}", shown()))?;
            eprintln!("wrote {0}; next: lima study check {0}", shown());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn workloads() -> Result<ExitCode> {
    let all = Catalogue::built_in()?;
    let width = all.iter().map(|workload| workload.name.len()).max().unwrap_or_default();
    let mut rows: Vec<_> = all.iter().collect();
    rows.sort_by_key(|workload| (workload.group, workload.name.clone()));
    let text: String = rows
        .iter()
        .map(|workload| format!("{:8}  {:width$}  {}\n", workload.group.name(), workload.name, workload.about))
        .collect();
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn print(text: &str) -> Result<()> {
    match stdout().write_all(text.as_bytes()).and_then(|()| stdout().flush()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}
