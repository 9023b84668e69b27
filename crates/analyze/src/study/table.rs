//! A table of a study.

use crate::engine::Engine;
use anyhow::{Context, Result};
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef, UInt64Type};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// A table of a study. Its columns are text, whole numbers, fractions or flags; each may be missing.
#[derive(Clone, Debug)]
pub struct StudyTable {
    /// What it is called.
    pub name: &'static str,
    /// What it is about.
    pub about: String,
    /// Which of the ten groups it belongs to: 1 combined, 2 rates, 3 matrices, 4 common locks, 5 births, 6 stressors, 7
    /// subsystems, 8 sensitivity, 9 isolation, 10 validation.
    pub group: u8,
    /// Its rows.
    pub rows: RecordBatch,
}

/// A value of a [`StudyTable`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing is known.
    Missing,
    /// A text, as it is in the trace: escape it.
    Text(&'a str),
    /// A whole number.
    Whole(i64),
    /// A fraction.
    Fraction(f64),
    /// Yes or no.
    Flag(bool),
}

impl StudyTable {
    /// The names of the columns.
    pub fn columns(&self) -> Vec<String> {
        self.rows.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value in a row and column, both counted from 0.
    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        let array = self.rows.column(column);
        if array.is_null(row) {
            return Cell::Missing;
        }
        match array.data_type() {
            DataType::Int64 => Cell::Whole(array.as_primitive::<Int64Type>().value(row)),
            DataType::UInt64 => {
                i64::try_from(array.as_primitive::<UInt64Type>().value(row)).map_or(Cell::Missing, Cell::Whole)
            }
            DataType::Float64 => Some(array.as_primitive::<Float64Type>().value(row))
                .filter(|value| value.is_finite())
                .map_or(Cell::Missing, Cell::Fraction),
            DataType::Boolean => Cell::Flag(array.as_boolean().value(row)),
            _ => array.as_string_opt::<i32>().map_or(Cell::Missing, |texts| Cell::Text(texts.value(row))),
        }
    }

    /// The value in a row, by the name of the column.
    pub fn get(&self, row: usize, column: &str) -> Cell<'_> {
        self.rows.schema().index_of(column).map_or(Cell::Missing, |column| self.cell(row, column))
    }

    /// The text in a row; empty when there is none.
    pub fn text(&self, row: usize, column: &str) -> &str {
        match self.get(row, column) {
            Cell::Text(text) => text,
            _ => "",
        }
    }

    /// The number in a row.
    pub fn number(&self, row: usize, column: &str) -> Option<f64> {
        match self.get(row, column) {
            Cell::Whole(number) => Some(number as f64),
            Cell::Fraction(number) => Some(number),
            _ => None,
        }
    }

    /// Whether the flag in a row is set.
    pub fn flag(&self, row: usize, column: &str) -> bool {
        self.get(row, column) == Cell::Flag(true)
    }

    /// Writes it as a Parquet file.
    pub fn write_parquet(&self, path: &Path) -> Result<()> {
        let said = || format!("write {}", path.display());
        let file = File::create(path).with_context(said)?;
        let level = ZstdLevel::try_new(3)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let mut writer = ArrowWriter::try_new(file, self.rows.schema(), Some(properties)).with_context(said)?;
        writer.write(&self.rows).with_context(said)?;
        writer.close().with_context(said)?;
        Ok(())
    }
}

/// The rows of a statement, as a [`StudyTable`] has them.
pub(super) fn made_by(engine: &Engine, sql: &str) -> Result<RecordBatch> {
    let frame = engine.prepare(sql)?;
    let schema = frame.schema().as_arrow().clone();
    let batches = engine.collect(frame)?;
    let plain = plain(&schema);
    let batches = batches.iter().map(|batch| in_plain(batch, &plain)).collect::<Result<Vec<_>>>()?;
    Ok(concat_batches(&plain, &batches)?)
}

/// Rows of several traces, one after the other; `empty` gives the columns where there are none.
pub(super) fn joined(parts: Vec<RecordBatch>, empty: impl FnOnce() -> Result<RecordBatch>) -> Result<RecordBatch> {
    match parts.first() {
        Some(first) => Ok(concat_batches(&first.schema(), &parts)?),
        None => empty(),
    }
}

/// The same columns in the few types of a [`StudyTable`]. An engine takes the types of texts and counts as it pleases, not the
/// same for every statement.
fn plain(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| {
        let data_type = match field.data_type() {
            DataType::Boolean => DataType::Boolean,
            kind if kind.is_floating() => DataType::Float64,
            // Addresses of the kernel have no place among signed numbers.
            DataType::UInt64 => DataType::UInt64,
            kind if kind.is_integer() => DataType::Int64,
            _ => DataType::Utf8,
        };
        Field::new(field.name(), data_type, true)
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

fn in_plain(batch: &RecordBatch, plain: &SchemaRef) -> Result<RecordBatch> {
    let columns = batch.columns().iter().zip(plain.fields());
    let columns =
        columns.map(|(column, field)| Ok(cast(column, field.data_type())?)).collect::<Result<Vec<ArrayRef>>>()?;
    Ok(RecordBatch::try_new(Arc::clone(plain), columns)?)
}
