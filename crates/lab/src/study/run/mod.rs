//! A study from its first run to its last.
//!
//! Each run is a child process of its own (`lima study one`), in a fresh guest where the target is the lab: what goes wrong in
//! one run ends with it, and each begins from the same state. What is done stays done: `run.json` is written last, so a
//! run without it was cut, and is made again.

mod cast;
mod cgroups;
mod child;
mod folder;
mod guest;
mod one;
mod recorder;

pub use folder::Folder;
pub use guest::in_guest;
pub use one::one;

use super::file::{File, Target};
use super::plan::{plan, usual_length};
use crate::guest::{Cache, Emulator};
use anyhow::{Context, Result, bail, ensure};
use child::{Child, Ended};
use lima_model::study::{Planned, Run, Status, Study, Tool};
use std::path::Path;
use std::time::{Duration, Instant};

pub use child::Stop;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The study.
    pub study: &'a File,
    /// Its text, which is kept with the runs.
    pub text: &'a str,
    /// The folder of its runs.
    pub folder: &'a Path,
    /// The program that makes a run.
    pub program: &'a Path,
    /// Its version.
    pub version: &'a str,
    /// Whether runs that did not end well are made again.
    pub retry: bool,
}

/// What happens while a study runs.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A run begins.
    Began {
        /// Which.
        run: &'a Planned,
        /// Which of those that are to be made, from 1 on.
        number: usize,
        /// Of how many.
        of: usize,
        /// How long it takes from now to the end of the study, by what was seen so far.
        left: Duration,
    },
    /// A run has ended.
    Ended(&'a Run),
}

/// Below this, nothing more is written: a run that finds the disk full is lost.
const ROOM: u64 = 64 << 20;

/// Makes all runs that are not made yet. Returns all runs of the plan as they are now; fewer than planned when it was stopped.
///
/// # Errors
/// When the folder cannot be used, or the disk is full. What is done stays.
pub fn run(order: &Order<'_>, stop: &Stop, tell: &mut dyn FnMut(Event<'_>)) -> Result<Vec<Run>> {
    let planned = plan(order.study);
    let folder = Folder::open(order.folder, order.text)?;
    let mut study = folder.describe(order.study, order.version, &planned)?;
    let mut runs = Vec::new();
    let mut open = Vec::new();
    for run in &planned {
        match folder.run(&run.id)? {
            Some(found) if !(order.retry && found.status != Status::Done) => runs.push(found),
            _ => open.push(run),
        }
    }
    let begun = Instant::now();
    for (done, run) in open.iter().enumerate() {
        if stop.asked() {
            break;
        }
        let usual = match u32::try_from(done) {
            Ok(done) if done > 0 => begun.elapsed() / done,
            _ => usual_length(order.study),
        };
        let left = usual * u32::try_from(open.len() - done).unwrap_or(u32::MAX);
        tell(Event::Began { run, number: done + 1, of: open.len(), left });
        let Some(ended) = make(order, &folder, run, stop)? else { break };
        learn(&folder, &mut study, &ended)?;
        tell(Event::Ended(&ended));
        runs.push(ended);
    }
    Ok(runs)
}

/// Makes one run. `None`: it was cut.
fn make(order: &Order<'_>, folder: &Folder, planned: &Planned, stop: &Stop) -> Result<Option<Run>> {
    ensure!(
        folder.room()? >= ROOM,
        "the disk of {} is full (less than 64 MiB are left): make room and run the study again, it goes on here",
        order.folder.display()
    );
    folder.clear(&planned.id)?;
    let started = jiff::Timestamp::now().to_string();
    let role = match order.study.target {
        Target::Here => "one",
        Target::Lab(_) => "in-guest",
    };
    let mut child = Child::start(order.program, role, order.folder, &planned.id, &folder.log(&planned.id))?;
    let ended = child.wait(stop, limit(order.study))?;
    if let Some(run) = folder.run(&planned.id)? {
        return Ok(Some(run));
    }
    let (status, reason) = match ended {
        Ended::Stopped => {
            folder.clear(&planned.id)?;
            return Ok(None);
        }
        Ended::TooLong => (Status::Hung, "it took longer than all its steps may take together".to_owned()),
        Ended::Status(status) => {
            let kind = if [Some(124), Some(125)].contains(&status.code()) { Status::Hung } else { Status::Failed };
            let last = folder.last_words(&planned.id).unwrap_or_else(|| format!("it ended with {status}"));
            (kind, last)
        }
    };
    if folder.room()? < ROOM {
        folder.clear(&planned.id)?;
        bail!("the disk is full: make room and run the study again, it goes on where it was ({reason})");
    }
    let run = Run {
        id: planned.id.clone(),
        platform: planned.platform.clone(),
        repetition: planned.repetition,
        status,
        reason: Some(reason),
        level: order.study.level.name().to_owned(),
        tenants: one::tenants(order.study, planned),
        started,
        ..Run::default()
    };
    folder.write_run(&run).context("cannot write down how a run ended")?;
    Ok(Some(run))
}

/// The longest that a run can take when each of its steps takes as long as it may.
fn limit(study: &File) -> Duration {
    study.timeout * 7 + study.warm + Duration::from_secs(600)
}

/// What a run tells of where it ran and by which tools.
fn learn(folder: &Folder, study: &mut Study, run: &Run) -> Result<()> {
    let before = study.clone();
    if run.status == Status::Done && study.isolation.is_empty() {
        study.isolation.clone_from(&run.isolation);
    }
    if study.target != Target::Here.name() && study.guest.is_none() {
        study.guest.clone_from(&run.machine);
    }
    let mut tools = run.tools.clone();
    let kernel = study.target.strip_prefix("lab:").map(|name| anyhow::Ok(Cache::of_user()?.find(name)));
    if let Some(kernel) = kernel.transpose()?.flatten() {
        tools.push(Tool { name: "QEMU around the guests".to_owned(), version: Emulator::of(&kernel)?.version()? });
    }
    for tool in &tools {
        if !study.tools.iter().any(|known| known.name == tool.name) {
            study.tools.push(tool.clone());
        }
    }
    if *study != before { folder.write_study(study) } else { Ok(()) }
}
