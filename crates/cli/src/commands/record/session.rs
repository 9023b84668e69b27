//! A recording from its start to its end: the command that is recorded, signals, and when it is over.

use super::control::Control;
use super::options::RecordOptions;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use lima_model::Manifest;
use lima_model::manifest::Ended;
use lima_probe::privileges::drop_unneeded;
use lima_probe::recorder::{Recorder, Storage, Summary};
use rustix::process::{Pid, Signal, kill_process};
use std::io::IsTerminal;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often it is looked whether the recording is over.
const LOOK: Duration = Duration::from_millis(50);

/// What a recording came to.
pub struct Outcome {
    pub summary: Summary,
    /// The command's exit status, 128 + N after signal N.
    pub exit_status: Option<i32>,
}

/// Records into a folder until it is over.
pub fn record(options: &RecordOptions, folder: &Path) -> Result<Outcome> {
    let plan = options.plan()?;
    let stop = Stop::listen()?;
    let mut manifest = Manifest::begin(env!("CARGO_PKG_VERSION"));
    manifest.options = plan.asked;
    manifest.command = options.command.iter().map(|word| lima_model::escape::text(word.as_encoded_bytes())).collect();

    let mut storage = Storage::default();
    let mut recorder = Recorder::start(&mut storage, folder, &plan.options, plan.layout, manifest)?;
    // Before privileges are given up. Without it the recording has one phase.
    let control = Control::open().inspect_err(|error| tracing::warn!("`lima mark` will not work: {error:#}")).ok();
    eprintln!("recording into {}{}", super::shown(folder), ends(options));
    if let Err(error) = drop_unneeded(options.user_stacks) {
        tracing::warn!("cannot give up privileges that are not needed any more: {error}");
    }
    let mut child = match start(&options.command) {
        Ok(child) => child,
        Err(error) => {
            recorder.finish(Ended::Error, None)?;
            return Err(error);
        }
    };

    let ended = run(&mut recorder, options.duration, child.as_mut(), &stop, control.as_ref());
    let exit_status = child.and_then(|mut child| child.wait().ok()).map(status_code);
    let summary = match ended {
        Ok(ended) => recorder.finish(ended, exit_status)?,
        Err(error) => {
            let _ = recorder.finish(Ended::Error, exit_status);
            return Err(error).context("the recording failed; what was written until then can be read");
        }
    };
    Ok(Outcome { summary, exit_status })
}

fn ends(options: &RecordOptions) -> &'static str {
    match (options.duration, options.command.is_empty()) {
        (Some(_), _) => "",
        (None, true) => ", Ctrl-C ends it",
        (None, false) => ", until the command ends",
    }
}

fn run(
    recorder: &mut Recorder<'_>,
    duration: Option<Duration>,
    mut child: Option<&mut Child>,
    stop: &Stop,
    control: Option<&Control>,
) -> Result<Ended> {
    let started = Instant::now();
    let end = duration.map(|duration| started + duration);
    let progress = progress();
    let ended = loop {
        let next = Instant::now() + LOOK;
        recorder.pump(end.map_or(next, |end| end.min(next)))?;
        if let Some(control) = control {
            control.serve(|phase| Ok(recorder.mark(phase)?))?;
        }
        if let Some(signal) = stop.asked() {
            match child.as_deref_mut() {
                // The command ends first, so that its last waits are recorded; a second signal does not wait.
                Some(child) if !stop.passed_on.swap(true, Ordering::Relaxed) => pass_on(child, signal),
                _ => break Ended::Interrupted,
            }
        }
        if let Some(child) = child.as_deref_mut()
            && child.try_wait().context("cannot wait for the command")?.is_some()
        {
            break if stop.passed_on.load(Ordering::Relaxed) { Ended::Interrupted } else { Ended::Command };
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            break Ended::Duration;
        }
        let (waits, _) = recorder.counted();
        progress.set_message(format!("{} s, {waits} waits", started.elapsed().as_secs()));
    };
    progress.finish_and_clear();
    Ok(ended)
}

/// A line on a terminal, nothing in a pipe.
fn progress() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn start(command: &[std::ffi::OsString]) -> Result<Option<Child>> {
    let Some((program, arguments)) = command.split_first() else { return Ok(None) };
    let child = Command::new(program).args(arguments).spawn();
    child.map(Some).with_context(|| format!("cannot start the command {}", super::shown(Path::new(program))))
}

fn status_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// Ctrl-C on a terminal reaches the command by itself; what was sent to LIMA alone is passed on.
fn pass_on(child: &Child, signal: Signal) {
    if signal == Signal::INT && std::io::stdin().is_terminal() {
        return;
    }
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Ctrl-C and TERM.
struct Stop {
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
    passed_on: AtomicBool,
}

impl Stop {
    fn listen() -> Result<Self> {
        let stop = Self { interrupt: Arc::default(), terminate: Arc::default(), passed_on: AtomicBool::new(false) };
        for (signal, flag) in [(libc::SIGINT, &stop.interrupt), (libc::SIGTERM, &stop.terminate)] {
            signal_hook::flag::register(signal, Arc::clone(flag)).context("cannot listen for signals")?;
        }
        Ok(stop)
    }

    /// The signal that has come since the last look.
    fn asked(&self) -> Option<Signal> {
        if self.terminate.swap(false, Ordering::Relaxed) {
            return Some(Signal::TERM);
        }
        self.interrupt.swap(false, Ordering::Relaxed).then_some(Signal::INT)
    }
}
