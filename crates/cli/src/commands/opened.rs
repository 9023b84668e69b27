//! A trace, opened for a report: resolved, if there is an index of its kernel.

use super::index::cache;
use anyhow::{Context, Result};
use lima_analyze::Analysis;
use lima_model::Table;
use lima_resolve::{Resolution, resolve, user};
use lima_store::Place;
use lima_trace::Trace;
use std::path::Path;

/// Opens a trace. Its locks are named by what `lima resolve` wrote into it; else with the index that was named, or with the
/// best in the cache of its kernel, when there is one. Its processes' code is named by the debug information that is here.
pub fn opened(trace: &Path, index: Option<&Path>) -> Result<Analysis> {
    let trace = named(trace)?;
    if trace.manifest().resolved.is_some() && index.is_none() {
        return Analysis::of(&trace);
    }
    let mut tables = vec![(Table::UserLines, user::lines(&trace)?)];
    let Some(index) = cache::of_trace(&trace, index)? else { return Analysis::resolved(&trace, tables, None) };
    let Resolution { objects, lines, with, .. } = resolve(&trace, &index)?;
    tables.extend([(Table::Objects, objects), (Table::Lines, lines)]);
    Analysis::resolved(&trace, tables, Some(with))
}

/// The trace that was named on the command line: a folder, or the address of one in an object store.
pub fn named(trace: &Path) -> Result<Trace> {
    let place = Place::named(trace).with_context(|| trace.display().to_string())?;
    Ok(Trace::at(&place)?)
}
