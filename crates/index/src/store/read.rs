//! Reading an index.

use super::columns::Columns;
use super::manifest;
use super::write::file_name;
use crate::Error;
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::Schema;
use lima_model::index::TableFile;
use lima_model::schema::{check_columns, conform};
use lima_model::{IndexManifest, IndexTable};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::hash::Hasher;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use twox_hash::XxHash64;

/// No table of a kernel comes near this size in memory; one that was made to grow beyond it is refused.
const MOST_BYTES: usize = 2 << 30;
/// How much of a file is hashed at a time.
const CHUNK: usize = 256 << 10;

/// An index that was opened: its manifest was read, and each of its files is what the manifest says.
#[derive(Clone, Debug)]
pub struct Index {
    folder: PathBuf,
    manifest: IndexManifest,
}

/// The manifest of an index, without looking at the tables.
pub fn peek(folder: &Path) -> Result<IndexManifest, Error> {
    manifest::read(folder)
}

impl Index {
    /// Opens an index. All of its files are read once, to compare them with their hashes.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let manifest = manifest::read(folder)?;
        for &table in IndexTable::ALL {
            let damaged = |why| Error::malformed(folder, file_name(table), why);
            let Some(expected) = manifest.tables.get(table.name()) else {
                if may_be_missing(table) {
                    continue;
                }
                return Err(damaged(format!("`{}` does not name it", super::MANIFEST)));
            };
            verify(&folder.join(file_name(table)), expected).map_err(damaged)?;
        }
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    /// The index's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its front page.
    pub fn manifest(&self) -> &IndexManifest {
        &self.manifest
    }

    /// All rows of a table, of the columns with these names.
    pub fn read(&self, table: IndexTable, columns: &[&str]) -> Result<Columns, Error> {
        let damaged = |why| Error::malformed(&self.folder, file_name(table), why);
        if !self.manifest.tables.contains_key(table.name()) {
            let none = RecordBatch::new_empty(Arc::new(wanted(table, columns)));
            return Ok(Columns::new(none));
        }
        let rows = guarded(|| decode(&self.folder.join(file_name(table)), table, columns)).map_err(damaged)?;
        let expected = self.manifest.rows(table);
        if rows.len() as u64 != expected {
            return Err(damaged(format!("it has {} rows instead of {expected}", rows.len())));
        }
        Ok(rows)
    }

    /// All rows of a table.
    pub fn read_all(&self, table: IndexTable) -> Result<Columns, Error> {
        let names: Vec<_> = table.columns().iter().map(|column| column.name).collect();
        self.read(table, &names)
    }
}

/// Whether indexes of older versions are without a table: it has no rows then.
fn may_be_missing(table: IndexTable) -> bool {
    table == IndexTable::Pointers
}

/// The columns of a table with these names.
fn wanted(table: IndexTable, columns: &[&str]) -> Schema {
    let schema = table.schema();
    let fields = schema.fields().iter().filter(|field| columns.contains(&field.name().as_str()));
    Schema::new(fields.cloned().collect::<Vec<_>>())
}

/// Whether a file is what the manifest says.
fn verify(path: &Path, expected: &TableFile) -> Result<(), String> {
    let mut file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".into());
    }
    if metadata.len() != expected.bytes {
        return Err(format!("it is {} bytes long instead of {}", metadata.len(), expected.bytes));
    }
    let mut hash = XxHash64::with_seed(0);
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer).map_err(|error| error.to_string())? {
            0 => break,
            read => hash.write(&buffer[..read]),
        }
    }
    // A fuzzer would never guess a hash: without this it would not get to the decoder.
    #[allow(unexpected_cfgs, reason = "set by cargo-fuzz")]
    let fuzzing = cfg!(fuzzing);
    if fuzzing || format!("{:016x}", hash.finish()) == expected.xxh64 {
        Ok(())
    } else {
        Err("its hash is not the one in the manifest: it was damaged or changed".into())
    }
}

fn decode(path: &Path, table: IndexTable, columns: &[&str]) -> Result<Columns, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    check_columns(builder.schema(), &table.schema())?;
    let wanted = Arc::new(wanted(table, columns));
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    let reader = builder.with_projection(mask).build().map_err(|error| error.to_string())?;
    let (mut batches, mut bytes) = (Vec::new(), 0);
    for batch in reader {
        let batch = conform(&batch.map_err(|error| error.to_string())?, &wanted)?;
        bytes += batch.get_array_memory_size();
        if bytes > MOST_BYTES {
            return Err(format!("its rows take more than {} GiB", MOST_BYTES >> 30));
        }
        batches.push(batch);
    }
    concat_batches(&wanted, &batches).map(Columns::new).map_err(|error| error.to_string())
}

/// Runs the Parquet decoder, which panics on some malformed files instead of returning an error. The hash keeps files away
/// from it that were damaged by accident, so only one made on purpose can come this far.
fn guarded<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err("its Parquet data are malformed".into()))
}
