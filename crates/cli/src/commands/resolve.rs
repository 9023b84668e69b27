//! `lima resolve`: what the locks of a trace protect.

use super::index::cache;
use anyhow::{Result, anyhow};
use clap::Args;
use lima_model::Table;
use lima_model::escape::terminal;
use lima_resolve::{Resolution, Share, resolve, user};
use lima_trace::Trace;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments.
#[derive(Args, Debug)]
#[command(
    about = "Say what the locks of a trace protect, with an index of its kernel",
    long_about = "Say what the locks of a trace protect, with an index of its kernel.\n\nEach lock address becomes the object that \
        it protects and each address of a stack a place in the source; both go into the trace, as the tables `objects` and \
        `lines`. Reports do the same by themselves, each time anew, when the cache has an index of the trace's kernel; a trace \
        that was resolved can be read where there is none."
)]
pub struct Arguments {
    /// The trace, a folder `NAME.lima`
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// The index, a folder NAME.limaindex [default: that of the trace's kernel in ~/.cache/lima/index]
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let trace = Trace::open(&arguments.trace)?;
    let Some(index) = cache::of_trace(&trace, arguments.index.as_deref())? else { return Err(no_index(&trace)) };
    let Resolution { objects, lines, with, share } = resolve(&trace, &index)?;
    let mut manifest = trace.manifest().clone();
    manifest.resolved = Some(with);
    let user_lines = user::lines(&trace)?;
    let rows = (objects.num_rows(), lines.num_rows() + user_lines.num_rows());
    let tables = [(Table::Objects, objects), (Table::Lines, lines), (Table::UserLines, user_lines)];
    lima_trace::replace(trace.folder(), &tables, &manifest)?;
    eprintln!("index: {} ({})", index.folder().display(), index.manifest().mode.name());
    print!("{}", told(&share, rows));
    Ok(ExitCode::SUCCESS)
}

/// That there is no index for a trace, and what can be done.
pub(super) fn no_index(trace: &Trace) -> anyhow::Error {
    let kernel = &trace.manifest().kernel;
    anyhow!(
        "there is no index of the kernel that {} was recorded on ({}, build id {}): make one with `lima index build` there, or with \
         --vmlinux here, or name one with --index NAME.limaindex",
        trace.folder().display(),
        terminal(&kernel.release),
        terminal(&kernel.build_id)
    )
}

/// How much is known, in sentences.
fn told(share: &Share, (objects, lines): (usize, usize)) -> String {
    let percent = |part: u64, whole: u64| if whole == 0 { 100.0 } else { 100.0 * part as f64 / whole as f64 };
    let mut out = format!("{objects} combinations of lock and stack, {lines} addresses of code with lines\n");
    let mut line = |what: &str, part, whole| {
        if whole > 0 {
            out.push_str(&format!("{:6.2} % of {what} have an object\n", percent(part, whole)));
        }
    };
    line("acquisitions", share.acquisitions_resolved, share.acquisitions);
    line("the time waited", share.wait_ns_resolved, share.wait_ns);
    line("the combinations", share.uses_resolved, share.uses);
    if share.uses_in_conflict > 0 {
        out.push_str(&format!("{} combinations in conflict\n", share.uses_in_conflict));
    }
    out
}
