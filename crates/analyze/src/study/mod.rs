//! Tables from the runs of a study: `docs/method.md` says what they mean, `sql/study/` how they are made.
//!
//! A [`Study`] is opened from its folder; [`Study::analyze`] reads the trace of each run that counts, on several threads, a
//! trace at a time on each, and puts the rows together. What cannot be used (a run that failed, a trace that is damaged or of another
//! kernel) is left out and said so in the table `all_runs`.

mod folder;
mod inputs;
mod run;
mod statements;
mod table;
mod workers;

pub use folder::{Entry, Study};
pub use table::{Cell, StudyTable};
pub use workers::Workers;

use crate::engine::Engine;
use anyhow::Result;
use arrow::array::RecordBatch;
use lima_model::manifest::Resolved;
use lima_trace::Trace;
use run::Made;
use statements::{Scope, Statement};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What the locks of a trace protect: its tables `objects` and `lines`.
#[derive(Clone, Debug)]
pub struct Named {
    /// The rows of `objects`.
    pub objects: RecordBatch,
    /// The rows of `lines`.
    pub lines: RecordBatch,
    /// What they were made with.
    pub with: Resolved,
}

/// Names the locks of a trace that was not resolved; `None` where there is no index of its kernel.
pub type Namer<'a> = dyn Fn(&Trace) -> Result<Option<Named>> + Sync + 'a;

/// The tables of a study.
#[derive(Clone, Debug)]
pub struct Results {
    /// What the study is called.
    pub name: String,
    /// Its platforms, in the plan's order; those of runs that were not planned follow.
    pub platforms: Vec<String>,
    /// In the order in which they were made.
    pub tables: Vec<StudyTable>,
    /// What a reader of all tables should know.
    pub notes: Vec<String>,
}

impl Results {
    /// The table with this name.
    pub fn table(&self, name: &str) -> Option<&StudyTable> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl Study {
    /// Makes all tables. `namer` is asked about each trace that was not resolved; `progress` is told after each run how many
    /// are done, of how many. With `workers`, it is they who carry out the statements on traces.
    pub fn analyze(
        mut self,
        namer: &Namer<'_>,
        workers: Option<&dyn Workers>,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Results> {
        let made = self.read_traces(namer, workers, progress);
        let mut parts: BTreeMap<&str, Vec<RecordBatch>> = BTreeMap::new();
        let mut lost = Vec::new();
        let mut unnamed = 0;
        for (at, outcome) in made {
            match outcome {
                Ok(made) => {
                    let entry = &mut self.entries[at];
                    (entry.counted, entry.complete) = (true, made.complete);
                    entry.lost = made.lost.iter().map(|loss| loss.count).sum();
                    entry.level = made.level;
                    unnamed += u64::from(!made.named);
                    lost.extend(made.lost);
                    made.tables.into_iter().for_each(|(name, rows)| parts.entry(name).or_default().push(rows));
                }
                Err(error) => self.entries[at].reason = Some(format!("{error:#}")),
            }
        }
        let mut notes = self.notes.clone();
        if unnamed > 0 {
            notes.push(format!(
                "there is no index of the kernel of {unnamed} runs: their locks are known by slab cache, variable or function only"
            ));
        }
        let engine = Engine::new()?;
        inputs::add(&engine, &self.entries, &lost)?;
        let mut tables = Vec::new();
        for statement in statements::ALL {
            let rows = match statement.scope {
                Scope::Study => table::made_by(&engine, statement.sql)?,
                Scope::Trace if statement.kept => {
                    let parts = parts.remove(statement.name).unwrap_or_default();
                    table::joined(parts, || run::empty(statement))?
                }
                Scope::Trace => continue,
            };
            engine.add_batches(statement.name, rows.schema(), vec![rows.clone()])?;
            if statement.kept {
                tables.push(StudyTable { name: statement.name, about: about(statement), group: statement.group, rows });
            }
        }
        Ok(Results { name: self.name, platforms: self.platforms, tables, notes })
    }

    /// What the traces of the runs say that can count: the place of each run, and its rows or why there are none.
    fn read_traces(
        &self,
        namer: &Namer<'_>,
        workers: Option<&dyn Workers>,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Vec<(usize, Result<Made>)> {
        let candidates: Vec<usize> = (0..self.entries.len()).filter(|&at| self.entries[at].candidate()).collect();
        let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let made = Mutex::new(Vec::new());
        let work = || {
            while let Some(&at) = candidates.get(next.fetch_add(1, Ordering::Relaxed)) {
                let outcome = run::read(&self.entries[at], &self.kernel, namer, workers);
                made.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((at, outcome));
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, candidates.len());
            }
        };
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(candidates.len());
        thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        let mut made = made.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        made.sort_by_key(|&(at, _)| at);
        made
    }
}

/// What a statement says of its table: the first paragraph of its comment.
fn about(statement: &Statement) -> String {
    let lines = statement.sql.lines().map_while(|line| line.strip_prefix("--")).map(str::trim);
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
