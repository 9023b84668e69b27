//! The columns of a table that was read, by name.

use crate::Error;
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{UInt32Type, UInt64Type};

/// Rows of a table, column by column.
#[derive(Clone, Debug)]
pub struct Columns {
    batch: RecordBatch,
}

/// A column of text; of a missing value the text is empty.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a>(&'a StringArray);

/// A column of 64-bit numbers.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a>(&'a UInt64Array);

/// A column of 32-bit numbers.
#[derive(Clone, Copy, Debug)]
pub struct Small<'a>(&'a UInt32Array);

/// A column of lists of text.
#[derive(Clone, Copy, Debug)]
pub struct TextLists<'a>(&'a ListArray, &'a StringArray);

/// A column of lists of 64-bit numbers.
#[derive(Clone, Copy, Debug)]
pub struct NumberLists<'a>(&'a ListArray, &'a UInt64Array);

/// A column of lists of 32-bit numbers.
#[derive(Clone, Copy, Debug)]
pub struct SmallLists<'a>(&'a ListArray, &'a UInt32Array);

impl Columns {
    pub(super) fn new(batch: RecordBatch) -> Self {
        Self { batch }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows as Arrow has them.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    fn column<'a, T>(&'a self, name: &str, cast: impl FnOnce(&'a ArrayRef) -> Option<T>) -> Result<T, Error> {
        let column = self.batch.column_by_name(name).and_then(cast);
        column.ok_or_else(|| Error::Missing(format!("the column `{name}` was not read, or has another type")))
    }

    /// A column of text.
    pub fn texts(&self, name: &str) -> Result<Texts<'_>, Error> {
        self.column(name, |array| array.as_string_opt()).map(Texts)
    }

    /// A column of 64-bit numbers.
    pub fn numbers(&self, name: &str) -> Result<Numbers<'_>, Error> {
        self.column(name, |array| array.as_primitive_opt::<UInt64Type>()).map(Numbers)
    }

    /// A column of 32-bit numbers.
    pub fn small(&self, name: &str) -> Result<Small<'_>, Error> {
        self.column(name, |array| array.as_primitive_opt::<UInt32Type>()).map(Small)
    }

    /// A column of truths.
    pub fn flags(&self, name: &str) -> Result<&BooleanArray, Error> {
        self.column(name, |array| array.as_boolean_opt())
    }

    /// A column of lists of text.
    pub fn text_lists(&self, name: &str) -> Result<TextLists<'_>, Error> {
        self.column(name, |array| {
            let list = array.as_list_opt::<i32>()?;
            Some(TextLists(list, list.values().as_string_opt()?))
        })
    }

    /// A column of lists of 64-bit numbers.
    pub fn number_lists(&self, name: &str) -> Result<NumberLists<'_>, Error> {
        self.column(name, |array| {
            let list = array.as_list_opt::<i32>()?;
            Some(NumberLists(list, list.values().as_primitive_opt::<UInt64Type>()?))
        })
    }

    /// A column of lists of 32-bit numbers.
    pub fn small_lists(&self, name: &str) -> Result<SmallLists<'_>, Error> {
        self.column(name, |array| {
            let list = array.as_list_opt::<i32>()?;
            Some(SmallLists(list, list.values().as_primitive_opt::<UInt32Type>()?))
        })
    }
}

impl<'a> NumberLists<'a> {
    /// The numbers of a row.
    pub fn get(&self, row: usize) -> &'a [u64] {
        let offsets = self.0.value_offsets();
        let values: &'a UInt64Array = self.1;
        &values.values()[offsets[row] as usize..offsets[row + 1] as usize]
    }
}

impl<'a> SmallLists<'a> {
    /// The numbers of a row.
    pub fn get(&self, row: usize) -> &'a [u32] {
        let offsets = self.0.value_offsets();
        let values: &'a UInt32Array = self.1;
        &values.values()[offsets[row] as usize..offsets[row + 1] as usize]
    }
}

impl<'a> Texts<'a> {
    /// The text of a row; empty when it has none.
    pub fn get(&self, row: usize) -> &'a str {
        if self.0.is_valid(row) { self.0.value(row) } else { "" }
    }

    /// The text of a row that may have none.
    pub fn maybe(&self, row: usize) -> Option<&'a str> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }
}

impl<'a> Numbers<'a> {
    /// The number of a row; 0 when it has none.
    pub fn get(&self, row: usize) -> u64 {
        self.maybe(row).unwrap_or_default()
    }

    /// The number of a row that may have none.
    pub fn maybe(&self, row: usize) -> Option<u64> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }

    /// All of them, of a column without missing values.
    pub fn all(&self) -> &'a [u64] {
        let values: &'a UInt64Array = self.0;
        values.values()
    }
}

impl Small<'_> {
    /// The number of a row; 0 when it has none.
    pub fn get(&self, row: usize) -> u32 {
        self.maybe(row).unwrap_or_default()
    }

    /// The number of a row that may have none.
    pub fn maybe(&self, row: usize) -> Option<u32> {
        self.0.is_valid(row).then(|| self.0.value(row))
    }
}

impl<'a> TextLists<'a> {
    /// The texts of a row.
    pub fn get(&self, row: usize) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let offsets = self.0.value_offsets();
        let (values, start, end) = (self.1, offsets[row] as usize, offsets[row + 1] as usize);
        (start..end).map(move |at| values.value(at))
    }
}
