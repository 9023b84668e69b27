//! Writing a trace.

use crate::error::{Error, io};
use crate::segment::{Purpose, Range};
use crate::{checksum, manifest, merge};
use arrow::array::RecordBatch;
use lima_model::schema::check_columns;
use lima_model::{Manifest, Table};
use parquet::arrow::arrow_writer::ArrowWriter;
use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A trace that is being written.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    /// How many segments each table has, by the table's place in [`Table::ALL`].
    segments: Vec<u32>,
    encoder: Encoder,
}

/// Writes segments.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// Where they are encoded; kept for its memory.
    buffer: Vec<u8>,
}

impl Writer {
    /// Makes the folder of a trace, and its manifest. The folder may exist if it is empty. Only its owner can look
    /// into it: a trace names processes and kernel addresses.
    pub fn create(folder: &Path, manifest: &Manifest) -> Result<Self, Error> {
        let made = make_folder(folder)?;
        if let Err(error) = manifest::write(folder, manifest) {
            if made {
                let _ = fs::remove_dir(folder);
            }
            return Err(error);
        }
        Ok(Self { folder: folder.to_owned(), segments: vec![0; Table::ALL.len()], encoder: Encoder::default() })
    }

    /// The trace's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes rows as the next segment of a table. After an error the trace is as it was before.
    pub fn append(&mut self, table: Table, rows: &RecordBatch) -> Result<(), Error> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let number = self.segments[table as usize] + 1;
        let folder = self.folder.join(table.name());
        self.encoder.encode(&folder, number, table, rows)?;
        if number == 1 {
            make_folder(&folder)?;
        }
        self.encoder.put(&folder, number)?;
        self.segments[table as usize] = number;
        Ok(())
    }

    /// Rewrites the manifest.
    pub fn manifest(&self, manifest: &Manifest) -> Result<(), Error> {
        manifest::write(&self.folder, manifest)
    }

    /// Ends the trace: writes the last manifest, then merges each table's segments into few large ones.
    ///
    /// What comes back in `Ok` says which tables could not be merged (for want of space, for example). Their rows are
    /// all there, only in more files than need be.
    pub fn finish(self, manifest: &Manifest) -> Result<Vec<Error>, Error> {
        self.manifest(manifest)?;
        Ok(Table::ALL.iter().filter_map(|&table| merge::merge(&self.folder, table).err()).collect())
    }
}

impl Encoder {
    /// Writes rows as a segment into a folder.
    pub(crate) fn segment(
        &mut self,
        folder: &Path,
        number: u32,
        table: Table,
        rows: &RecordBatch,
    ) -> Result<(), Error> {
        self.encode(folder, number, table, rows)?;
        self.put(folder, number)
    }

    /// Encodes rows for a segment.
    fn encode(&mut self, folder: &Path, number: u32, table: Table, rows: &RecordBatch) -> Result<(), Error> {
        if rows.schema() != table.schema() {
            check_exact(rows, table).map_err(|why| Error::Rows { table: table.name(), why })?;
        }
        let failed = |why| Error::Encode { path: folder.join(Range::one(number).file_name()), why };
        self.buffer.clear();
        let encoding = Purpose::of_rows(rows.num_rows()).encoding(table);
        let mut writer = ArrowWriter::try_new_with_options(&mut self.buffer, rows.schema(), encoding)
            .map_err(|error| failed(error.to_string()))?;
        writer.write(rows).and_then(|()| writer.close()).map_err(|error| failed(error.to_string()))?;
        checksum::seal(&mut self.buffer).map_err(failed)
    }

    /// Writes what was encoded.
    fn put(&self, folder: &Path, number: u32) -> Result<(), Error> {
        put(&folder.join(Range::one(number).file_name()), &self.buffer)
    }
}

/// Whether rows have exactly the columns of a table, whatever the metadata of their schema; the error says why not.
fn check_exact(rows: &RecordBatch, table: Table) -> Result<(), String> {
    let (has, wants) = (rows.num_columns(), table.columns().len());
    if has != wants {
        return Err(format!("they have {has} columns instead of {wants}"));
    }
    check_columns(&rows.schema(), &table.schema())
}

/// Makes a folder that only its owner can look into; says whether it was new.
pub(crate) fn make_folder(folder: &Path) -> Result<bool, Error> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match fs::read_dir(folder) {
            Ok(mut entries) => match entries.next() {
                None => Ok(false),
                Some(_) => Err(Error::Taken(folder.to_owned())),
            },
            Err(error) if error.kind() != ErrorKind::NotADirectory => Err(io("look into the folder", folder)(error)),
            _ => Err(Error::Taken(folder.to_owned())),
        },
        Err(error) => Err(io("make the folder", folder)(error)),
    }
}

/// Writes a file under a temporary name, and renames it into place. After an error there is neither.
fn put(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    // The name begins with a dot and does not end in `.parquet`: no reader takes it for a segment.
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path)).map_err(|error| {
        let _ = fs::remove_file(&temporary);
        io("write", path)(error)
    })
}
