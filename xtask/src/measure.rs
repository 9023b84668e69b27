//! What a command costs: CPU time, time, memory.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a command took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// CPU time in the program and in the kernel for it, of it and all that it started.
    pub cpu: Duration,
    /// From start to end.
    pub wall: Duration,
    /// The most memory that it, or one that it started, had at once, bytes.
    pub peak_bytes: u64,
}

/// Runs a command to its end, what it prints going nowhere, and what it reads coming from a file.
pub fn run<S: AsRef<OsStr>>(program: &OsStr, arguments: &[S], input: Option<&Path>) -> Result<Cost> {
    let name = program.to_string_lossy().into_owned();
    let input = match input {
        Some(path) => File::open(path).with_context(|| format!("cannot open {}", path.display()))?.into(),
        None => Stdio::null(),
    };
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    // It is waited for below, by the call that tells what it took.
    let child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let pid = libc::pid_t::try_from(child.id()).context("a process id")?;
    let mut status = 0;
    // SAFETY: a rusage is numbers only, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the two places that it writes to live until it returns; the process is our own child and not waited for.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    if waited != pid {
        bail!("cannot wait for {name}: {}", std::io::Error::last_os_error());
    }
    let wall = start.elapsed();
    let status = ExitStatus::from_raw(status);
    if !status.success() {
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).collect();
        bail!("{name} {} failed: {status}", arguments.join(" "));
    }
    let peak_bytes = u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024;
    Ok(Cost { cpu: time(usage.ru_utime) + time(usage.ru_stime), wall, peak_bytes })
}

fn time(of: libc::timeval) -> Duration {
    let seconds = u64::try_from(of.tv_sec).unwrap_or(0);
    let micros = u64::try_from(of.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
