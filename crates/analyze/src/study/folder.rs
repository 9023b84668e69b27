//! A study on disk: its runs, and which of them can count.

use anyhow::{Context, Result, anyhow, bail};
use lima_model::escape::terminal;
use lima_model::study::{RUN_FILE, RUNS, Run, STUDY_FILE, Status, Study as Front, TRACE};
use lima_store::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

/// A study whose runs are known.
#[derive(Debug)]
pub struct Study {
    /// What it is called.
    pub name: String,
    /// Its runs, planned ones that were not made among them, by id.
    pub(super) entries: Vec<Entry>,
    /// Its platforms, in the plan's order.
    pub(super) platforms: Vec<String>,
    /// The build id of the kernel that most runs were made on.
    pub(super) kernel: String,
    pub(super) notes: Vec<String>,
}

/// A run of a study.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its id: the name of its folder.
    pub id: String,
    /// Its folder.
    pub folder: Place,
    /// `done`, `failed`, `hung`, `skipped`, `cut` or `missing`.
    pub status: &'static str,
    /// Why it does not count, or what went wrong.
    pub reason: Option<String>,
    /// What its `run.json` says.
    pub front: Run,
    /// The workloads, joined by `+`.
    pub workloads: String,
    /// Whether the tables are made from it.
    pub counted: bool,
    /// Whether its trace lost nothing.
    pub complete: bool,
    /// How many losses its trace counts.
    pub lost: u64,
    /// The level of its trace.
    pub level: String,
}

impl Entry {
    /// Whether it ended well, so that its trace is worth a look.
    pub(super) fn candidate(&self) -> bool {
        self.status == Status::Done.name()
    }

    /// Where its trace lies.
    pub(super) fn trace(&self) -> Place {
        self.folder.join(TRACE)
    }
}

impl Study {
    /// Looks at the folder of a study.
    pub fn open(folder: &Place) -> Result<Self> {
        let not = || anyhow!("{folder} is not a study: it has no folder `{RUNS}` (`lima study run` makes studies)");
        let runs = folder.join(RUNS);
        let mut ids = match runs.folders() {
            Ok(ids) => ids,
            Err(error) if matches!(error.kind(), ErrorKind::NotADirectory) => return Err(not()),
            Err(error) if error.kind() == ErrorKind::NotFound && matches!(folder, Place::Local(_)) => return Err(not()),
            Err(error) => return Err(error).with_context(|| format!("look into {runs}")),
        };
        // Runs that are under way.
        ids.retain(|id| !id.starts_with('.'));
        let mut notes = Vec::new();
        let front = front(folder, &mut notes);
        let mut entries: Vec<Entry> = ids.iter().map(|id| entry(&runs, id)).collect();
        let known: BTreeSet<&String> = ids.iter().collect();
        let unmade = front.plan.iter().filter(|planned| !known.contains(&planned.id)).map(|planned| Entry {
            id: planned.id.clone(),
            status: "missing",
            reason: Some("it was planned, and has not been made".to_owned()),
            front: Run { platform: planned.platform.clone(), repetition: planned.repetition, ..Run::default() },
            workloads: planned.workloads.join("+"),
            ..Entry::default()
        });
        entries.extend(unmade);
        let mut platforms: Vec<String> = Vec::new();
        let planned = front.plan.iter().map(|planned| &planned.platform);
        for platform in planned.chain(entries.iter().map(|entry| &entry.front.platform)) {
            if !platforms.contains(platform) {
                platforms.push(platform.clone());
            }
        }
        entries.sort_by(|one, other| one.id.cmp(&other.id));
        if entries.is_empty() {
            match folder {
                // In a store, a folder without files cannot be told from none.
                Place::Remote(_) if !notes.is_empty() => return Err(not()),
                _ => bail!("{folder} has no runs: make some with `lima study run`"),
            }
        }
        let kernel = kernel(&entries);
        let name = Some(front.name).filter(|name| !name.is_empty());
        let name = name.or_else(|| folder.name()).unwrap_or_default();
        Ok(Self { name, entries, platforms, kernel, notes })
    }

    /// How many runs ended well.
    pub fn done(&self) -> usize {
        self.entries.iter().filter(|entry| entry.candidate()).count()
    }
}

/// What `study.json` says. The tables can do without it, so that it is missing or broken is only noted.
fn front(folder: &Place, notes: &mut Vec<String>) -> Front {
    let read = folder.read(STUDY_FILE).map_err(anyhow::Error::from);
    read.and_then(|text| Ok(serde_json::from_slice(&text)?)).unwrap_or_else(|error| {
        notes.push(format!(
            "{STUDY_FILE} cannot be read ({error:#}): runs that were planned and not made are not known"
        ));
        Front::default()
    })
}

fn entry(runs: &Place, id: &str) -> Entry {
    let folder = runs.join(id);
    let mut entry = Entry { id: id.to_owned(), folder: folder.clone(), ..Entry::default() };
    let cut = |why: String| ("cut", Some(why), Run::default());
    let (status, reason, front) = match folder.read(RUN_FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            cut(format!("it has no {RUN_FILE}: it was interrupted, `lima study run` makes it again"))
        }
        Err(error) => cut(format!("{RUN_FILE} cannot be read: {error}")),
        Ok(text) => match serde_json::from_slice::<Run>(&text) {
            Err(error) => cut(format!("{RUN_FILE} cannot be read: {error}")),
            Ok(front) => (front.status.name(), front.reason.clone(), front),
        },
    };
    let workloads = front.tenants.iter().map(|tenant| tenant.workload.as_str()).collect::<Vec<_>>().join("+");
    // Of a run without a front page, what its id says.
    let mut parts = id.split('.');
    let (platform, named) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    entry.workloads = if workloads.is_empty() { named.to_owned() } else { workloads };
    entry.level.clone_from(&front.level);
    entry.front = front;
    if entry.front.platform.is_empty() {
        entry.front.platform = platform.to_owned();
        let repetition = parts.next().and_then(|part| part.strip_prefix('r')?.parse().ok());
        entry.front.repetition = repetition.unwrap_or_default();
    }
    (entry.status, entry.reason) = (status, reason);
    entry
}

/// The build id of the kernel that most runs were made on; of several that are as frequent, the first in order.
fn kernel(entries: &[Entry]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.candidate()) {
        *counts.entry(&entry.front.kernel_build_id).or_default() += 1;
    }
    let most = counts.into_iter().rev().max_by_key(|&(_, count)| count);
    most.map(|(build_id, _)| build_id.to_owned()).unwrap_or_default()
}

/// Why a trace of the kernel `found` does not count in a study of the kernel `wanted`; nothing when it does.
pub(super) fn foreign(found: &str, wanted: &str) -> Option<String> {
    // A kernel without a build id cannot be told from others: its name is not enough.
    (!wanted.is_empty() && found != wanted).then(|| {
        let shown = if found.is_empty() { "without a build id".to_owned() } else { terminal(found) };
        format!(
            "its trace is of another kernel ({shown}) than most runs ({}): addresses and rates cannot be compared",
            terminal(wanted)
        )
    })
}
