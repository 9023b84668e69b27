//! A known culprit: one task holds a kernel lock for an exact time, others wait for it, and everybody keeps the time.
//!
//! The holder is stopped inside a system call by a page that is served late ([`userfault`](super::userfault)), so it
//! holds whatever lock that system call had taken. The userfault itself tells when the hold has begun; only then are
//! the victims told when to come. Nothing is left to chance but the scheduler, and what the scheduler does is measured.

mod role;

use super::process::{Part, Stop};
use crate::Tenant;
use anyhow::{Context, Result, bail};
pub use role::play;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the tasks fight over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Object {
    /// The mutex of a named pipe: everybody writes into it.
    Pipe,
    /// The `i_rwsem` of a file, held in write mode: everybody writes into it.
    Inode,
    /// The `i_rwsem` of a directory, held in read mode: the holder lists it, the victims create files in it.
    Directory,
}

impl Object {
    /// Every object.
    pub const ALL: [Self; 3] = [Self::Pipe, Self::Inode, Self::Directory];

    /// Its word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Inode => "inode",
            Self::Directory => "directory",
        }
    }

    /// The object with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|object| object.name() == name)
    }
}

/// Somebody who wants the lock while the holder has it.
#[derive(Clone, Debug)]
pub struct Victim {
    /// How long after the begin of the hold it comes.
    pub enter: Duration,
    /// How long it holds the lock itself when it gets it: a link in a chain. Zero: it lets go at once.
    pub hold: Duration,
    /// The tenant that it runs in; `None`: that of the caller.
    pub tenant: Option<PathBuf>,
}

/// What is played.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What about.
    pub object: Object,
    /// Where the file, the pipe or the directory is made, in a folder of its own that is removed at the end.
    pub folder: PathBuf,
    /// How long the holder holds.
    pub hold: Duration,
    /// The tenant that the holder runs in.
    pub holder_tenant: Option<PathBuf>,
    /// Who waits, in the order in which they come.
    pub victims: Vec<Victim>,
    /// How often.
    pub times: u32,
}

/// Who played a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Player {
    /// Its thread id, which is its process id as well.
    pub tid: u32,
    /// Its name.
    pub comm: String,
    /// Its tenant; bytes that are no UTF-8 are replaced.
    pub tenant: Option<String>,
}

/// What one player did in one round, as measured by itself. Nanoseconds of CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Just before its system call.
    pub enter_ns: u64,
    /// When it was seen to hold the lock; `None` for one who lets go at once.
    pub hold_begin_ns: Option<u64>,
    /// When it was allowed to go on.
    pub hold_end_ns: Option<u64>,
    /// Just after its system call.
    pub leave_ns: u64,
}

impl Turn {
    /// How long it was kept from the lock.
    pub fn wait_ns(&self) -> u64 {
        self.hold_begin_ns.unwrap_or(self.leave_ns) - self.enter_ns
    }
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// What the holder did.
    pub holder: Turn,
    /// What the victims did, in their order.
    pub victims: Vec<Turn>,
}

/// What was played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `culprit`.
    pub load: String,
    /// What about.
    pub object: Object,
    /// The holder.
    pub holder: Player,
    /// The victims.
    pub victims: Vec<Player>,
    /// What happened.
    pub rounds: Vec<Round>,
}

/// To a player: your turn.
#[derive(Debug, Serialize, Deserialize)]
struct Order {
    round: u32,
    /// When to enter; in the past: at once.
    enter_ns: u64,
    hold_ns: u64,
}

/// From a player.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ready { tid: u32 },
    Holding { since_ns: u64 },
    Done(Turn),
}

