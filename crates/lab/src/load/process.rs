//! The processes of a load: children that speak in lines of JSON, and an orderly end when a signal comes.

use crate::Tenant;
use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// Becomes readable when the load is told to end (HUP, INT, TERM), instead of the process being killed: files and
/// cgroups can still be removed then.
#[derive(Debug)]
pub struct Stop(UnixStream);

impl Stop {
    /// Takes the signals over.
    pub fn on_signals() -> Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        Ok(Self(reader))
    }
}

/// A child process. Killed and waited for when dropped before [`Part::end`].
#[derive(Debug)]
pub struct Part {
    name: String,
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Part {
    /// Starts `program` with its input and output connected to this process, and moves it into the tenant.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        arguments: &[A],
        tenant: Option<&Tenant>,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: the closure runs between fork and exec and makes one system call.
        unsafe {
            command.pre_exec(|| {
                // A load must not outlive the one who started it, however that one ends.
                libc::prctl(libc::PR_SET_PDEATHSIG, SIGTERM);
                Ok(())
            })
        };
        let mut child =
            command.spawn().with_context(|| format!("cannot start {} for the {name}", program.display()))?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take().context("a child without output")?);
        let part = Self { name: name.to_owned(), child, orders, answers: BufReader::new(answers) };
        if let Some(tenant) = tenant {
            tenant.add(part.pid())?;
        }
        Ok(part)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends one order.
    pub fn order(&mut self, order: &impl Serialize) -> Result<()> {
        let orders = self.orders.as_mut().context("a child that was told to end")?;
        say(orders, order).with_context(|| format!("the {} does not listen any more", self.name))
    }

    /// Waits for one answer. `None`: a signal to stop came first.
    pub fn answer_or_stop<T: DeserializeOwned>(&mut self, stop: &Stop) -> Result<Option<T>> {
        if self.answers.buffer().is_empty() {
            let mut events = [PollFd::new(self.answers.get_ref(), PollFlags::IN), PollFd::new(&stop.0, PollFlags::IN)];
            while poll(&mut events, None) == Err(rustix::io::Errno::INTR) {}
            if events[1].revents().contains(PollFlags::IN) {
                return Ok(None);
            }
        }
        self.answer().map(Some)
    }

    /// Waits for one answer.
    pub fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            bail!("the {} ended too early: {status}", self.name);
        }
        serde_json::from_str(&line).with_context(|| format!("the {} said {line:?}", self.name))
    }

    /// Lets it end by itself: its input is closed. Waits for that.
    pub fn end(mut self) -> Result<ExitStatus> {
        self.orders = None;
        Ok(self.child.wait()?)
    }

    /// Asks it to end with a TERM; it may still have something to say.
    pub fn terminate(&self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.pid().cast_signed()) {
            // It cannot have been reaped yet, so the id is still its own; it may have ended, which is as well.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes one line of JSON.
pub fn say(to: &mut impl Write, what: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)?;
    Ok(to.flush()?)
}
