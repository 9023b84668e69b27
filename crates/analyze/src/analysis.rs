//! A trace, opened for questions.

use crate::about::About;
use crate::engine::Engine;
use crate::filter::{self, Filter, Source};
use crate::phases::{self, Phases};
use crate::stacks::Stacks;
use crate::statement;
use crate::tenants::Tenants;
use anyhow::Result;
use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::Schema;
use datafusion::prelude::DataFrame;
use lima_model::Table;
use lima_model::manifest::Resolved;
use lima_trace::Trace;
use std::sync::Arc;

/// What of a single wait has no place in the totals.
const SINGLE: &str = "t.begin_ns, t.wait_ns, t.spin_ns, t.sleep_ns, t.held_ns, t.other_held_ns, t.free_ns, t.unknown_ns, \
    CASE WHEN t.result < 0 THEN -CAST(t.result AS BIGINT) END AS errno, t.cpu, t.comm, t.tid, t.tgid, \
    t.holder_comm, t.holder_tid, t.holder_tgid, t.holder_stack_id, t.holder_site_id, t.holder_cpu, t.holder_mode, \
    t.release_stack_id";

/// A trace whose tables can be asked.
#[derive(Debug)]
pub struct Analysis {
    about: About,
    pub(crate) engine: Engine,
    pub(crate) stacks: Stacks,
    pub(crate) tenants: Tenants,
}

impl Analysis {
    /// Opens a trace for questions.
    pub fn of(trace: &Trace) -> Result<Self> {
        let about = About {
            path: trace.folder().to_owned(),
            manifest: trace.manifest().clone(),
            losses: trace.losses(),
            complete: trace.complete(),
        };
        let engine = Engine::new()?;
        engine.add_trace(trace)?;
        Self::finish(about, engine)
    }

    /// Opens a trace for questions, with these rows as those of its tables that resolving makes; `with` says what index
    /// `objects` and `lines` come from.
    pub fn resolved(trace: &Trace, tables: Vec<(Table, RecordBatch)>, with: Option<Resolved>) -> Result<Self> {
        let mut manifest = trace.manifest().clone();
        manifest.resolved = with.or(manifest.resolved);
        let (losses, complete) = (trace.losses(), trace.complete());
        let about = About { path: trace.folder().to_owned(), manifest, losses, complete };
        let engine = Engine::new()?;
        engine.add_trace(trace)?;
        for (table, rows) in tables {
            engine.replace(table, rows)?;
        }
        Self::finish(about, engine)
    }

    /// The same for tables that are in memory; those that are not given are empty.
    pub fn of_batches(about: About, tables: Vec<(Table, RecordBatch)>) -> Result<Self> {
        let engine = Engine::new()?;
        for &table in Table::ALL {
            let batches = tables.iter().filter(|(of, _)| *of == table).map(|(_, batch)| batch.clone()).collect();
            engine.add_batches(table.name(), table.schema(), batches)?;
        }
        Self::finish(about, engine)
    }

    /// What is to be said of the trace beside any result.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Adds the tables that turn numbers into words, and the statements that use them.
    fn finish(about: About, engine: Engine) -> Result<Self> {
        let stacks = read_stacks(&engine)?;
        add_sites(&engine, &stacks)?;
        add_symbols(&engine, &stacks)?;
        let tenants = add_tenants(&engine)?;
        engine.keep("object_methods", include_str!("../sql/object_methods.sql"))?;
        let phases = Phases::read(&engine)?;
        engine.keep("spans", include_str!("../sql/spans.sql"))?;
        let in_phase = |statement, time| statement::with(statement, "/*phase*/", &phases.of(time));
        let waits = include_str!("../sql/waits.sql");
        engine.name("all_waits", engine.prepare(&in_phase(waits, "t.time_ns"))?)?;
        // As in the totals, a wait belongs where it ends.
        let single = statement::with(&in_phase(waits, "(t.begin_ns + t.wait_ns)"), "/*table*/", "events");
        let single = statement::with(&single, "/*time*/", "(t.begin_ns + t.wait_ns)");
        let single = statement::with(&single, "/*measures*/", SINGLE);
        engine.name("all_single_waits", engine.prepare(&single)?)?;
        let acquired = in_phase(include_str!("../sql/acquisitions.sql"), "t.time_ns");
        let acquired = statement::with(&acquired, "/*weight*/", &phases::weight(&about.manifest));
        engine.name("all_acquired", engine.prepare(&acquired)?)?;
        let tasks = in_phase(include_str!("../sql/task_waits.sql"), "t.time_ns");
        engine.name("all_task_waits", engine.prepare(&tasks)?)?;
        Ok(Self { about, engine, stacks, tenants })
    }