/// Plays the scene. `lima` is the program whose `lab role` command plays a part.
pub fn run(scene: &Scene, lima: &Path) -> Result<Report> {
    check(scene)?;
    let stop = Stop::on_signals()?;
    let stage = Stage::build(scene)?;
    let tenants = scene.victims.iter().map(|victim| victim.tenant.as_deref());
    let tenants: Vec<Option<Tenant>> = std::iter::once(scene.holder_tenant.as_deref())
        .chain(tenants)
        .map(|name| name.map(Tenant::create).transpose())
        .collect::<Result<_>>()?;

    // One after the other: two processes that start at once would contend for the file that they are loaded from.
    let mut parts = Vec::new();
    let mut players = Vec::new();
    for (number, tenant) in tenants.iter().enumerate() {
        let comm = if number == 0 { "lima-holder".to_owned() } else { format!("lima-victim-{number}") };
        let arguments = ["lab".as_ref(), "role".as_ref(), "--object".as_ref(), scene.object.name().as_ref()];
        let arguments =
            arguments.into_iter().chain(["--dir".as_ref(), stage.0.as_os_str(), "--name".as_ref(), comm.as_ref()]);
        let mut part = Part::start(&comm, lima, &arguments.collect::<Vec<_>>(), tenant.as_ref())?;
        let Answer::Ready { tid } = heard(&mut part, &stop)? else { bail!("the {comm} spoke before its turn") };
        let name = if number == 0 { &scene.holder_tenant } else { &scene.victims[number - 1].tenant };
        players.push(Player { tid, comm, tenant: name.as_ref().map(|name| name.to_string_lossy().into_owned()) });
        parts.push(part);
    }

    let rounds =
        (0..scene.times).map(|round| play_round(scene, &stage, &mut parts, &stop, round)).collect::<Result<_>>()?;

    // The victims first, and again one after the other.
    for part in parts.into_iter().rev() {
        part.end()?;
    }
    let holder = players.remove(0);
    Ok(Report { load: "culprit".to_owned(), object: scene.object, holder, victims: players, rounds })
}

fn check(scene: &Scene) -> Result<()> {
    if scene.hold.is_zero() || scene.hold > Duration::from_secs(60) {
        bail!("a hold must last between 1 ns and 60 s");
    }
    if scene.object == Object::Directory && scene.victims.iter().any(|victim| !victim.hold.is_zero()) {
        bail!("who creates a file in a directory cannot be held up in it; use `pipe` or `inode` for a chain");
    }
    Ok(())
}

fn play_round(scene: &Scene, stage: &Stage, parts: &mut [Part], stop: &Stop, round: u32) -> Result<Round> {
    let (holder, victims) = parts.split_first_mut().context("no players")?;
    holder.order(&Order { round, enter_ns: 0, hold_ns: nanos(scene.hold) })?;
    let since_ns = match heard(holder, stop)? {
        Answer::Holding { since_ns } => since_ns,
        other => bail!("the holder was never held up: {other:?}"),
    };
    for (victim, part) in scene.victims.iter().zip(victims.iter_mut()) {
        part.order(&Order { round, enter_ns: since_ns + nanos(victim.enter), hold_ns: nanos(victim.hold) })?;
    }
    let holder = turn(holder, stop)?;
    let victims = victims.iter_mut().map(|part| turn(part, stop)).collect::<Result<_>>()?;
    stage.tidy(scene.object)?;
    Ok(Round { holder, victims })
}

fn heard(part: &mut Part, stop: &Stop) -> Result<Answer> {
    part.answer_or_stop(stop)?.context("stopped by a signal")
}

fn turn(part: &mut Part, stop: &Stop) -> Result<Turn> {
    loop {
        match heard(part, stop)? {
            Answer::Done(turn) => return Ok(turn),
            Answer::Holding { .. } => {}
            Answer::Ready { .. } => bail!("a player started twice"),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The folder with what is fought over. Removed when dropped.
#[derive(Debug)]
struct Stage(PathBuf);

impl Stage {
    fn build(scene: &Scene) -> Result<Self> {
        let folder = scene.folder.join(format!("culprit-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let stage = Self(folder);
        match scene.object {
            Object::Pipe => {
                rustix::fs::mknodat(rustix::fs::CWD, stage.file(), rustix::fs::FileType::Fifo, 0o600.into(), 0)
                    .with_context(|| format!("cannot make the pipe {}", stage.file().display()))?;
            }
            Object::Inode => fs::write(stage.file(), [0; 4096]).context("cannot make the file")?,
            Object::Directory => fs::create_dir(stage.file()).context("cannot make the directory")?,
        }
        Ok(stage)
    }

    fn file(&self) -> PathBuf {
        file_in(&self.0)
    }

    /// Empties the pipe, which would be full one day.
    fn tidy(&self, object: Object) -> Result<()> {
        if object == Object::Pipe {
            let mut pipe = fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(self.file())?;
            let mut bytes = [0; 4096];
            while matches!(pipe.read(&mut bytes), Ok(1..)) {}
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("lima: cannot remove the folder {:?}: {error}", self.0);
        }
    }
}

/// The contended thing inside a stage.
fn file_in(stage: &Path) -> PathBuf {
    stage.join("contended")
}
