//! Which objects the locks of made-up traces lie in.

use super::Synthetic;
use anyhow::Result;
use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, UInt64Array, new_null_array};
use lima_model::Table;
use std::sync::Arc;

/// A row of the instances: time bucket, lock, life, name, path.
pub type Named = (u64, u64, u32, String, Option<String>);

impl Synthetic {
    pub(super) fn instances(&self) -> Result<RecordBatch> {
        let rows = &self.instances;
        let schema = Table::Instances.schema();
        let rest = schema
            .fields()
            .iter()
            .skip(5)
            .take(schema.fields().len() - 6)
            .map(|field| new_null_array(field.data_type(), rows.len()));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.1))),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.2))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|_| "inode"))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.3))),
        ];
        columns.extend(rest);
        columns.push(Arc::new(StringArray::from_iter(rows.iter().map(|row| row.4.as_ref()))));
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}
