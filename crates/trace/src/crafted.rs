//! Tests with segments that are malformed and have a right checksum: nobody's accident, but somebody may send one.

use crate::checksum::{BLANK, KEY, seal};
use crate::segment::{Purpose, Rows, check};
use crate::{Trace, Writer};
use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::array::{Int64Array, ListArray, StringArray, UInt32Array, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Schema};
use lima_model::{Manifest, Table};
use parquet::arrow::arrow_writer::ArrowWriter;
use proptest::prelude::{ProptestConfig, any, proptest};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// A segment of `frames` with 50 rows, text and nulls among them, and one of `stacks`, with lists.
fn segment(table: Table, folder: &Path) -> Vec<u8> {
    let column = |field: &Field| -> ArrayRef {
        match field.data_type() {
            DataType::UInt32 => Arc::new((0..50).collect::<UInt32Array>()),
            DataType::UInt64 => Arc::new((0..50).map(|i| i * 77).collect::<UInt64Array>()),
            DataType::Utf8 if !field.is_nullable() => Arc::new(StringArray::from(vec!["kernel"; 50])),
            DataType::Utf8 => Arc::new((0..50).map(|i| (i % 3 > 0).then(|| format!("f{i}"))).collect::<StringArray>()),
            DataType::List(item) => {
                let values: UInt64Array = (0..200u64).map(|i| 0xffff_ffff_8100_0000 + i % 40).collect();
                Arc::new(ListArray::new(Arc::clone(item), OffsetBuffer::from_lengths([4; 50]), Arc::new(values), None))
            }
            other => arrow::compute::cast(&UInt32Array::from(vec![0; 50]), other).unwrap(),
        }
    };
    let schema = table.schema();
    let columns = schema.fields().iter().map(|field| column(field)).collect();
    let mut writer = Writer::create(folder, &Manifest::begin("test")).unwrap();
    writer.append(table, &RecordBatch::try_new(schema, columns).unwrap()).unwrap();
    fs::read(folder.join(table.name()).join("00000001.parquet")).unwrap()
}

/// Gives a file the checksum that fits it, if it still has a place for one.
fn reseal(bytes: &mut [u8]) -> bool {
    let Some(key) = bytes.windows(KEY.len()).rposition(|window| window == KEY.as_bytes()) else { return false };
    let digits = key + KEY.len() + 2;
    let Some(place) = bytes.get_mut(digits..digits + BLANK.len()) else { return false };
    place.copy_from_slice(BLANK.as_bytes());
    seal(bytes).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn a_malformed_segment_is_an_error_or_has_rows_and_never_panics(
        stacks in any::<bool>(), at in any::<u32>(), size in 1usize..12, noise in any::<u64>()
    ) {
        let table = if stacks { Table::Stacks } else { Table::Frames };
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a.lima");
        let mut bytes = segment(table, &folder);
        let at = at as usize % bytes.len();
        for (byte, noise) in bytes[at..].iter_mut().zip(noise.to_le_bytes().into_iter().cycle()).take(size) {
            *byte ^= noise;
        }
        reseal(&mut bytes);
        let path = folder.join(table.name()).join("00000001.parquet");
        fs::write(&path, &bytes).unwrap();
        if check(&path, table).unwrap().is_ok() {
            let rows = Rows::open(&path, table);
            // As many batches as a file of this size may have; one that has more is malformed, not endless.
            let _ = rows.map(|rows| rows.take_while(Result::is_ok).take(10_000).count());
        }
    }
}

/// Writes a sealed segment with these columns into the table `frames`, and opens the trace.
fn open_with(columns: Vec<(&str, ArrayRef, bool)>) -> Trace {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a.lima");
    segment(Table::Frames, &folder);
    let fields: Vec<_> =
        columns.iter().map(|(name, array, null)| Field::new(*name, array.data_type().clone(), *null)).collect();
    let arrays = columns.into_iter().map(|(_, array, _)| array).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), Purpose::Quick.encoding(Table::Frames)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    seal(&mut bytes).unwrap();
    fs::write(folder.join("frames/00000001.parquet"), bytes).unwrap();
    let trace = Trace::open(&folder).unwrap();
    // Read now, before the folder goes.
    for rows in trace.read(Table::Frames) {
        assert_eq!(rows.unwrap().schema(), Table::Frames.schema());
    }
    trace
}

#[test]
fn columns_may_be_more_or_lack_what_may_be_null() {
    let u32s: ArrayRef = Arc::new(UInt32Array::from(vec![1, 2]));
    let u64s: ArrayRef = Arc::new(UInt64Array::from(vec![3, 4]));
    let i64s: ArrayRef = Arc::new(Int64Array::from(vec![5, 6]));
    let texts = new_null_array(&DataType::Utf8, 2);
    let good = |name: &'static str, array: &ArrayRef| (name, Arc::clone(array), false);

    let trace = open_with(vec![
        good("offset", &u64s),
        good("tgid", &u32s),
        good("address", &u64s),
        good("a_later_column", &i64s),
        ("symbol", Arc::clone(&texts), true),
    ]);
    assert!(trace.damaged().is_empty(), "{:?}", trace.damaged());
    assert_eq!(trace.rows(Table::Frames), 2);

    let refused = |columns| open_with(columns).damaged()[0].reason.clone();
    let reason = refused(vec![good("tgid", &u32s), good("address", &u64s)]);
    assert_eq!(reason, "the column `offset` is missing");
    let reason = refused(vec![good("tgid", &u32s), good("address", &i64s), good("offset", &u64s)]);
    assert_eq!(reason, "the column `address` has the type Int64 instead of UInt64");
    let reason = refused(vec![("tgid", u32s, true), good("address", &u64s), good("offset", &u64s)]);
    assert_eq!(reason, "the column `tgid` may be null and should not");
}
