//! Putting another set of rows in the place of a table's, in a trace that is finished.

use crate::error::{Error, io};
use crate::manifest;
use crate::merge::{exchange, hidden_name};
use crate::writer::{Encoder, make_folder};
use arrow::array::RecordBatch;
use lima_model::manifest::Ended;
use lima_model::{Manifest, Table};
use std::fs;
use std::path::Path;

/// Replaces the rows of tables and the manifest of a trace. A reader of a table sees the old rows or the new ones, and
/// the manifest comes last.
///
/// # Errors
/// When the trace is still being recorded, when rows do not fit their table, or when they cannot be written; tables that
/// were replaced before stay replaced.
pub fn replace(folder: &Path, tables: &[(Table, RecordBatch)], manifest: &Manifest) -> Result<(), Error> {
    if manifest.ended == Ended::Recording {
        let why =
            "it is still being recorded, or its recorder was killed: tables are replaced in finished traces".into();
        return Err(Error::NotATrace { path: folder.to_owned(), why });
    }
    for (table, rows) in tables {
        let hidden = folder.join(hidden_name(*table));
        // What a run that was killed has left behind.
        let _ = fs::remove_dir_all(&hidden);
        let result = put(folder, &hidden, *table, rows);
        let _ = fs::remove_dir_all(&hidden);
        result?;
    }
    manifest::write(folder, manifest)
}

fn put(folder: &Path, hidden: &Path, table: Table, rows: &RecordBatch) -> Result<(), Error> {
    make_folder(hidden)?;
    if rows.num_rows() > 0 {
        Encoder::default().segment(hidden, 1, table, rows)?;
    }
    let place = folder.join(table.name());
    if place.exists() {
        return exchange(folder, &place, hidden);
    }
    fs::rename(hidden, &place).map_err(io("write", &place))
}
