//! Rows of a trace's table, with their columns by name.

use crate::Error;
use arrow::array::{Array, AsArray, ListArray, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{UInt32Type, UInt64Type};
use lima_model::Table;

/// Some rows of a table.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    /// The rows.
    pub batch: &'a RecordBatch,
    /// The table.
    pub table: Table,
}

impl<'a> Rows<'a> {
    /// That a column is not what it should be.
    pub fn wrong(&self, column: &str) -> Error {
        Error::Table { table: self.table.name(), why: format!("its column `{column}` is missing or of another type") }
    }

    fn column<T>(&self, name: &str, cast: impl FnOnce(&'a dyn Array) -> Option<T>) -> Result<T, Error> {
        let array: Option<&'a dyn Array> = self.batch.column_by_name(name).map(|array| &**array);
        array.and_then(cast).ok_or_else(|| self.wrong(name))
    }

    /// A column of 64-bit numbers.
    pub fn numbers(&self, name: &str) -> Result<&'a UInt64Array, Error> {
        self.column(name, |array| array.as_primitive_opt::<UInt64Type>())
    }

    /// A column of 32-bit numbers.
    pub fn small(&self, name: &str) -> Result<&'a UInt32Array, Error> {
        self.column(name, |array| array.as_primitive_opt::<UInt32Type>())
    }

    /// A column of texts.
    pub fn texts(&self, name: &str) -> Result<&'a StringArray, Error> {
        self.column(name, |array| array.as_string_opt::<i32>())
    }

    /// A column of lists.
    pub fn lists(&self, name: &str) -> Result<&'a ListArray, Error> {
        self.column(name, |array| array.as_list_opt::<i32>())
    }
}
