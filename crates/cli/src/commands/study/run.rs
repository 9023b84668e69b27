//! `lima study run`.

use super::check::length;
use super::print;
use anyhow::{Context, Result};
use clap::Args;
use lima_lab::study::run::{Event, Order, Stop, run as make};
use lima_lab::study::{File, Root, Target, plan, root};
use lima_model::escape::terminal;
use lima_model::study::{Run, Status};
use std::fmt::Write as _;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The arguments.
#[derive(Args, Debug)]
#[command(after_help = "\
What is done is kept: the same command goes on after an interruption. Exit status: 0 when all runs ended well, 1 when some did
not, 130 when it was interrupted, 2 when the study cannot be run.")]
pub struct Arguments {
    /// The study's file
    #[arg(value_name = "STUDY.toml")]
    file: PathBuf,
    /// The folder of its runs [default: the file's name without its ending]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Make those runs again that did not end well
    #[arg(long)]
    retry: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let path = &arguments.file;
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", super::super::record::shown(path)))?;
    let study = File::read(path)?;
    anyhow::ensure!(
        rustix::process::geteuid().is_root(),
        "a study needs root: it records, makes cgroups, mounts and containers: sudo lima study run ..."
    );
    let folder = match &arguments.output {
        Some(folder) => folder.clone(),
        None => path.with_extension(""),
    };
    anyhow::ensure!(folder != *path, "name a folder for the runs with -o");
    let folder = std::path::absolute(folder)?;
    let machines = study.platforms.iter().any(|platform| platform.is_machine());
    if machines || (study.root == Root::Debian) {
        root::make(&say)?;
    }
    if let Target::Lab(kernel) = &study.target {
        // Before the first guest, so that no run waits for it.
        let cache = lima_lab::guest::Cache::of_user()?;
        lima_lab::guest::fetch(&cache, kernel, lima_lab::guest::Extras::default(), &say)?;
    }
    let stop = Stop::on_signals()?;
    let program = std::env::current_exe()?;
    let version = env!("CARGO_PKG_VERSION");
    let order =
        Order { study: &study, text: &text, folder: &folder, program: &program, version, retry: arguments.retry };
    let planned = plan::plan(&study).len();
    let runs = make(&order, &stop, &mut |event| show(&event))?;
    print(&said(&runs, planned, &folder))?;
    Ok(match (runs.len() == planned, runs.iter().all(|run| run.status == Status::Done)) {
        (false, _) => ExitCode::from(130),
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::FAILURE,
    })
}

fn say(what: &str) {
    eprintln!("lima study: {}", terminal(what));
}

/// On a terminal, a line a run; in a pipe only what went wrong.
fn show(event: &Event<'_>) {
    let seen = stderr().is_terminal();
    match event {
        Event::Began { run, number, of, left } if seen => {
            eprint!("\r\x1b[K{number} of {of}, about {} left: {}", length(*left), terminal(&run.id));
        }
        Event::Ended(run) if run.status != Status::Done => {
            let why = run.reason.as_deref().unwrap_or_default();
            let begin = if seen { "\r\x1b[K" } else { "" };
            eprintln!("{begin}{} {}: {}", terminal(&run.id), run.status.name(), terminal(why));
        }
        Event::Ended(_) if seen => eprint!("\r\x1b[K"),
        _ => {}
    }
}

fn said(runs: &[Run], planned: usize, folder: &Path) -> String {
    let count = |status| runs.iter().filter(|run| run.status == status).count();
    let done = count(Status::Done);
    let mut text = format!("{done} of {planned} runs done");
    for status in [Status::Failed, Status::Hung, Status::Skipped] {
        let number = count(status);
        if number > 0 {
            let _ = write!(text, ", {number} {}", status.name());
        }
    }
    let open = planned - runs.len();
    if open > 0 {
        let _ = write!(text, ", {open} to be made: the same command goes on");
    }
    let _ = write!(text, "\nnow: lima analyze {}\n", super::super::record::shown(folder));
    text
}
