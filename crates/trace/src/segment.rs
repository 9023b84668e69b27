//! One segment: its name, its encoding, and reading it.

use crate::checksum;
use crate::error::Error;
use arrow::array::RecordBatch;
use bytes::Bytes;
use lima_model::Table;
use lima_model::schema::{check_columns, conform};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::ChunkReader;
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// A Parquet file with rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where it lies.
    pub path: PathBuf,
    /// How many rows it holds.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// The numbers of the segments whose rows a file holds, first and last: one number as it was recorded, several after
/// merging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl Range {
    pub(crate) fn one(number: u32) -> Self {
        Self { first: number, last: number }
    }

    /// `00000001.parquet`, or `00000001-00003600.parquet`.
    pub(crate) fn file_name(self) -> String {
        if self.first == self.last {
            format!("{:08}.parquet", self.first)
        } else {
            format!("{:08}-{:08}.parquet", self.first, self.last)
        }
    }

    /// The range in a file name, if it is one that [`Range::file_name`] gives.
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".parquet")?;
        let (first, last) = stem.split_once('-').unwrap_or((stem, stem));
        let range = Self { first: first.parse().ok()?, last: last.parse().ok()? };
        (range.first >= 1 && range.first <= range.last && range.file_name() == name).then_some(range)
    }
}

/// What a segment is encoded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be written at once and at the least cost. Compressing a table's two dozen short columns would take two thirds
    /// of the time and save 40 % of the bytes, which merging saves anyway; dictionaries cost little and save more.
    Quick,
    /// To be written at once, with so many rows that compressing them is worth it.
    Bulk,
    /// To be kept. Statistics for each row group let engines skip what a question does not concern.
    Merged,
}

impl Purpose {
    /// From this many rows on a segment is compressed at once.
    const BULK: usize = 4096;

    /// The purpose of a segment that is being recorded.
    pub(crate) fn of_rows(rows: usize) -> Self {
        if rows < Self::BULK { Self::Quick } else { Self::Bulk }
    }

    /// How a segment for this purpose is encoded.
    pub(crate) fn encoding(self, table: Table) -> ArrowWriterOptions {
        let (compression, statistics) = match self {
            Self::Quick => (Compression::UNCOMPRESSED, EnabledStatistics::None),
            Self::Bulk => (Compression::ZSTD(ZstdLevel::default()), EnabledStatistics::None),
            Self::Merged => (Compression::ZSTD(ZstdLevel::default()), EnabledStatistics::Chunk),
        };
        let mut properties = WriterProperties::builder();
        // No two durations are alike: looking each up in a dictionary costs more than all the rest.
        for name in table.columns().iter().map(|column| column.name).filter(|name| is_duration(name)) {
            properties = properties
                .set_column_dictionary_enabled(ColumnPath::from(name), false)
                .set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
        }
        let properties = properties
            .set_compression(compression)
            .set_statistics_enabled(statistics)
            .set_offset_index_disabled(true)
            // A row group is held in memory while it is made: these bound it when merging.
            .set_dictionary_page_size_limit(128 << 10)
            .set_max_row_group_row_count(Some(256 << 10))
            .set_max_row_group_bytes(Some(8 << 20))
            .set_key_value_metadata(Some(vec![KeyValue::new(checksum::KEY.into(), checksum::BLANK.to_owned())]))
            .build();
        // Parquet's own types tell all of ours; a copy of the Arrow schema would only make the footer longer.
        ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true)
    }
}

/// Whether a column holds durations, or times that differ from row to row.
fn is_duration(column: &str) -> bool {
    column.contains("_ns") && column != "time_ns"
}

/// Checks a segment from end to end: its checksum, its footer, its columns. The outer error is the operating system's,
/// the inner one says what is wrong with the file.
pub(crate) fn check(path: &Path, table: Table) -> io::Result<Result<Segment, String>> {
    if let Err(why) = checksum::verify(path)? {
        return Ok(Err(why));
    }
    let bytes = path.metadata()?.len();
    Ok(open(path, table).map(|builder| {
        let rows = builder.metadata().file_metadata().num_rows();
        Segment { path: path.to_owned(), rows: rows.try_into().unwrap_or_default(), bytes }
    }))
}

fn open(path: &Path, table: Table) -> Result<ParquetRecordBatchReaderBuilder<File>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    built(file, table)
}

fn built<T: ChunkReader + 'static>(file: T, table: Table) -> Result<ParquetRecordBatchReaderBuilder<T>, String> {
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string()))?;
    check_columns(builder.schema(), &table.schema())?;
    Ok(builder)
}

/// The rows of a segment.
pub(crate) struct Rows {
    path: PathBuf,
    table: Table,
    reader: ParquetRecordBatchReader,
}

impl Rows {
    pub(crate) fn open(path: &Path, table: Table) -> Result<Self, Error> {
        let error = |why| Error::Segment { path: path.to_owned(), why };
        Self::of(open(path, table).map_err(error)?, path, table)
    }

    /// The same of a file whose bytes are at hand.
    pub(crate) fn in_memory(bytes: Bytes, path: &Path, table: Table) -> Result<Self, Error> {
        let error = |why| Error::Segment { path: path.to_owned(), why };
        checksum::verify_bytes(&bytes).map_err(error)?;
        Self::of(built(bytes, table).map_err(error)?, path, table)
    }

    fn of<T: ChunkReader + 'static>(
        builder: ParquetRecordBatchReaderBuilder<T>,
        path: &Path,
        table: Table,
    ) -> Result<Self, Error> {
        let reader = guarded(|| builder.build().map_err(|error| error.to_string()));
        let reader = reader.map_err(|why| Error::Segment { path: path.to_owned(), why })?;
        Ok(Self { path: path.to_owned(), table, reader })
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = guarded(|| match self.reader.next() {
            Some(Ok(batch)) => conform(&batch, &self.table.schema()).map(Some),
            Some(Err(error)) => Err(error.to_string()),
            None => Ok(None),
        });
        next.map_err(|why| Error::Segment { path: self.path.clone(), why }).transpose()
    }
}

/// Runs a part of the Parquet decoder. It panics on some malformed files instead of returning an error, in
/// `parquet::util::bit_util` for example (about one in 150 of those that the tests in `crafted.rs` make). The checksum
/// keeps files away from it that were damaged by accident, so only one made on purpose can come this far. What panicked
/// is dropped by the callers, never used again.
pub(crate) fn guarded<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err("its Parquet data are malformed".into()))
}
