//! How a statement travels: as Ballista writes it, with the rows of tables that are in memory.

use ballista_core::serde::BallistaLogicalExtensionCodec;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::FileFormatFactory;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::{Extension, LogicalPlan};
use datafusion_proto::logical_plan::LogicalExtensionCodec;
use std::any::Any;
use std::sync::Arc;

/// Ballista's own codec, and tables in memory besides.
#[derive(Debug, Default)]
pub(crate) struct Tables(BallistaLogicalExtensionCodec);

impl LogicalExtensionCodec for Tables {
    fn try_decode(&self, buf: &[u8], inputs: &[LogicalPlan], context: &TaskContext) -> Result<Extension> {
        self.0.try_decode(buf, inputs, context)
    }

    fn try_encode(&self, node: &Extension, buf: &mut Vec<u8>) -> Result<()> {
        self.0.try_encode(node, buf)
    }

    fn try_decode_table_provider(
        &self,
        buf: &[u8],
        _: &TableReference,
        schema: SchemaRef,
        _: &TaskContext,
    ) -> Result<Arc<dyn TableProvider>> {
        let batches = StreamReader::try_new(buf, None)?.collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(MemTable::try_new(schema, vec![batches])?))
    }

    fn try_encode_table_provider(
        &self,
        name: &TableReference,
        table: Arc<dyn TableProvider>,
        buf: &mut Vec<u8>,
    ) -> Result<()> {
        let table: &dyn Any = &*table;
        let Some(table) = table.downcast_ref::<MemTable>() else {
            return Err(DataFusionError::NotImplemented(format!("the table {name} cannot be sent to a cluster")));
        };
        let mut writer = StreamWriter::try_new(buf, &table.schema())?;
        for batch in rows(table)? {
            writer.write(&batch)?;
        }
        Ok(writer.finish()?)
    }

    fn try_decode_file_format(&self, buf: &[u8], context: &TaskContext) -> Result<Arc<dyn FileFormatFactory>> {
        self.0.try_decode_file_format(buf, context)
    }

    fn try_encode_file_format(&self, buf: &mut Vec<u8>, node: Arc<dyn FileFormatFactory>) -> Result<()> {
        self.0.try_encode_file_format(buf, node)
    }
}

fn rows(table: &MemTable) -> Result<Vec<RecordBatch>> {
    let mut rows = Vec::new();
    for part in &table.batches {
        // Nobody writes into a table that a statement reads from.
        let part = part.try_read().map_err(|error| DataFusionError::External(error.into()))?;
        rows.extend(part.iter().cloned());
    }
    Ok(rows)
}
