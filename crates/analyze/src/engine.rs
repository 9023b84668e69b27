//! The SQL engine with the tables of one trace: DataFusion behind a synchronous face.
//!
//! It works on one thread: a report should not take the processors away from what is being looked at, and most of a
//! report's time is spent in one aggregation.

use crate::histograms::{merge_histograms, octave_quantile, wait_quantile};
use anyhow::{Context, Result, anyhow};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::object_store::ObjectStore;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use lima_model::Table;
use lima_store::Place;
use lima_trace::Trace;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// How a trace's folder on this machine is called inside the engine. Its real path is of the user's choosing, and would have to be
/// kept from being read as a URL or a pattern.
const STORE: &str = "lima://trace/";

pub(crate) struct Engine {
    context: SessionContext,
    runtime: Runtime,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn new() -> Result<Self> {
        let config = SessionConfig::new().with_target_partitions(1).with_collect_statistics(false);
        let context = SessionContext::new_with_config(config);
        context.register_udaf(merge_histograms());
        context.register_udf(wait_quantile());
        context.register_udf(octave_quantile());
        // The clock is for object stores, which are asked again after a while; the network for other machines.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("start the engine of the report")?;
        Ok(Self { context, runtime })
    }

    /// Registers the good segments of every table of a trace.
    pub(crate) fn add_trace(&self, trace: &Trace) -> Result<()> {
        let (store, folder): (Arc<dyn ObjectStore>, _) = match trace.place() {
            Place::Local(folder) => (Arc::new(LocalFileSystem::new_with_prefix(folder)?), STORE.to_owned()),
            // Not by a `PrefixStore`: that tells of a file by another name than it was asked for.
            Place::Remote(remote) => (remote.store(), format!("{}/", remote.url())),
        };
        let url = ListingTableUrl::parse(&folder)?.object_store();
        self.context.register_object_store(url.as_ref(), store);
        for &table in Table::ALL {
            match files(trace, table, &folder)? {
                files if files.is_empty() => self.add_batches(table.name(), table.schema(), Vec::new())?,
                files => self.add_files(table, files)?,
            }
        }
        Ok(())
    }

    fn add_files(&self, table: Table, files: Vec<ListingTableUrl>) -> Result<()> {
        let options = ListingOptions::new(Arc::new(ParquetFormat::default()));
        let config =
            ListingTableConfig::new_with_multi_paths(files).with_listing_options(options).with_schema(table.schema());
        self.context.register_table(table.name(), Arc::new(ListingTable::try_new(config)?))?;
        Ok(())
    }

    /// An engine with the same tables, of this trace and in memory, whose statements a session carries out: that of other
    /// machines, which read the trace's files themselves.
    pub(crate) fn handed_to(self, session: SessionContext, trace: &Trace) -> Result<Self> {
        let at = Self { context: session, runtime: self.runtime };
        let folder = format!("{}/", trace.place().url()?);
        let names = self.context.catalog("datafusion").and_then(|catalog| catalog.schema("public"));
        for name in names.map(|schema| schema.table_names()).unwrap_or_default() {
            let rows = at.runtime.block_on(self.context.table_provider(name.as_str()))?;
            let kind: &dyn Any = &*rows;
            if kind.is::<MemTable>() {
                at.context.register_table(name.as_str(), rows)?;
            } else if let Some(&table) = Table::ALL.iter().find(|table| table.name() == name) {
                at.add_files(table, files(trace, table, &folder)?)?;
            }
        }
        Ok(at)
    }

    /// Registers a table that is in memory.
    pub(crate) fn add_batches(&self, name: &str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<()> {
        self.context.register_table(name, Arc::new(MemTable::try_new(schema, vec![batches])?))?;
        Ok(())
    }

    /// Registers other rows of a table of the trace.
    pub(crate) fn replace(&self, table: Table, rows: RecordBatch) -> Result<()> {
        self.context.deregister_table(table.name())?;
        self.add_batches(table.name(), table.schema(), vec![rows])
    }

    /// What a statement says, not yet carried out.
    pub(crate) fn prepare(&self, sql: &str) -> Result<DataFrame> {
        self.guarded(|| Ok(self.runtime.block_on(self.context.sql(sql))?))
    }

    /// Gives a statement a name under which other statements can read from it; one with that name is replaced.
    pub(crate) fn name(&self, name: &str, frame: DataFrame) -> Result<()> {
        self.context.deregister_table(name)?;
        self.context.register_table(name, frame.into_view())?;
        Ok(())
    }

    /// The same for the rows of a statement, which is carried out now and not each time that another reads from it.
    pub(crate) fn keep(&self, name: &str, sql: &str) -> Result<()> {
        let frame = self.prepare(sql)?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = self.collect(frame)?;
        self.context.deregister_table(name)?;
        self.add_batches(name, schema, batches)
    }

    /// All rows of a statement.
    pub(crate) fn collect(&self, frame: DataFrame) -> Result<Vec<RecordBatch>> {
        self.guarded(|| Ok(self.runtime.block_on(frame.collect())?))
    }

    /// All rows of a statement given as text.
    pub(crate) fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        self.collect(self.prepare(sql)?)
    }

    /// Runs a part of the engine. The Parquet decoder panics on some malformed files instead of returning an error;
    /// an engine that did is not used again, because the error ends the report.
    fn guarded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|panic| Err(anyhow!("{}", message(&*panic))))
            .context("cannot read the trace (`lima info` says which of its files are damaged)")
    }
}

/// The good segments of a table, in the folder with this address.
fn files(trace: &Trace, table: Table, folder: &str) -> Result<Vec<ListingTableUrl>> {
    let names = trace.segments(table).iter().filter_map(|segment| segment.path.file_name()?.to_str());
    Ok(names
        .map(|name| ListingTableUrl::parse(format!("{folder}{}/{name}", table.name())))
        .collect::<Result<_, _>>()?)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("")
}
