//! `lima record` beside a run, and `lima mark`.

use super::cast::{Happened, Trouble};
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// A recorder that runs. Killed when dropped.
pub(super) struct Recorder {
    child: Child,
    program: std::path::PathBuf,
}

/// What it says when it records.
pub(super) const RECORDS: &str = "recording into";

const LOOK: Duration = Duration::from_millis(10);

impl Recorder {
    /// Starts it. What it says goes to the log, and to `happened`.
    pub(super) fn start(
        program: &Path,
        trace: &Path,
        level: &str,
        tenants: &[String],
        log: &Path,
        happened: Sender<Happened>,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("record").arg("-o").arg(trace).args(["--level", level]);
        for tenant in tenants {
            command.arg("--tenant").arg(tenant);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // SAFETY: the closure runs between fork and exec and makes one system call.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            })
        };
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let errors = child.stderr.take().context("a recorder without standard error")?;
        let mut log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                // A log that cannot be written is no reason to lose the run.
                let _ = writeln!(log, "{line}");
                if happened.send(Happened::Recorder(line)).is_err() {
                    return;
                }
            }
            let _ = happened.send(Happened::RecorderEnded);
        });
        Ok(Self { child, program: program.to_owned() })
    }

    /// Begins a phase; returns when it has begun.
    pub(super) fn mark(&self, phase: &str) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(["mark", phase, "--pid", &self.child.id().to_string()]);
        let output = command.stdin(Stdio::null()).output().context("cannot run lima mark")?;
        anyhow::ensure!(
            output.status.success(),
            "the phase {phase} did not begin: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }

    /// Tells it to end; what it has seen is written.
    pub(super) fn tell_end(&self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // It may have ended, which is found out by waiting.
            let _ = kill_process(pid, Signal::INT);
        }
    }

    /// Waits until it has ended.
    pub(super) fn wait(&mut self, limit: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + limit;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(Trouble::Failed(format!("the recorder ended with {status}"))),
                Ok(None) if Instant::now() > until => {
                    return Err(Trouble::Hung(format!("the recorder did not end within {} s", limit.as_secs())));
                }
                Ok(None) => std::thread::sleep(LOOK),
                Err(error) => return Err(Trouble::Failed(format!("cannot wait for the recorder: {error}"))),
            }
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // It writes what it has, unless that takes too long.
        self.tell_end();
        if self.wait(Duration::from_secs(10)).is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
