//! A trace in an object store.
//!
//! Every request takes its time, so they are few: one list of all files, the manifest, and the end of each segment, where
//! Parquet keeps its footer. A segment that is not larger than that end is then there as a whole, and is compared with
//! its checksum; so is each one that [`rows`] reads. Of the others that an SQL engine reads by columns, the store answers
//! for the content.

use crate::checksum::{self, TAIL};
use crate::error::{Error, io as io_error};
use crate::manifest;
use crate::segment::{Rows, Segment, guarded};
use crate::trace::{Damaged, is_rows, sorted_out};
use lima_model::schema::check_columns;
use lima_model::{Manifest, Table};
use lima_store::{Found, Remote};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::ParquetMetaDataReader;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// How much of a segment's end is read at first: footers of recorded segments are a few KiB long.
const END: u64 = 64 << 10;

/// What a trace in a store has.
pub(crate) struct Opened {
    pub(crate) manifest: Manifest,
    pub(crate) segments: Vec<Vec<Segment>>,
    pub(crate) damaged: Vec<Damaged>,
}

/// The address of a folder as a path: only to be shown.
pub(crate) fn path(remote: &Remote) -> PathBuf {
    remote.to_string().into()
}

/// Opens a trace: its manifest, and the ends of its segments.
pub(crate) fn open(remote: &Remote) -> Result<Opened, Error> {
    let folder = path(remote);
    let not = |why: &str| Error::NotATrace { path: folder.clone(), why: why.to_owned() };
    let files = remote.files().map_err(io_error("look into", &folder))?;
    let front = files.iter().find(|found| found.name == crate::MANIFEST);
    let front = front.ok_or_else(|| not("there is no `trace.json` under this address"))?;
    if front.bytes > manifest::LONGEST {
        let why = format!("it is longer than {} MiB", manifest::LONGEST >> 20);
        return Err(Error::Manifest { path: folder.join(crate::MANIFEST), why });
    }
    let text = remote.read(crate::MANIFEST).map_err(io_error("read", &folder.join(crate::MANIFEST)))?;
    let manifest = manifest::parse(&folder, &text)?;
    let (mut segments, mut damaged) = (Vec::new(), Vec::new());
    for &table in Table::ALL {
        let mut found = table_of(remote, &files, table);
        segments.push(found.good);
        damaged.append(&mut found.damaged);
    }
    Ok(Opened { manifest, segments, damaged })
}

/// The segments of a table, of the files of the whole trace.
fn table_of(remote: &Remote, files: &[Found], table: Table) -> crate::trace::Scan {
    let remote = remote.join(table.name());
    let folder = path(&remote);
    let sizes: BTreeMap<&str, u64> = files
        .iter()
        .filter_map(|found| Some((found.name.strip_prefix(table.name())?.strip_prefix('/')?, found.bytes)))
        .filter(|(name, _)| is_rows(name) && !name.contains('/'))
        .collect();
    let names: Vec<String> = sizes.keys().map(|&name| name.to_owned()).collect();
    sorted_out(&folder, &names, |name| {
        let bytes = sizes.get(name).copied().unwrap_or_default();
        let rows = check(&remote, name, bytes, table)?;
        Ok(rows.map(|rows| Segment { path: folder.join(name), rows, bytes }))
    })
}

/// How many rows a segment has, from its end. The outer error is the store's, the inner one says what is wrong with it.
fn check(remote: &Remote, name: &str, bytes: u64, table: Table) -> io::Result<Result<u64, String>> {
    let mut first = bytes.saturating_sub(END);
    let mut end = if bytes == 0 { Vec::new() } else { remote.read_range(name, first..bytes)? };
    let footer = match checksum::start_in_end(bytes, &end) {
        Ok(footer) => footer,
        Err(why) => return Ok(Err(why)),
    };
    if footer < first {
        first = footer;
        end = remote.read_range(name, first..bytes)?;
    }
    if first == 0
        && let Err(why) = checksum::verify_bytes(&end)
    {
        return Ok(Err(why));
    }
    let footer = &end[(footer - first) as usize..end.len() - TAIL];
    Ok(checksum::is_sealed(footer).and_then(|()| rows_in(footer, table)))
}

/// How many rows a footer tells of, when its columns are those of the table.
fn rows_in(footer: &[u8], table: Table) -> Result<u64, String> {
    let metadata = guarded(|| {
        let metadata = ParquetMetaDataReader::decode_metadata(footer).map_err(|error| error.to_string())?;
        ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new()).map_err(|error| error.to_string())
    })?;
    check_columns(metadata.schema(), &table.schema())?;
    Ok(metadata.metadata().file_metadata().num_rows().try_into().unwrap_or_default())
}

/// The rows of a segment in a table's folder, which is read as a whole.
pub(crate) fn rows(remote: &Remote, segment: &Segment, table: Table) -> Result<Rows, Error> {
    let name = segment.path.file_name().unwrap_or_default().to_string_lossy();
    let bytes = remote.read(&name).map_err(io_error("read", &segment.path))?;
    Rows::in_memory(bytes.into(), &segment.path, table)
}
