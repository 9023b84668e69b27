//! The tenants of a run on the stage: started together, told what to do, listened to.

use crate::Tenant;
use crate::study::platform::Prepared;
use crate::study::workload::TELLS;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// Why a run does not go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Something did not work.
    Failed(String),
    /// Something took too long.
    Hung(String),
    /// The run was told to end.
    Stopped,
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }
}

/// What happens during a run.
pub(super) enum Happened {
    /// A tenant said something to us.
    Said(usize, String),
    /// A tenant has closed its output.
    Silent(usize),
    /// The recorder said something.
    Recorder(String),
    /// The recorder has ended.
    RecorderEnded,
    /// A signal.
    Stop,
}

/// What a tenant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Busy,
    Idle(Instant),
    Over,
}

struct Actor {
    child: Child,
    orders: Option<ChildStdin>,
    state: State,
    called: String,
    log: PathBuf,
}

/// All tenants of a run. Killed when dropped.
pub(super) struct Cast {
    actors: Vec<Actor>,
    events: Receiver<Happened>,
    sender: Sender<Happened>,
}

impl Cast {
    /// Nobody yet.
    pub(super) fn new(sender: Sender<Happened>, events: Receiver<Happened>) -> Self {
        Self { actors: Vec::new(), events, sender }
    }

