//! A trace, opened for a report: resolved, if there is an index of its kernel.

use super::index::cache;
use anyhow::Result;
use lima_analyze::Analysis;
use lima_resolve::{Resolution, resolve};
use lima_trace::Trace;
use std::path::Path;

/// Opens a trace. Its locks are named by what `lima resolve` wrote into it; else with the index that was named, or with the
/// best in the cache of its kernel, when there is one.
pub fn opened(trace: &Path, index: Option<&Path>) -> Result<Analysis> {
    let trace = Trace::open(trace)?;
    if trace.manifest().resolved.is_some() && index.is_none() {
        return Analysis::of(&trace);
    }
    let Some(index) = cache::of_trace(&trace, index)? else { return Analysis::of(&trace) };
    let Resolution { objects, lines, with, .. } = resolve(&trace, &index)?;
    Analysis::resolved(&trace, objects, lines, with)
}
