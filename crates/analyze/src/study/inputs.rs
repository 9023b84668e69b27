//! The tables that the statements read and no trace has: what `run.json` and the manifests say.

use super::folder::Entry;
use super::run::Who;
use crate::engine::Engine;
use anyhow::Result;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, UInt32Array};
use lima_model::study::Tenant;
use std::sync::Arc;

/// What a trace lost for one cause.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    pub(super) run: String,
    pub(super) cause: String,
    pub(super) count: u64,
    pub(super) meaning: String,
}

/// Adds `runs`, `members` and `lost`.
pub(super) fn add(engine: &Engine, entries: &[Entry], lost: &[Loss]) -> Result<()> {
    runs(engine, entries)?;
    members(engine, entries)?;
    let texts = |of: fn(&Loss) -> &str| text(lost.iter().map(|loss| Some(of(loss))));
    put(
        engine,
        "lost",
        vec![
            ("run", texts(|loss| &loss.run)),
            ("cause", texts(|loss| &loss.cause)),
            ("count", number(lost.iter().map(|loss| Some(loss.count)))),
            ("meaning", texts(|loss| &loss.meaning)),
        ],
    )
}

fn runs(engine: &Engine, entries: &[Entry]) -> Result<()> {
    let texts = |of: fn(&Entry) -> Option<&str>| text(entries.iter().map(of));
    let numbers = |of: fn(&Entry) -> Option<u64>| number(entries.iter().map(of));
    let flags = |of: fn(&Entry) -> bool| flag(entries.iter().map(of));
    put(
        engine,
        "runs",
        vec![
            ("run", texts(|entry| Some(&entry.id))),
            ("platform", texts(|entry| Some(&entry.front.platform))),
            ("workloads", texts(|entry| Some(&entry.workloads))),
            ("repetition", numbers(|entry| Some(u64::from(entry.front.repetition)))),
            ("status", texts(|entry| Some(entry.status))),
            ("counted", flags(|entry| entry.counted)),
            ("reason", texts(|entry| entry.reason.as_deref())),
            ("level", texts(|entry| Some(&entry.level))),
            ("complete", flags(|entry| entry.complete)),
            ("lost", numbers(|entry| Some(entry.lost))),
            ("cold_ns", numbers(|entry| Some(entry.front.phases.cold_ns))),
            ("warm_ns", numbers(|entry| Some(entry.front.phases.warm_ns))),
            ("elapsed_traced_ns", numbers(|entry| entry.front.elapsed_traced_ns)),
            ("elapsed_untraced_ns", numbers(|entry| entry.front.elapsed_untraced_ns)),
            ("kernel_build_id", texts(|entry| Some(&entry.front.kernel_build_id))),
            ("started", texts(|entry| Some(&entry.front.started))),
        ],
    )
}

fn members(engine: &Engine, entries: &[Entry]) -> Result<()> {
    let of_runs = entries.iter().filter(|entry| entry.counted);
    let rows: Vec<(&Entry, &Tenant)> =
        of_runs.flat_map(|entry| entry.front.tenants.iter().map(move |tenant| (entry, tenant))).collect();
    let texts = |of: fn(&Tenant) -> Option<&str>| text(rows.iter().map(|&(_, tenant)| of(tenant)));
    let numbers = |of: fn(&Tenant) -> Option<u64>| number(rows.iter().map(|&(_, tenant)| of(tenant)));
    put(
        engine,
        "members",
        vec![
            ("run", text(rows.iter().map(|(entry, _)| Some(entry.id.as_str())))),
            ("tenant", texts(|tenant| Some(&tenant.name))),
            ("workload", texts(|tenant| Some(&tenant.workload))),
            ("workload_group", texts(|tenant| Some(tenant.group.name()))),
            ("stressor", texts(|tenant| tenant.stressor.as_deref())),
            ("elapsed_traced_ns", numbers(|tenant| tenant.elapsed_traced_ns)),
            ("elapsed_untraced_ns", numbers(|tenant| tenant.elapsed_untraced_ns)),
        ],
    )
}

/// Adds `this_run`.
pub(super) fn add_run(engine: &Engine, id: &str) -> Result<()> {
    put(engine, "this_run", vec![("run", text([Some(id)].into_iter()))])
}

/// Adds `who`.
pub(super) fn add_who(engine: &Engine, who: &[Who]) -> Result<()> {
    let texts = |of: fn(&Who) -> Option<&str>| text(who.iter().map(of));
    put(
        engine,
        "who",
        vec![
            ("number", Arc::new(UInt32Array::from_iter_values(who.iter().map(|who| who.number)))),
            ("tenant", texts(|who| Some(&who.tenant))),
            ("role", texts(|who| Some(who.role))),
            ("workload", texts(|who| who.workload.as_deref())),
        ],
    )
}

fn put(engine: &Engine, name: &str, columns: Vec<(&str, ArrayRef)>) -> Result<()> {
    let rows = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?;
    engine.add_batches(name, rows.schema(), vec![rows])
}

fn text<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn number(values: impl Iterator<Item = Option<u64>>) -> ArrayRef {
    // A number beyond a signed one is no length or count of anything.
    Arc::new(values.map(|value| value.and_then(|value| i64::try_from(value).ok())).collect::<Int64Array>())
}

fn flag(values: impl Iterator<Item = bool>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<BooleanArray>())
}
