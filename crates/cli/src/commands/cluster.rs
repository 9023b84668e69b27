//! `lima cluster`: the scheduler and the executors that `lima analyze --cluster` hands its statements to.

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use lima_cluster::{Executor, Scheduler};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The arguments.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Take statements and hand out tasks
    Scheduler {
        /// Where to listen; whoever reaches it can have files read
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:50050")]
        listen: SocketAddr,
        /// Give the tasks of an executor that has not been heard of for so many seconds to others
        #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
        lost_after: u64,
    },
    /// Carry out tasks: read traces, group, join
    Executor {
        /// The scheduler to ask for tasks
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:50050")]
        scheduler: String,
        /// Where other executors and `lima analyze` fetch results; port 0 is any that is free
        #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// How many tasks to take at a time [default: one for each processor]
        #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
        cores: usize,
        /// Where results wait to be fetched [default: a temporary folder]
        #[arg(long, value_name = "DIR")]
        work: Option<PathBuf>,
    },
}

/// Runs the command, until it is ended.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.part {
        Part::Scheduler { listen, lost_after } => {
            let scheduler = Scheduler { listen: *listen, lost_after: Duration::from_secs(*lost_after) };
            scheduler.serve(|address| tell(&format!("listening at {address}")))?;
        }
        Part::Executor { scheduler, listen, cores, work } => {
            let wrong = || format!("`{scheduler}` is not HOST:PORT");
            let (host, port) = scheduler.rsplit_once(':').with_context(wrong)?;
            let executor = Executor {
                scheduler_host: host.to_owned(),
                scheduler_port: port.parse().with_context(wrong)?,
                listen: *listen,
                cores: *cores,
                work: work.clone(),
            };
            tell(&format!("working for {scheduler}"));
            executor.serve()?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for whoever has started it, at once: the output may be a pipe that is waited for.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody has to listen.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
