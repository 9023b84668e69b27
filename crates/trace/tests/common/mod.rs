//! Rows for tests: any number of them for any table, the same each time for the same seed.

#![allow(dead_code, reason = "each test file uses a part of it")]

use arrow::array::{ArrayRef, Int32Array, ListBuilder, PrimitiveBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::array::{UInt16Array, UInt32Array, UInt64Array};
use arrow::compute::concat_batches;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, UInt16Type, UInt32Type, UInt64Type};
use lima_model::manifest::{Ended, Manifest};
use lima_model::schema::{Column, Kind};
use lima_model::{Losses, Table};
use lima_trace::{Trace, Writer};
use std::path::Path;
use std::sync::Arc;

/// Names as a hostile tenant would choose them, among ordinary ones.
const NAMES: &[&str] =
    &["bash", "", "\u{1b}[31m", "=cmd()", "größe", "a\nb", "lima.checksum\u{18}\u{10}0123456789abcdef"];

/// A sequence of numbers that look random (SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

pub fn rows(table: Table, seed: u64, count: usize) -> RecordBatch {
    let mut numbers = Numbers(seed);
    let columns = table.columns().iter().map(|column| array(column, count, &mut numbers)).collect();
    RecordBatch::try_new(table.schema(), columns).unwrap()
}

fn array(column: &Column, count: usize, numbers: &mut Numbers) -> ArrayRef {
    let mut value = || {
        let number = numbers.next();
        if column.nullable && number.is_multiple_of(3) { None } else { Some(number >> (number % 60)) }
    };
    let values: Vec<Option<u64>> = (0..count).map(|_| value()).collect();
    let values = values.into_iter();
    match column.kind {
        Kind::U16 => Arc::new(values.map(|v| v.map(|v| v as u16)).collect::<UInt16Array>()),
        Kind::U32 => Arc::new(values.map(|v| v.map(|v| v as u32)).collect::<UInt32Array>()),
        Kind::U64 => Arc::new(values.collect::<UInt64Array>()),
        Kind::I32 => Arc::new(values.map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
        Kind::Text => Arc::new(values.map(|v| v.map(|v| NAMES[v as usize % NAMES.len()])).collect::<StringArray>()),
        Kind::ListU16 => list::<UInt16Type>(DataType::UInt16, values, |v| v as u16),
        Kind::ListU64 => list::<UInt64Type>(DataType::UInt64, values, |v| v),
        Kind::ListU32 => list::<UInt32Type>(DataType::UInt32, values, |v| v as u32),
        Kind::ListText => {
            let field = Field::new("item", DataType::Utf8, false);
            let mut list = ListBuilder::new(StringBuilder::new()).with_field(Arc::new(field));
            for value in values.flatten() {
                (0..value % 5)
                    .for_each(|i| list.values().append_value(NAMES[(value.wrapping_add(i) as usize) % NAMES.len()]));
                list.append(true);
            }
            Arc::new(list.finish())
        }
        Kind::Bool => unreachable!("no table of a trace has a column of truth values"),
    }
}

fn list<T: ArrowPrimitiveType>(
    item: DataType,
    values: impl Iterator<Item = Option<u64>>,
    cast: impl Fn(u64) -> T::Native,
) -> ArrayRef {
    let mut list = ListBuilder::new(PrimitiveBuilder::<T>::new()).with_field(Arc::new(Field::new("item", item, false)));
    for value in values.flatten() {
        (0..value % 5).for_each(|i| list.values().append_value(cast(value.wrapping_add(i))));
        list.append(true);
    }
    Arc::new(list.finish())
}

/// A manifest of a recording that ended well.
pub fn ended() -> Manifest {
    Manifest { complete: true, ended: Ended::Duration, losses: Losses::none(), ..Manifest::begin("test") }
}

/// A trace with `segments` segments of ten rows in each of `tables`; the manifest says that it ended well.
pub fn write(folder: &Path, tables: &[Table], segments: u64) -> Writer {
    let mut writer = Writer::create(folder, &ended()).unwrap();
    for number in 1..=segments {
        for &table in tables {
            writer.append(table, &rows(table, number, 10)).unwrap();
        }
    }
    writer
}

/// The rows that [`write()`] writes, up to a segment.
pub fn written(table: Table, segments: u64) -> RecordBatch {
    let batches: Vec<_> = (1..=segments).map(|number| rows(table, number, 10)).collect();
    concat_batches(&table.schema(), &batches).unwrap()
}

/// All rows of a table.
pub fn read(trace: &Trace, table: Table) -> RecordBatch {
    let batches: Vec<_> = trace.read(table).collect::<Result<_, _>>().unwrap();
    concat_batches(&table.schema(), &batches).unwrap()
}
