//! The process that makes one run, seen from the study.

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether somebody wants the study to end (Ctrl-C, TERM).
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Takes the signals over.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::default();
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop.0)).context("cannot listen for signals")?;
        }
        Ok(stop)
    }

    /// Whether a signal has come.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How the process ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ended {
    /// By itself.
    Status(ExitStatus),
    /// Because the study was told to end.
    Stopped,
    /// Because it took too long.
    TooLong,
}

/// A run under way.
pub(super) struct Child(std::process::Child);

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long it has for putting everything back when it is told to end.
const PATIENCE: Duration = Duration::from_secs(30);

impl Child {
    /// Starts it. It puts everything back when it gets a TERM, which it also gets when this process ends.
    pub(super) fn start(program: &Path, role: &str, study: &Path, run: &str, log: &Path) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(program);
        command.arg("study").arg(role).arg("--study").arg(study).arg("--run").arg(run);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Ctrl-C on the terminal is for the study, which passes it on in its own time.
        command.process_group(0);
        // SAFETY: the closure runs between fork and exec and makes one system call.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, SIGTERM);
                Ok(())
            })
        };
        Ok(Self(command.spawn().with_context(|| format!("cannot start {}", program.display()))?))
    }

    /// Waits for its end.
    pub(super) fn wait(&mut self, stop: &Stop, limit: Duration) -> Result<Ended> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.0.try_wait().context("cannot wait for a run")? {
                // What it did when it was told to end is no result.
                return Ok(if stop.asked() { Ended::Stopped } else { Ended::Status(status) });
            }
            if stop.asked() || Instant::now() > end {
                let ended = if stop.asked() { Ended::Stopped } else { Ended::TooLong };
                self.end();
                return Ok(ended);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn end(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            // It may have ended meanwhile, which is as well; it is not reaped, so the number is still its own.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
