//! Tables as an analysis hands them out, from what SQL statements return.

use anyhow::{Context, Result, bail};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema, UInt32Type, UInt64Type};

pub use lima_model::table::{Column, Kind, Rows, Value};

/// A column of this name; its name says what its values are.
pub fn column(name: &str, data_type: &DataType) -> Column {
    let kind = match name {
        _ if matches!(data_type, DataType::List(_)) => Kind::Texts,
        _ if matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => Kind::Text,
        "lock" | "address" => Kind::Address,
        "tid" | "tgid" | "holder_tid" | "holder_tgid" | "hold_max_tid" | "wait_max_tid" | "cpu" | "errno" => Kind::Id,
        _ if name.ends_with("stack_id") => Kind::Id,
        _ if name.ends_with("_ns") || name.contains("_ns_") => Kind::Ns,
        _ => Kind::Count,
    };
    Column { name: name.to_owned(), kind }
}

/// The first `most` rows of what a statement returned.
pub(crate) fn rows(schema: &Schema, batches: &[RecordBatch], most: usize) -> Result<Rows> {
    let columns: Vec<_> = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
    let mut rows = Vec::new();
    for batch in batches {
        let take = batch.num_rows().min(most - rows.len());
        let values: Vec<_> = batch.columns().iter().map(|array| values(array, take)).collect::<Result<_>>()?;
        let mut values: Vec<_> = values.into_iter().map(Vec::into_iter).collect();
        rows.extend((0..take).map(|_| values.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()));
    }
    Ok(Rows { columns, rows })
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
        DataType::List(_) => {
            let array = array.as_list::<i32>();
            (0..take)
                .map(|row| if array.is_valid(row) { texts(&array.value(row)) } else { Ok(Value::Missing) })
                .collect::<Result<_>>()?
        }
        other => bail!("a statement returned a column of type {other}, which no report knows"),
    })
}

fn texts(list: &dyn Array) -> Result<Value> {
    let texts = values(list, list.len())?.into_iter().map(|value| match value {
        Value::Text(text) => text,
        _ => String::new(),
    });
    Ok(Value::Texts(texts.collect()))
}

fn text<'a>(valid: bool, value: impl Fn() -> &'a str) -> Value {
    if valid { Value::Text(value().to_owned()) } else { Value::Missing }
}
