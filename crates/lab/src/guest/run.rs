//! A guest from its start to its end.

use super::acceleration::Acceleration;
use super::cache::Kernel;
use super::console::{Tail, copy_until};
use super::initramfs::{self, Orders};
use super::machine::{Machine, Root, Running};
use super::share::Share;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What is to be done in a guest.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The kernel that is booted.
    pub kernel: Kernel,
    /// The hardware.
    pub machine: Machine,
    /// How it is run.
    pub acceleration: Acceleration,
    /// The disk with the root, for [`Root::Ext4`].
    pub disk: Option<PathBuf>,
    /// How long the command may take; `None`: for ever.
    pub timeout: Option<Duration>,
    /// A folder of this machine that the guest may write to, under the same path.
    pub out: Option<PathBuf>,
    /// Whether the console is shown while the guest runs.
    pub show_console: bool,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}

/// How a guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The command ended with this status.
    Status(u8),
    /// The kernel did not come up in time.
    NotUp(Duration),
    /// The command took longer than it may.
    TimedOut(Duration),
    /// The machine ended before the command did: a panic, or a power-off by the command.
    Died,
}

/// The end of a guest, and what was seen of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// From the start until the command could run.
    pub boot: Option<Duration>,
    /// The last lines on its console.
    pub console: Vec<String>,
    /// The line in which the kernel says why it gave up.
    pub panic: Option<String>,
    /// What QEMU and the processes that serve files complained about.
    pub complaint: String,
}

/// A boot takes five seconds of processor time in software. A machine that is busy with other things has been seen to take
/// two minutes over it.
const BOOT: Duration = Duration::from_secs(300);

/// How many lines of the console are kept.
const LINES: usize = 40;

enum Event {
    /// The guest speaks on its control port.
    Said(String),
    /// One of the two outputs has been copied to its end.
    Copied,
    /// The machine is gone.
    Gone,
}

/// Runs a guest to its end. Its output goes to this process's own.
pub fn run(plan: &Plan) -> Result<Outcome> {
    plan.machine.check()?;
    ensure!(
        rustix::process::geteuid().is_root(),
        "a guest needs root here, who serves it all of this machine's files: sudo lima lab run ..."
    );
    let mark = format!("<end of lima lab {}{}>", initramfs::random_word()?, initramfs::random_word()?);
    let out = plan.out.as_deref().map(results).transpose()?;
    let orders =
        Orders { trial: false, root: plan.machine.root, mark: &mark, command: &plan.command, out: out.as_deref() };
    let initramfs = initramfs::make(&plan.kernel, &orders)?;
    let mut shares = vec![Share::of_everything()?];
    if let Some(out) = &out {
        shares.push(Share::of_results(out)?);
    }
    let disk = plan.disk.as_deref().filter(|_| plan.machine.root == Root::Ext4);
    let running = plan.machine.start(&plan.kernel, &initramfs, shares, disk, plan.acceleration)?;
    watch(plan, running, mark)
}

/// The folder for results, made when it is not there.
fn results(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let folder = fs::canonicalize(folder).with_context(|| format!("cannot find {}", folder.display()))?;
    ensure!(folder != Path::new("/"), "the folder for results cannot be the root of this machine");
    Ok(folder)
}

fn watch(plan: &Plan, running: Running, mark: String) -> Result<Outcome> {
    let start = Instant::now();
    let (sender, events) = channel();
    let tail = Arc::new(Mutex::new(Tail::default()));
    let Running { qemu, console, control, output, errors, shares } = running;
    let mark = mark.into_bytes();
    copy(output, std::io::stdout(), mark.clone(), sender.clone());
    copy(errors, std::io::stderr(), mark, sender.clone());
    listen(control, sender);
    let console = keep_console(console, Arc::clone(&tail), plan.show_console);

    let (end, boot) = follow(&events, start, plan.timeout);
    let mut complaint = qemu.end();
    shares.into_iter().for_each(|share| complaint.push_str(&share.end()));
    // It ends with QEMU; everything that was printed is in the tail then.
    let _ = console.join();
    let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    let (console, panic) = (tail.lines(LINES), tail.last_with("Kernel panic"));
    Ok(Outcome { end, boot, console, panic, complaint })
}

/// Waits for what the guest tells, until it has told everything or its time is over.
fn follow(events: &Receiver<Event>, start: Instant, timeout: Option<Duration>) -> (End, Option<Duration>) {
    let mut boot = None;
    let mut status = None;
    let mut copied = 0;
    let mut deadline = Some(start + BOOT);
    loop {
        let event = match deadline {
            Some(deadline) => events.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Said(line)) if line == "ready" => {
                boot = Some(start.elapsed());
                deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            }
            Ok(Event::Said(line)) => {
                status = line.strip_prefix("exit ").and_then(|number| number.trim().parse().ok()).or(status);
            }
            Ok(Event::Copied) => copied += 1,
            Ok(Event::Gone) | Err(RecvTimeoutError::Disconnected) => return (End::Died, boot),
            Err(RecvTimeoutError::Timeout) => {
                let end = match (boot, timeout) {
                    (Some(_), Some(timeout)) => End::TimedOut(timeout),
                    _ => End::NotUp(BOOT),
                };
                return (end, boot);
            }
        }
        if let (Some(status), 2) = (status, copied) {
            return (End::Status(status), boot);
        }
    }
}

fn copy(mut from: UnixStream, mut to: impl Write + Send + 'static, mark: Vec<u8>, sender: Sender<Event>) {
    thread::spawn(move || {
        // When nobody takes the output any more, the command goes on all the same, as with a closed terminal.
        if !matches!(copy_until(&mark, &mut from, &mut to), Ok(true)) {
            let _ = copy_until(&mark, &mut from, &mut std::io::sink());
        }
        // The receiver is gone when the guest's end is already known.
        let _ = sender.send(Event::Copied);
    });
}

fn listen(control: UnixStream, sender: Sender<Event>) {
    thread::spawn(move || {
        for line in BufReader::new(control).lines() {
            let Ok(line) = line else { break };
            if sender.send(Event::Said(line)).is_err() {
                return;
            }
        }
        let _ = sender.send(Event::Gone);
    });
}

fn keep_console(mut console: UnixStream, tail: Arc<Mutex<Tail>>, show: bool) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut block = [0; 4096];
        while let Ok(length) = console.read(&mut block) {
            if length == 0 {
                break;
            }
            if show {
                // What cannot be shown is still kept.
                let _ = std::io::stderr().write_all(&block[..length]);
            }
            tail.lock().unwrap_or_else(PoisonError::into_inner).add(&block[..length]);
        }
    })
}
