//! Writing an index.

use super::folder::Draft;
use super::{Part, batches, manifest};
use crate::Error;
use lima_model::index::{SCHEMA, TableFile};
use lima_model::schema::Kind;
use lima_model::{IndexManifest, IndexTable};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use std::fs;
use std::path::Path;
use twox_hash::XxHash64;

/// Writes an index; one that is there already is replaced. Schema and tables of the manifest are filled in. The rows of
/// each part must be sorted ([`Part::sort`]).
pub fn write(folder: &Path, manifest: &mut IndexManifest, parts: &[Part]) -> Result<(), Error> {
    let draft = Draft::begin(folder)?;
    let files: Result<Vec<_>, Error> = IndexTable::ALL
        .par_iter()
        .map(|&table| {
            let (rows, bytes) = encode(table, parts)
                .map_err(|error| Error::malformed(folder, table.name(), format!("cannot be encoded: {error}")))?;
            let path = draft.path().join(file_name(table));
            fs::write(&path, &bytes).map_err(Error::file("write", &path))?;
            let xxh64 = format!("{:016x}", XxHash64::oneshot(0, &bytes));
            Ok((table.name().to_owned(), TableFile { rows, bytes: bytes.len() as u64, xxh64 }))
        })
        .collect();
    SCHEMA.clone_into(&mut manifest.schema);
    manifest.tables = files?.into_iter().collect();
    manifest::write(draft.path(), manifest)?;
    draft.finish()
}

/// The name of a table's file.
pub(super) fn file_name(table: IndexTable) -> String {
    format!("{}.parquet", table.name())
}

fn encode(table: IndexTable, parts: &[Part]) -> Result<(u64, Vec<u8>), ParquetError> {
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new_with_options(&mut out, table.schema(), encoding(table))?;
    let mut rows = 0;
    for part in parts {
        batches::each(part, table, |batch| {
            rows += batch.num_rows() as u64;
            writer.write(&batch)
        })?;
    }
    writer.close()?;
    Ok((rows, out))
}

fn encoding(table: IndexTable) -> ArrowWriterOptions {
    let mut properties = WriterProperties::builder();
    // Rows stand in the order of these: what is stored is the distance from one to the next.
    let ascending = |name: &str| matches!(name, "address" | "caller" | "function_address" | "outer");
    for column in table.columns().iter().filter(|column| column.kind == Kind::U64 && ascending(column.name)) {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(column.name), false)
            .set_column_encoding(ColumnPath::from(column.name), Encoding::DELTA_BINARY_PACKED);
    }
    let properties = properties
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(Some(256 << 10))
        .build();
    // Parquet's own types tell all of ours; a copy of the Arrow schema would only make the footer longer.
    ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true)
}
