//! What a column is, in our words and in Arrow's, and whether a file has the columns that it should have.

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::fmt::Write;
use std::sync::Arc;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Bool,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 32 bits.
    I32,
    /// UTF-8 text.
    Text,
    /// A list of unsigned 16-bit numbers.
    ListU16,
    /// A list of unsigned 32-bit numbers.
    ListU32,
    /// A list of unsigned 64-bit numbers.
    ListU64,
    /// A list of texts.
    ListText,
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name, with the unit at the end where it has one.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether a row may lack a value.
    pub nullable: bool,
    /// What it says.
    pub meaning: &'static str,
}

impl Kind {
    fn data_type(self) -> DataType {
        let list = |item| DataType::List(Arc::new(Field::new("item", item, false)));
        match self {
            Self::Bool => DataType::Boolean,
            Self::U16 => DataType::UInt16,
            Self::U32 => DataType::UInt32,
            Self::U64 => DataType::UInt64,
            Self::I32 => DataType::Int32,
            Self::Text => DataType::Utf8,
            Self::ListU16 => list(DataType::UInt16),
            Self::ListU32 => list(DataType::UInt32),
            Self::ListU64 => list(DataType::UInt64),
            Self::ListText => list(DataType::Utf8),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bool => "boolean",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::I32 => "int32",
            Self::Text => "text",
            Self::ListU16 => "list of uint16",
            Self::ListU32 => "list of uint32",
            Self::ListU64 => "list of uint64",
            Self::ListText => "list of text",
        }
    }
}

/// Columns, one a line: `name: Kind = "meaning"`, or `name: Kind null = "meaning"` where a value may be missing.
macro_rules! columns {
    ($($name:tt: $kind:ident $($null:ident)? = $meaning:literal,)*) => {
        &[$($crate::schema::Column {
            name: stringify!($name),
            kind: $crate::schema::Kind::$kind,
            nullable: columns!(@ $($null)?),
            meaning: $meaning,
        }),*]
    };
    (@) => { false };
    (@ null) => { true };
}

/// Columns as Arrow's schema.
pub(super) fn schema(columns: &[Column]) -> SchemaRef {
    let field = |column: &Column| Field::new(column.name, column.kind.data_type(), column.nullable);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// A table in Markdown.
pub(super) fn describe(name: &str, meaning: &str, columns: &[Column]) -> String {
    let mut out = format!("\n## `{name}`\n\n{meaning}\n\n| column | type | meaning |\n|---|---|---|\n");
    for column in columns {
        let null = if column.nullable { ", may be null" } else { "" };
        let _ = writeln!(out, "| `{}` | {}{null} | {} |", column.name, column.kind.name(), column.meaning);
    }
    out
}

/// Whether rows with the columns `found` can be taken as rows with the columns `wanted`; the error says why not. Columns
/// that are not wanted are allowed, and so is the lack of those that may be null: a minor version may have more.
pub fn check_columns(found: &Schema, wanted: &Schema) -> Result<(), String> {
    for expected in wanted.fields() {
        let name = expected.name();
        match found.column_with_name(name) {
            None if expected.is_nullable() => {}
            None => return Err(format!("the column `{name}` is missing")),
            Some((_, field)) if field.data_type() != expected.data_type() => {
                let (has, wants) = (field.data_type(), expected.data_type());
                return Err(format!("the column `{name}` has the type {has} instead of {wants}"));
            }
            Some((_, field)) if field.is_nullable() && !expected.is_nullable() => {
                return Err(format!("the column `{name}` may be null and should not"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Rows with exactly the columns `wanted`, from rows that [`check_columns`] let pass.
pub fn conform(batch: &RecordBatch, wanted: &SchemaRef) -> Result<RecordBatch, String> {
    if batch.schema() == *wanted {
        return Ok(batch.clone());
    }
    let column = |name: &str| batch.column_by_name(name).map(Arc::clone);
    let columns = wanted
        .fields()
        .iter()
        .map(|field| column(field.name()).unwrap_or_else(|| new_null_array(field.data_type(), batch.num_rows())))
        .collect();
    RecordBatch::try_new(Arc::clone(wanted), columns).map_err(|error| error.to_string())
}
