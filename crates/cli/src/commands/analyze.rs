//! `lima analyze`: tables, figures and findings from the runs of a study.

use super::index::cache;
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use lima_analyze::study::{Named, Results, Study, Workers};
use lima_index::store::Index;
use lima_model::escape::terminal;
use lima_model::study::RESULTS;
use lima_resolve::{Resolution, resolve};
use lima_store::Place;
use lima_trace::Trace;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// The arguments.
#[derive(Args, Debug)]
#[command(
    about = "Make tables, figures and findings from the runs of a study",
    long_about = "Make tables, figures and findings from the runs of a study.\n\nThe results go into the folder `results` of the study: \
        `findings.md`, `tables.xlsx`, and the folders `csv`, `parquet`, `latex` and `figures`. What an earlier analysis left there is \
        replaced. Runs that failed, or whose traces cannot be used, do not count; the table `all_runs` says why. `docs/method.md` says \
        what the numbers mean."
)]
pub struct Arguments {
    /// The study, a folder that `lima study run` has made, here or in an object store (s3://BUCKET/FOLDER)
    #[arg(value_name = "STUDY")]
    study: PathBuf,
    /// Put the results into this folder instead of `results` in that of the study
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The index to name locks with [default: that of the traces' kernel in ~/.cache/lima/index, if there is one]
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
    /// Let a cluster carry out the statements on traces; its machines must find the study under the same address
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "HOST:PORT")]
    cluster: Option<String>,
}

/// Who carries out the statements on traces, if not this process.
#[cfg(feature = "cluster")]
fn workers(arguments: &Arguments) -> Result<Option<Box<dyn Workers>>> {
    let cluster = arguments.cluster.as_deref().map(lima_cluster::Cluster::at).transpose()?;
    Ok(cluster.map(|cluster| -> Box<dyn Workers> { Box::new(cluster) }))
}

/// The same without the code for clusters.
#[cfg(not(feature = "cluster"))]
fn workers(_: &Arguments) -> Result<Option<Box<dyn Workers>>> {
    Ok(None)
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let place = Place::named(&arguments.study).with_context(|| format!("{}", arguments.study.display()))?;
    let folder = match (&arguments.output, &place) {
        (Some(folder), _) => folder.clone(),
        (None, Place::Local(study)) => study.join(RESULTS),
        (None, Place::Remote(remote)) => {
            bail!("nothing is written into {remote}: name a folder of this machine for the results, `--output DIR`")
        }
    };
    let workers = workers(arguments)?;
    let study = Study::open(&place)?;
    let indexes = Indexes { named: arguments.index.clone(), open: Mutex::default() };
    let bar = progress(study.done() as u64);
    let results =
        study.analyze(&|trace| indexes.name(trace), workers.as_deref(), &|done, _| bar.set_position(done as u64))?;
    bar.finish_and_clear();
    lima_report::study::write(&results, &folder)?;
    print!("{}", told(&results, &folder));
    // Results of nothing are no success.
    Ok(ExitCode::from(if counted(&results).0 == 0 { 2 } else { 0 }))
}

/// A bar on a terminal, nothing elsewhere.
fn progress(runs: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} runs, {eta} to go");
    let bar = ProgressBar::new(runs);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// The indexes that traces were named with: each is opened once, whatever the number of traces.
struct Indexes {
    named: Option<PathBuf>,
    open: Mutex<BTreeMap<String, Option<Arc<Index>>>>,
}

impl Indexes {
    fn name(&self, trace: &Trace) -> Result<Option<Named>> {
        let kernel = trace.manifest().kernel.build_id.clone();
        let index = {
            let mut open = self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            match open.get(&kernel) {
                Some(index) => index.clone(),
                None => {
                    let index = cache::of_trace(trace, self.named.as_deref())?.map(Arc::new);
                    open.insert(kernel, index.clone());
                    index
                }
            }
        };
        let Some(index) = index else { return Ok(None) };
        let Resolution { objects, lines, with, .. } =
            resolve(trace, &index).with_context(|| format!("with the index {}", index.folder().display()))?;
        Ok(Some(Named { objects, lines, with }))
    }
}

/// How many runs count, and how many there are.
fn counted(results: &Results) -> (usize, usize) {
    results
        .table("all_runs")
        .map_or((0, 0), |runs| ((0..runs.len()).filter(|&row| runs.flag(row, "counted")).count(), runs.len()))
}

/// Each figure is there as SVG and as PNG.
const FORMS: usize = 2;

/// What was done, in a few lines.
fn told(results: &Results, folder: &Path) -> String {
    let (counted, all) = counted(results);
    let mut out = format!("{counted} of {all} runs count\n");
    if let Some(runs) = results.table("all_runs") {
        for row in (0..runs.len()).filter(|&row| !runs.flag(row, "counted")).take(10) {
            let [run, status, reason] = ["run", "status", "reason"].map(|column| terminal(runs.text(row, column)));
            out.push_str(&format!("  {run} ({status}): {reason}\n"));
        }
    }
    for note in &results.notes {
        out.push_str(&format!("note: {}\n", terminal(note)));
    }
    let figures = std::fs::read_dir(folder.join("figures")).map_or(0, |files| files.count() / FORMS);
    out.push_str(&format!("{}/findings.md, {} tables, {figures} figures\n", folder.display(), results.tables.len()));
    out
}