    /// Makes `waits`, `task_waits`, `single_waits` or `acquired` those rows that the filters let pass.
    pub(crate) fn narrow(&self, source: Source, filters: &[Filter]) -> Result<()> {
        let (all, name) = match source {
            Source::Waits => ("SELECT * FROM all_waits", "waits"),
            Source::Tasks => ("SELECT * FROM all_task_waits", "task_waits"),
            Source::Events => ("SELECT * FROM all_single_waits", "single_waits"),
            Source::Acquisitions => ("SELECT * FROM all_acquired", "acquired"),
        };
        let mut frame: DataFrame = self.engine.prepare(all)?;
        if let Some(condition) = filter::condition(filters, source, &self.stacks, &self.tenants)? {
            frame = frame.filter(condition)?;
        }
        self.engine.name(name, frame)
    }
}

fn read_stacks(engine: &Engine) -> Result<Stacks> {
    let mut stacks = Stacks::default();
    for batch in engine.rows("SELECT stack_id, kind, tgid, addresses FROM stacks")? {
        stacks.add_stacks(&batch)?;
    }
    for batch in engine.rows("SELECT tgid, address, symbol, \"offset\", module FROM frames")? {
        stacks.add_frames(&batch)?;
    }
    let kernel = "SELECT arrow_cast(0, 'UInt32') AS tgid, address, functions, files, lines FROM lines";
    for statement in [kernel, "SELECT tgid, address, functions, files, lines FROM user_lines"] {
        for batch in engine.rows(statement)? {
            stacks.add_lines(&batch)?;
        }
    }
    stacks.finish();
    Ok(stacks)
}

fn add_sites(engine: &Engine, stacks: &Stacks) -> Result<()> {
    let sites: Vec<_> = stacks.sites().collect();
    let ids: UInt64Array = sites.iter().map(|&(id, _)| Some(id)).collect();
    let texts: StringArray = sites.iter().map(|(_, site)| Some(&*site.site)).collect();
    let objects: StringArray = sites.iter().map(|(_, site)| site.object.as_deref()).collect();
    let wait_locks: BooleanArray = sites.iter().map(|(_, site)| Some(site.wait_lock)).collect();
    add(
        engine,
        "sites",
        vec![
            ("stack_id", Arc::new(ids)),
            ("site", Arc::new(texts)),
            ("object", Arc::new(objects)),
            ("wait_lock", Arc::new(wait_locks)),
        ],
    )
}

fn add_symbols(engine: &Engine, stacks: &Stacks) -> Result<()> {
    let (addresses, symbols): (Vec<_>, Vec<_>) = stacks.symbols().unzip();
    add(
        engine,
        "symbols",
        vec![("address", Arc::new(UInt64Array::from(addresses))), ("symbol", Arc::new(StringArray::from(symbols)))],
    )
}

fn add_tenants(engine: &Engine) -> Result<Tenants> {
    let mut tenants = Tenants::default();
    for batch in engine.rows(&format!("SELECT {} FROM tenants", Tenants::COLUMNS))? {
        tenants.add(&batch)?;
    }
    let (numbers, names): (Vec<_>, Vec<_>) = tenants.finish().into_iter().unzip();
    add(
        engine,
        "tenant_names",
        vec![("tenant", Arc::new(UInt32Array::from(numbers))), ("name", Arc::new(StringArray::from(names)))],
    )?;
    Ok(tenants)
}

fn add(engine: &Engine, name: &str, columns: Vec<(&str, ArrayRef)>) -> Result<()> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))?;
    let schema: Arc<Schema> = batch.schema();
    engine.add_batches(name, schema, vec![batch])
}
