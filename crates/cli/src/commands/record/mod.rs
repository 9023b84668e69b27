//! `lima record`: lock waits of the running kernel into a trace.

pub mod control;
pub mod options;
mod profile;
pub mod session;
mod units;

use anyhow::{Context, Result};
use clap::Args;
use lima_model::escape;
use lima_probe::recorder::Summary;
use options::RecordOptions;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// The arguments.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lima record -d 10s                       all waits of all tasks for ten seconds
  lima record -o mine.lima -- make -j8     while a command runs
  lima record --tenant nginx.service       the waits of one tenant, until Ctrl-C
  lima record --type mutex --threshold 1ms single waits only from 1 ms on")]
pub struct Arguments {
    /// The folder to write the trace into (default: lima-HOST-TIME.lima)
    #[arg(short = 'o', long, value_name = "DIR")]
    output: Option<PathBuf>,

    #[command(flatten)]
    options: RecordOptions,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let folder = match &arguments.output {
        Some(folder) => folder.clone(),
        None => default_folder(),
    };
    let outcome = session::record(&arguments.options, &folder)?;
    eprintln!("{}", said(&outcome.summary, &folder));
    exit_code(outcome.exit_status)
}

/// The command's exit status, or success without a command.
pub fn exit_code(status: Option<i32>) -> Result<ExitCode> {
    let status =
        u8::try_from(status.unwrap_or(0)).context("the command's exit status is none that can be passed on")?;
    Ok(ExitCode::from(status))
}

/// A path for the terminal.
pub fn shown(path: &Path) -> String {
    escape::terminal(&escape::text(path.as_os_str().as_encoded_bytes()))
}

fn default_folder() -> PathBuf {
    let host = rustix::system::uname().nodename().to_string_lossy().replace('/', "_");
    let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S");
    PathBuf::from(format!("lima-{host}-{now}.lima"))
}

fn said(summary: &Summary, folder: &Path) -> String {
    let manifest = &summary.manifest;
    let seconds = Duration::from_nanos(manifest.clock.duration_ns).as_secs_f64();
    let waited = Duration::from_nanos(summary.wait_ns).as_secs_f64();
    let mut text = format!("recorded {} waits ({waited:.3} s) in {seconds:.1} s; ", summary.waits);
    if summary.acquisitions > 0 {
        text = format!("recorded {} acquisitions and {}", summary.acquisitions, &text["recorded ".len()..]);
    }
    if manifest.complete {
        text.push_str("complete: nothing was lost");
    } else {
        let lost: Vec<_> = manifest.losses.present().map(|(_, count, meaning)| format!("{count} {meaning}")).collect();
        text.push_str(&format!("not complete: {}", lost.join(", ")));
    }
    text.push_str(&format!("\nnow: lima report {}", shown(folder)));
    text
}
