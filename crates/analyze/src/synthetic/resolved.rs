//! What `lima resolve` adds to a trace.

use super::Synthetic;
use anyhow::Result;
use arrow::array::{
    Array, ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder, UInt32Array, UInt32Builder, UInt64Array,
    new_null_array,
};
use arrow::datatypes::{DataType, Field};
use lima_model::Table;
use std::sync::Arc;

/// A row of the objects: lock, life, stack, object and method.
pub type ObjectRow = (u64, u32, u64, &'static str, &'static str);

/// A row of the lines: address, and functions with file and line, innermost first.
pub type LineRow = (u64, Vec<(&'static str, &'static str, u32)>);

impl Synthetic {
    pub(super) fn objects(&self) -> Result<RecordBatch> {
        let rows = &self.objects;
        let texts = |value: fn(&ObjectRow) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(value)))
        };
        let numbers = |value: fn(&ObjectRow) -> u64| -> ArrayRef {
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(value)))
        };
        let missing = || new_null_array(&DataType::Utf8, rows.len());
        let columns = vec![
            numbers(|row| row.0),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1))),
            numbers(|row| row.2),
            texts(|row| row.3),
            texts(|row| row.3),
            missing(),
            missing(),
            texts(|row| row.4),
            texts(|_| "certain"),
            words(rows.iter().map(|_| Vec::new())),
            missing(),
        ];
        Ok(RecordBatch::try_new(Table::Objects.schema(), columns)?)
    }

    pub(super) fn lines(&self) -> Result<RecordBatch> {
        let rows = &self.lines;
        let mut lines = ListBuilder::new(UInt32Builder::new()).with_field(Field::new("item", DataType::UInt32, false));
        for (_, chain) in rows {
            chain.iter().for_each(|&(_, _, line)| lines.values().append_value(line));
            lines.append(true);
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0))),
            words(rows.iter().map(|(_, chain)| chain.iter().map(|line| line.0).collect())),
            words(rows.iter().map(|(_, chain)| chain.iter().map(|line| line.1).collect())),
            Arc::new(lines.finish()),
            new_null_array(&DataType::Utf8, rows.len()),
        ];
        Ok(RecordBatch::try_new(Table::Lines.schema(), columns)?)
    }
}

fn words(rows: impl Iterator<Item = Vec<&'static str>>) -> Arc<dyn Array> {
    let mut list = ListBuilder::new(StringBuilder::new()).with_field(Field::new("item", DataType::Utf8, false));
    for row in rows {
        row.into_iter().for_each(|text| list.values().append_value(text));
        list.append(true);
    }
    Arc::new(list.finish())
}
