//! One run: the rows that its trace adds to the tables.

use super::folder::{Entry, foreign};
use super::inputs::{self, Loss};
use super::statements::{self, Scope, Statement};
use super::table::made_by;
use super::workers::Workers;
use super::{Named, Namer};
use crate::analysis::Analysis;
use crate::engine::Engine;
use crate::phases::Phases;
use crate::statement;
use anyhow::{Context, Result, anyhow, bail};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::UInt32Type;
use lima_model::Table;
use lima_model::escape::terminal;
use lima_trace::Trace;
use std::collections::BTreeMap;

/// The level of traces that have acquisitions.
const ACQUISITIONS: &str = "acquisitions";

/// What a trace adds.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) tables: Vec<(&'static str, RecordBatch)>,
    pub(super) lost: Vec<Loss>,
    pub(super) complete: bool,
    pub(super) level: String,
    /// Whether its locks have the names of an index.
    pub(super) named: bool,
}

/// Reads the trace of a run; an error says why the run does not count.
pub(super) fn read(entry: &Entry, kernel: &str, namer: &Namer<'_>, workers: Option<&dyn Workers>) -> Result<Made> {
    // The path is of the machine that analyzes, and no part of the results.
    let within = format!("{}/", entry.folder);
    let trace = Trace::at(&entry.trace()).map_err(|error| anyhow!("{}", error.to_string().replace(&within, "")))?;
    if let Some(why) = foreign(&trace.manifest().kernel.build_id, kernel) {
        bail!(why);
    }
    let resolved = trace.manifest().resolved.is_some();
    let named = if resolved { None } else { namer(&trace).context("name the locks of its trace")? };
    let known = resolved || named.is_some();
    let analysis = match named {
        Some(Named { objects, lines, with }) => {
            Analysis::resolved(&trace, vec![(Table::Objects, objects), (Table::Lines, lines)], Some(with))?
        }
        None => Analysis::of(&trace)?,
    };
    let about = analysis.about();
    let lost = about.losses.present().map(|(cause, count, meaning)| Loss {
        run: entry.id.clone(),
        cause: cause.to_owned(),
        count,
        meaning: meaning.to_owned(),
    });
    let level = Some(about.manifest.options.level.clone()).filter(|level| !level.is_empty());
    let made = Entry {
        counted: true,
        complete: about.complete,
        level: level.unwrap_or_else(|| entry.front.level.clone()),
        ..entry.clone()
    };
    let (complete, lost) = (about.complete, lost.collect());
    let tables = tables(analysis.engine, &made, workers.map(|workers| (workers, &trace)))?;
    Ok(Made { tables, lost, complete, level: made.level, named: known })
}

/// Carries out the statements on one trace, here or by workers.
fn tables(
    engine: Engine,
    entry: &Entry,
    workers: Option<(&dyn Workers, &Trace)>,
) -> Result<Vec<(&'static str, RecordBatch)>> {
    inputs::add(&engine, std::slice::from_ref(entry), &[])?;
    inputs::add_run(&engine, &entry.id)?;
    inputs::add_who(&engine, &who(&engine, entry)?)?;
    let phases = Phases::read(&engine)?.of("t.time_ns");
    let elsewhere = workers.is_some();
    let engine = match workers {
        Some((workers, trace)) => engine.handed_to(workers.session()?, trace)?,
        None => engine,
    };
    let mut made = Vec::new();
    for statement in statements::ALL.iter().take_while(|statement| statement.group == 1) {
        if statement.scope == Scope::Study && statement.name != "run_phases" {
            continue;
        }
        let sql = statement::with(statement.sql, "/*phase*/", &phases);
        // A step has rows for each lock: elsewhere, they stay there.
        if elsewhere && !statement.kept {
            engine.name(statement.name, engine.prepare(&sql)?)?;
            continue;
        }
        let rows = made_by(&engine, &sql)?;
        engine.add_batches(statement.name, rows.schema(), vec![rows.clone()])?;
        if statement.scope == Scope::Trace && statement.kept {
            made.push((statement.name, rows));
        }
    }
    Ok(made)
}

/// The columns of a statement on traces, of a study without any.
pub(super) fn empty(statement: &Statement) -> Result<RecordBatch> {
    let nothing = crate::synthetic::Synthetic::default().analysis()?;
    let rows = tables(nothing.engine, &Entry::default(), None)?;
    let rows = rows.into_iter().find(|&(name, _)| name == statement.name);
    Ok(rows.context("a statement on traces that has no rows")?.1)
}

/// A tenant of a trace and what it is in the run.
#[derive(Debug)]
pub(super) struct Who {
    pub(super) number: u32,
    pub(super) tenant: String,
    pub(super) role: &'static str,
    pub(super) workload: Option<String>,
}

/// Who is who in a trace.
fn who(engine: &Engine, entry: &Entry) -> Result<Vec<Who>> {
    let members: BTreeMap<&str, &str> =
        entry.front.tenants.iter().map(|tenant| (tenant.name.as_str(), tenant.workload.as_str())).collect();
    let helpers: BTreeMap<&str, &str> =
        entry.front.helpers.iter().map(|helper| (helper.name.as_str(), helper.works_for.as_str())).collect();
    let mut all = Vec::new();
    let mut seen = Vec::new();
    for batch in engine.rows("SELECT tenant, name, kind, path FROM tenants")? {
        let numbers = batch.column(0).as_primitive_opt::<UInt32Type>().context("`tenant` is not a number")?;
        let text =
            |column: usize| batch.column(column).as_string_opt::<i32>().context("a name of a tenant is not text");
        let (names, kinds, paths) = (text(1)?, text(2)?, text(3)?);
        for row in 0..batch.num_rows() {
            let (number, name, kind) = (numbers.value(row), names.value(row), kinds.value(row));
            let path = if paths.is_valid(row) { paths.value(row) } else { name };
            let is = |known: &BTreeMap<&str, &str>| {
                [name, path]
                    .into_iter()
                    .find_map(|key| Some(((*known.get_key_value(key)?.0).to_owned(), known[key].to_owned())))
            };
            all.push(match (is(&members), is(&helpers)) {
                (Some((tenant, workload)), _) => {
                    seen.push(tenant.clone());
                    Who { number, tenant, role: "tenant", workload: Some(workload) }
                }
                (None, Some((_, works_for))) => {
                    let workload = members.get(works_for.as_str()).map(|&workload| workload.to_owned());
                    let role = if workload.is_some() { "helper" } else { "other" };
                    Who { number, tenant: works_for, role, workload }
                }
                (None, None) => {
                    let role = match kind {
                        "kernel" => "kernel",
                        "none" => "none",
                        "unknown" => "unknown",
                        _ => "other",
                    };
                    Who { number, tenant: name.to_owned(), role, workload: None }
                }
            });
        }
    }
    // Its rates would all be 0, which is not what is known of it. (A tenant may well wait for nothing.)
    let unseen = members.keys().find(|name| !seen.iter().any(|seen| seen == *name));
    if let Some(missing) = unseen.filter(|_| entry.level == ACQUISITIONS) {
        bail!("its trace knows no tenant `{}`", terminal(missing));
    }
    Ok(all)
}
