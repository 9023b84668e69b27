//! Merging a table's many small segments into few large ones, when a recording ends.
//!
//! The merged segments are written into a folder beside the table's (`.totals.merged`), brought to the disk, and then
//! the two folders change names in one step (`renameat2` with `RENAME_EXCHANGE`). So the table's folder holds the small
//! segments or the large ones, never both and never neither: a recorder killed at any moment leaves a trace that reads
//! the same, for LIMA and for any engine that reads `totals/*.parquet`. What may be left over is the hidden folder,
//! which no reader looks into.
//!
//! Where the file system cannot exchange names (NFS, for example), the segments stay as they are.

use crate::checksum::Sealing;
use crate::error::{Error, io};
use crate::segment::{Purpose, Range, Rows};
use crate::trace::list;
use crate::writer::make_folder;
use lima_model::Table;
use parquet::arrow::arrow_writer::ArrowWriter;
use parquet::errors::ParquetError;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, File, OpenOptions};
use std::path::Path;

/// A merged segment is closed when it has grown to this size.
const LARGE: u64 = 64 << 20;

/// The hidden folder in which a table is merged.
pub(crate) fn hidden_name(table: Table) -> String {
    format!(".{}.merged", table.name())
}

/// Merges the segments of a table. After an error they are as they were.
pub(crate) fn merge(folder: &Path, table: Table) -> Result<(), Error> {
    let from = folder.join(table.name());
    let segments = list(&from)?;
    if segments.len() < 2 {
        return Ok(());
    }
    let hidden = folder.join(hidden_name(table));
    let result = make_folder(&hidden)
        .and_then(|_| merge_into(&hidden, &from, &segments, table))
        .and_then(|()| exchange(folder, &from, &hidden));
    // Holds the half-made merged segments after an error, and the old small ones after success.
    let _ = fs::remove_dir_all(&hidden);
    result
}

fn merge_into(hidden: &Path, from: &Path, segments: &[Range], table: Table) -> Result<(), Error> {
    let mut segments = segments.iter().copied().peekable();
    while let Some(&Range { first, .. }) = segments.peek() {
        let path = hidden.join("merging.tmp");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = Sealing::new(file.map_err(io("write", &path))?);
        let encode = |error| encoding_failed(error, &path);
        let mut writer =
            ArrowWriter::try_new_with_options(file, table.schema(), Purpose::Merged.encoding(table)).map_err(encode)?;
        let mut last = first;
        while let Some(range) = segments.next_if(|_| writer.inner().written() < LARGE) {
            for rows in Rows::open(&from.join(range.file_name()), table)? {
                writer.write(&rows?).map_err(encode)?;
            }
            last = range.last;
        }
        let file = writer.into_inner().map_err(encode)?;
        file.seal().map_err(io("write", &path))?;
        let name = Range { first, last }.file_name();
        fs::rename(&path, hidden.join(name)).map_err(io("rename", &path))?;
    }
    File::open(hidden).and_then(|folder| folder.sync_all()).map_err(io("write", hidden))
}

/// An error of the encoder, which hands on those of the file that it writes to.
fn encoding_failed(error: ParquetError, path: &Path) -> Error {
    let why = error.to_string();
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(cause) => io("write", path)(*cause),
            Err(_) => Error::Encode { path: path.to_owned(), why },
        },
        _ => Error::Encode { path: path.to_owned(), why },
    }
}

/// Lets a folder and the hidden one change names.
pub(crate) fn exchange(folder: &Path, from: &Path, hidden: &Path) -> Result<(), Error> {
    renameat_with(CWD, hidden, CWD, from, RenameFlags::EXCHANGE)
        .map_err(|error| io("exchange the small segments for the merged ones in", from)(error.into()))?;
    // The old segments are removed next: the new ones must be there first, even if the machine crashes.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("write", folder))
}