    /// Listens for signals: they end the run in an orderly way.
    pub(super) fn listen_for_signals(&self) -> Result<()> {
        let (mut reader, writer) = UnixStream::pair()?;
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
            signal_hook::low_level::pipe::register(signal, writer.try_clone()?)?;
        }
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            let mut byte = [0];
            while matches!(reader.read(&mut byte), Ok(1)) && sender.send(Happened::Stop).is_ok() {}
            drop(writer);
        });
        Ok(())
    }

    /// Starts a tenant in a cgroup, on these CPUs.
    pub(super) fn start(
        &mut self,
        prepared: &mut Prepared,
        called: &str,
        cgroup: &Tenant,
        cpus: &[usize],
        cache: Option<&Path>,
        log: &Path,
    ) -> Result<()> {
        let number = self.actors.len();
        let errors = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut also = errors.try_clone()?;
        let mut doors = Vec::new();
        for folder in cgroup.folders() {
            let door = folder.join("cgroup.procs");
            doors.push(File::options().write(true).open(&door).with_context(|| format!("no {}", door.display()))?);
        }
        if let Some(cache) = cache {
            doors.push(File::options().write(true).open(cache).with_context(|| format!("no {}", cache.display()))?);
        }
        let numbers: Vec<RawFd> = doors.iter().map(AsRawFd::as_raw_fd).collect();
        let cpus = cpu_set(cpus);
        let command = &mut prepared.command;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        // SAFETY: the closure runs between fork and exec and only makes system calls; it allocates nothing.
        unsafe {
            command.pre_exec(move || {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                for &door in &numbers {
                    // A zero is the process that writes it.
                    if libc::write(door, c"0".as_ptr().cast(), 1) != 1 {
                        return Err(std::io::Error::last_os_error());
                    }
                }
                if let Some(cpus) = &cpus
                    && libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), cpus) != 0
                {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            })
        };
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| format!("cannot start {program} for {called}"))?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take().context("a child without output")?);
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(answers).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                // A serial line may put others' words before ours.
                match line.split_once(TELLS) {
                    Some((_, told)) if sender.send(Happened::Said(number, told.trim().to_owned())).is_err() => return,
                    Some(_) => {}
                    None => drop(writeln!(also, "{line}")),
                }
            }
            let _ = sender.send(Happened::Silent(number));
        });
        let (called, log) = (called.to_owned(), log.to_owned());
        self.actors.push(Actor { child, orders, state: State::Busy, called, log });
        Ok(())
    }

    /// Gives an order to those tenants that `to` picks.
    pub(super) fn order(&mut self, order: &str, to: impl Fn(usize) -> bool) -> Result<(), Trouble> {
        for (number, actor) in self.actors.iter_mut().enumerate().filter(|(number, _)| to(*number)) {
            let Some(orders) = &mut actor.orders else { continue };
            if let Err(error) = orders.write_all(format!("{order}\n").as_bytes()).and_then(|()| orders.flush()) {
                return Err(Trouble::Failed(format!("{} takes no orders ({error})", self.actors[number].called)));
            }
            actor.state = State::Busy;
        }
        Ok(())
    }

    /// Waits until all tenants have done what they were told; when each had.
    pub(super) fn all_done(&mut self, what: &str, limit: Duration) -> Result<Vec<Instant>, Trouble> {
        let until = Instant::now() + limit;
        while let Some(busy) = self.actors.iter().find(|actor| actor.state == State::Busy) {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(event) => self.take(event)?,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Trouble::Hung(format!(
                        "{}: {what} was not done within {} s{}",
                        busy.called,
                        limit.as_secs(),
                        words(&busy.log)
                    )));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(Trouble::Failed("nobody is there".to_owned())),
            }
        }
        let done = self.actors.iter().map(|actor| match actor.state {
            State::Idle(at) => at,
            State::Busy | State::Over => Instant::now(),
        });
        Ok(done.collect())
    }

    /// Waits until the recorder says a word.
    pub(super) fn recorder_says(&mut self, word: &str, limit: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + limit;
        let mut last = String::new();
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Happened::Recorder(line)) if line.contains(word) => return Ok(()),
                Ok(Happened::Recorder(line)) => last = line,
                Ok(Happened::RecorderEnded) => {
                    return Err(Trouble::Failed(format!("the recorder does not start: {last}")));
                }
                Ok(event) => self.take(event)?,
                Err(_) => {
                    return Err(Trouble::Hung(format!(
                        "the recorder does not start within {} s: {last}",
                        limit.as_secs()
                    )));
                }
            }
        }
    }

    /// Waits until all tenants have ended, for a while; those that have not are killed when this is dropped.
    pub(super) fn end(&mut self, limit: Duration) {
        let _ = self.order("end", |_| true);
        self.actors.iter_mut().for_each(|actor| actor.orders = None);
        let until = Instant::now() + limit;
        while self.actors.iter().any(|actor| actor.state == State::Busy) {
            let Ok(event) = self.events.recv_timeout(until.saturating_duration_since(Instant::now())) else { return };
            if self.take(event).is_err() {
                return;
            }
        }
        while Instant::now() < until {
            if self.actors.iter_mut().all(|actor| matches!(actor.child.try_wait(), Ok(Some(_)))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn take(&mut self, event: Happened) -> Result<(), Trouble> {
        match event {
            Happened::Said(number, told) => {
                let actor = &mut self.actors[number];
                match told.split_once(' ').unwrap_or((&told, "")) {
                    ("ready" | "done", _) => actor.state = State::Idle(Instant::now()),
                    ("over", _) => actor.state = State::Over,
                    ("failed", why) => {
                        return Err(Trouble::Failed(format!("{}: {why}{}", actor.called, words(&actor.log))));
                    }
                    (other, _) => {
                        return Err(Trouble::Failed(format!(
                            "{} said {other:?}, which nobody understands",
                            actor.called
                        )));
                    }
                }
            }
            Happened::Silent(number) => {
                let actor = &mut self.actors[number];
                if actor.state != State::Over {
                    let status = actor.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                    actor.state = State::Over;
                    return Err(Trouble::Failed(format!(
                        "{} ended before it was done ({status}){}",
                        actor.called,
                        words(&actor.log)
                    )));
                }
            }
            Happened::Recorder(_) | Happened::RecorderEnded => {}
            Happened::Stop => return Err(Trouble::Stopped),
        }
        Ok(())
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        for actor in &mut self.actors {
            let _ = actor.child.kill();
            let _ = actor.child.wait();
        }
    }
}

/// The last line of a log, for an error.
fn words(log: &Path) -> String {
    super::folder::last_line(log).map_or_else(String::new, |line| format!("; its last words: {line}"))
}

/// `None`: all CPUs.
fn cpu_set(cpus: &[usize]) -> Option<libc::cpu_set_t> {
    if cpus.is_empty() {
        return None;
    }
    // SAFETY: the structure is an array of bits, and zeros are the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let room = libc::CPU_SETSIZE.unsigned_abs() as usize;
    for &cpu in cpus.iter().filter(|&&cpu| cpu < room) {
        // SAFETY: the number lies within the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    Some(set)
}
