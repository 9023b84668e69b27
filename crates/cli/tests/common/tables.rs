//! A trace's tables, read without LIMA: as any other program would read them.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, UInt16Type, UInt32Type, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;

/// The manifest.
pub fn manifest(trace: &Path) -> Value {
    serde_json::from_slice(&fs::read(trace.join("trace.json")).unwrap()).unwrap()
}

/// Takes care that no wait was lost but for what cannot be helped on a busy machine: a hook inside a hook is skipped by
/// the kernel (which leaves a begin or an end alone), and a wait of an interrupt that comes while a LIMA program runs is
/// left out. Both are counted, are shown here, and are no fault of the test.
pub fn kept_everything(trace: &Path) {
    let losses = manifest(trace)["losses"].clone();
    let count = |cause: &str| losses[cause].as_u64().unwrap();
    let lost = losses.as_object().unwrap().keys().map(|cause| (cause.as_str(), count(cause)));
    let lost: Vec<_> = lost.filter(|&(_, count)| count > 0).collect();
    println!("losses: {lost:?}");
    let can_be_helped = |&(cause, count): &(&str, u64)| match cause {
        "inside_probe" | "recursion" => false,
        "begin_without_end" | "end_without_begin" => count > losses["recursion"].as_u64().unwrap(),
        _ => true,
    };
    assert!(!lost.iter().any(can_be_helped), "lost: {lost:?}");
}

/// A table, all segments one after the other; without rows when it has no folder.
pub fn table(trace: &Path, name: &str) -> Columns {
    let mut files: Vec<_> = fs::read_dir(trace.join(name))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "parquet"));
    files.sort();
    let batches = files.iter().flat_map(|file| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
        reader.build().unwrap().map(|batch| batch.unwrap()).collect::<Vec<_>>()
    });
    Columns(batches.collect())
}

/// One column of one table.
pub fn column(trace: &Path, name: &str, column: &str) -> Vec<u64> {
    table(trace, name).numbers(column)
}

/// Rows by column.
#[derive(Debug)]
pub struct Columns(Vec<RecordBatch>);

impl Columns {
    /// How many rows.
    pub fn len(&self) -> usize {
        self.0.iter().map(RecordBatch::num_rows).sum()
    }

    fn column(&self, name: &str) -> impl Iterator<Item = &dyn Array> {
        self.0
            .iter()
            .map(move |batch| batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}")).as_ref())
    }

    /// A column of unsigned numbers of any width; a missing value is 0.
    pub fn numbers(&self, name: &str) -> Vec<u64> {
        let mut all = Vec::with_capacity(self.len());
        for array in self.column(name) {
            if let Some(array) = array.as_primitive_opt::<UInt64Type>() {
                all.extend(array.iter().map(Option::unwrap_or_default));
            } else if let Some(array) = array.as_primitive_opt::<UInt32Type>() {
                all.extend(array.iter().map(|value| u64::from(value.unwrap_or_default())));
            } else {
                let array = array.as_primitive::<UInt16Type>();
                all.extend(array.iter().map(|value| u64::from(value.unwrap_or_default())));
            }
        }
        all
    }

    /// A column of signed numbers.
    pub fn signed(&self, name: &str) -> Vec<i32> {
        self.column(name).flat_map(|array| array.as_primitive::<Int32Type>().values().to_vec()).collect()
    }

    /// A column of texts; a missing value is empty.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.column(name).flat_map(|array| {
            let array = array.as_string::<i32>();
            array.iter().map(|text| text.unwrap_or_default().to_owned()).collect::<Vec<_>>()
        });
        texts.collect()
    }

    /// A column of lists of numbers.
    pub fn lists(&self, name: &str) -> Vec<Vec<u64>> {
        let mut all = Vec::with_capacity(self.len());
        for array in self.column(name) {
            for list in array.as_list::<i32>().iter().map(Option::unwrap) {
                all.push(match list.as_primitive_opt::<UInt64Type>() {
                    Some(numbers) => numbers.values().to_vec(),
                    None => list.as_primitive::<UInt16Type>().values().iter().map(|&n| u64::from(n)).collect(),
                });
            }
        }
        all
    }
}
