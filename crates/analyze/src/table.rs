//! Tables as an analysis hands them out: named columns, rows of values, each of which knows its unit.

use anyhow::{Context, Result, bail};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, UInt32Type, UInt64Type};

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// How many.
    Count,
    /// Nanoseconds.
    Ns,
    /// An address in the kernel.
    Address,
    /// A number that names something and counts nothing, such as a process id.
    Id,
    /// A stack: names of functions, innermost first.
    Frames,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// There is none.
    Missing,
    /// Of a [`Kind::Text`].
    Text(String),
    /// Of a [`Kind::Count`], [`Kind::Ns`], [`Kind::Address`] or [`Kind::Id`].
    Number(u64),
    /// Of a [`Kind::Frames`].
    Frames(Vec<String>),
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as in the JSON and CSV reports.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
}

/// Columns and rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows; each has one value for each column.
    pub rows: Vec<Vec<Value>>,
}

impl Column {
    /// A column of this name; its name says what its values are.
    pub fn new(name: &str, data_type: &DataType) -> Self {
        let kind = match name {
            _ if matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => Kind::Text,
            "lock" | "address" => Kind::Address,
            "tid" | "tgid" | "holder_tid" | "holder_tgid" | "cpu" | "errno" => Kind::Id,
            _ if name.ends_with("stack_id") => Kind::Id,
            _ if name.ends_with("_ns") || name.contains("_ns_") => Kind::Ns,
            _ => Kind::Count,
        };
        Self { name: name.to_owned(), kind }
    }
}

impl Rows {
    /// The first `most` rows of what a statement returned.
    pub(crate) fn of(schema: &arrow::datatypes::Schema, batches: &[RecordBatch], most: usize) -> Result<Self> {
        let columns: Vec<_> =
            schema.fields().iter().map(|field| Column::new(field.name(), field.data_type())).collect();
        let mut rows = Vec::new();
        for batch in batches {
            let take = batch.num_rows().min(most - rows.len());
            let values: Vec<_> = batch.columns().iter().map(|array| values(array, take)).collect::<Result<_>>()?;
            let mut values: Vec<_> = values.into_iter().map(Vec::into_iter).collect();
            rows.extend((0..take).map(|_| values.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()));
        }
        Ok(Self { columns, rows })
    }

    /// The position of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Takes a column out.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(position) = self.position(name) {
            self.columns.remove(position);
            self.rows.iter_mut().for_each(|row| drop(row.remove(position)));
        }
    }

    /// A number of a row; 0 when it has none or the table has no such column.
    pub fn number(&self, row: usize, column: &str) -> u64 {
        match self.position(column).map(|position| &self.rows[row][position]) {
            Some(&Value::Number(number)) => number,
            _ => 0,
        }
    }

    /// A text of a row; empty when it has none or the table has no such column.
    pub fn text(&self, row: usize, column: &str) -> &str {
        match self.position(column).map(|position| &self.rows[row][position]) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

/// The first `take` values of a column.
fn values(array: &dyn Array, take: usize) -> Result<Vec<Value>> {
    let number = |valid: bool, value: u64| if valid { Value::Number(value) } else { Value::Missing };
    Ok(match array.data_type() {
        DataType::UInt64 => {
            let array = array.as_primitive::<UInt64Type>();
            (0..take).map(|row| number(array.is_valid(row), array.value(row))).collect()
        }
        DataType::UInt32 => {
            let array = array.as_primitive::<UInt32Type>();
            (0..take).map(|row| number(array.is_valid(row), u64::from(array.value(row)))).collect()
        }
        DataType::Int64 => {
            let array = array.as_primitive::<arrow::datatypes::Int64Type>();
            (0..take)
                .map(|row| {
                    Ok(number(array.is_valid(row), u64::try_from(array.value(row)).context("a negative count")?))
                })
                .collect::<Result<_>>()?
        }
        DataType::Utf8 => {
            let array = array.as_string::<i32>();
            (0..take).map(|row| text(array.is_valid(row), || array.value(row))).collect()
        }
        DataType::LargeUtf8 => {
            let array = array.as_string::<i64>();
            (0..take).map(|row| text(array.is_valid(row), || array.value(row))).collect()
        }
        DataType::Utf8View => {
            let array = array.as_string_view();
            (0..take).map(|row| text(array.is_valid(row), || array.value(row))).collect()
        }
        other => bail!("a statement returned a column of type {other}, which no report knows"),
    })
}

fn text<'a>(valid: bool, value: impl Fn() -> &'a str) -> Value {
    if valid { Value::Text(value().to_owned()) } else { Value::Missing }
}
