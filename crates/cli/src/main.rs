//! The `lima` command: arguments, progress and exit codes. What a command does lives in the other crates.

mod cli;
mod commands;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    restore_sigpipe();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).without_time().init();
    let arguments = match cli::Cli::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            // clap's own code for a wrong command line is 2 as well; help and version are not errors.
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match commands::run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lima: {}", lima_model::escape::terminal(&format!("{error:#}")));
            ExitCode::from(2)
        }
    }
}

/// Rust ignores SIGPIPE; a command whose reader has gone away (`lima report | head`) should end in silence.
fn restore_sigpipe() {
    // SAFETY: sets a signal's disposition to the default before any other thread exists.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
