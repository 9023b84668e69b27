//! Reading a trace.

use crate::error::{Error, io as io_error};
use crate::segment::{Range, Rows, Segment, check};
use crate::{manifest, remote};
use arrow::array::RecordBatch;
use lima_model::manifest::Ended;
use lima_model::{Loss, Losses, Manifest, Table};
use lima_store::{Place, Remote};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A trace that was opened: its manifest was read, and each of its segments was checked.
#[derive(Debug)]
pub struct Trace {
    place: Place,
    /// Its address as a path, for messages.
    folder: PathBuf,
    manifest: Manifest,
    /// The good segments of each table, by the table's place in [`Table::ALL`].
    segments: Vec<Vec<Segment>>,
    damaged: Vec<Damaged>,
}

/// A segment that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Where it lies, or should lie.
    pub path: PathBuf,
    /// What is wrong with it, in words.
    pub reason: String,
}

impl Trace {
    /// Opens a trace. All of its segments are read once, to compare them with their checksums.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let not = |why: &str| Error::NotATrace { path: folder.to_owned(), why: why.to_owned() };
        match fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(not("a trace is a folder `NAME.lima`, and this is a file")),
            Err(error) => return Err(io_error("open", folder)(error)),
        }
        if !folder.join(crate::MANIFEST).exists() {
            return Err(not("the folder has no `trace.json`"));
        }
        let manifest = manifest::read(folder)?;
        let (mut segments, mut damaged) = (Vec::new(), Vec::new());
        for &table in Table::ALL {
            segments.push(scan_until_settled(folder, table, &mut damaged)?);
        }
        Ok(Self { place: folder.into(), folder: folder.to_owned(), manifest, segments, damaged })
    }

    /// Opens a trace wherever it lies. Of one in an object store all files are listed, and of each segment the end is read.
    pub fn at(place: &Place) -> Result<Self, Error> {
        let remote = match place {
            Place::Local(folder) => return Self::open(folder),
            Place::Remote(remote) => remote,
        };
        let remote::Opened { manifest, segments, damaged } = remote::open(remote)?;
        Ok(Self { place: place.clone(), folder: remote::path(remote), manifest, segments, damaged })
    }

    /// Where the trace lies.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The trace's folder; of a trace in an object store, its address.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The manifest as it was written. For what was lost, ask [`Trace::losses`], which knows more.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The segments of a table that can be read, in the order of their rows.
    pub fn segments(&self, table: Table) -> &[Segment] {
        &self.segments[table as usize]
    }

    /// How many rows of a table can be read.
    pub fn rows(&self, table: Table) -> u64 {
        self.segments(table).iter().map(|segment| segment.rows).sum()
    }

    /// The segments that cannot be read.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// All that was lost: what the recorder counted, whether it was cut off, and which segments cannot be read.
    pub fn losses(&self) -> Losses {
        let mut losses = self.manifest.losses.clone();
        if self.manifest.ended == Ended::Recording {
            losses.set(Loss::Cut, 1);
        }
        losses.set(Loss::Unreadable, self.damaged.len() as u64);
        losses
    }

    /// Whether the recording ended in order, nothing was lost, and all of it can be read.
    pub fn complete(&self) -> bool {
        self.manifest.complete && self.losses().is_none()
    }

    /// The rows of a table. A segment that turns out to be unreadable gives an error, and the next one follows.
    pub fn read(&self, table: Table) -> Batches<'_> {
        let remote = match &self.place {
            Place::Local(_) => None,
            Place::Remote(remote) => Some(remote.join(table.name())),
        };
        Batches { table, remote, segments: self.segments(table).iter(), rows: None }
    }
}

/// The rows of a table, in batches: what [`Trace::read`] returns.
pub struct Batches<'a> {
    table: Table,
    remote: Option<Remote>,
    segments: std::slice::Iter<'a, Segment>,
    rows: Option<Rows>,
}

impl std::fmt::Debug for Batches<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").field("table", &self.table).finish_non_exhaustive()
    }
}

impl Batches<'_> {
    fn open(&self, segment: &Segment) -> Result<Rows, Error> {
        match &self.remote {
            None => Rows::open(&segment.path, self.table),
            Some(remote) => remote::rows(remote, segment, self.table),
        }
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.rows.as_mut().and_then(Iterator::next) {
                Some(Ok(batch)) => return Some(Ok(batch)),
                Some(Err(error)) => {
                    self.rows = None;
                    return Some(Err(error));
                }
                None => {
                    let segment = self.segments.next()?;
                    match self.open(segment) {
                        Ok(rows) => self.rows = Some(rows),
                        Err(error) => return Some(Err(error)),
                    }
                }
            }
        }
    }
}

/// The ranges of a table's segments in order, by their names alone; hidden and foreign files are passed over. No
/// folder is no segment.
pub(crate) fn list(folder: &Path) -> Result<Vec<Range>, Error> {
    Ok(ranges(&file_names(folder)?))
}

fn ranges(names: &[String]) -> Vec<Range> {
    let mut ranges: Vec<_> = names.iter().filter_map(|name| Range::from_file_name(name)).collect();
    // Of two that begin alike, the one that holds more comes first: the others then repeat its rows.
    ranges.sort_unstable_by_key(|range| (range.first, std::cmp::Reverse(range.last)));
    ranges
}

/// The names in a table's folder that end in `.parquet`, without the hidden ones.
fn file_names(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(io_error("look into", folder)(error)),
        Ok(entries) => {
            for entry in entries {
                let name = entry.map_err(io_error("look into", folder))?.file_name();
                names.push(name.to_string_lossy().into_owned());
            }
        }
    }
    names.retain(|name| is_rows(name));
    Ok(names)
}

/// Whether a file of a table's folder, by its name, has rows.
pub(crate) fn is_rows(name: &str) -> bool {
    name.ends_with(".parquet") && !name.starts_with('.')
}

/// What was found in a table's folder.
#[derive(Default)]
pub(crate) struct Scan {
    pub(crate) good: Vec<Segment>,
    pub(crate) damaged: Vec<Damaged>,
    /// A file was gone before it could be looked at: the recorder has just merged the table.
    moved: bool,
}

/// Looks through a table's folder, again when it changed at the same time.
fn scan_until_settled(folder: &Path, table: Table, damaged: &mut Vec<Damaged>) -> Result<Vec<Segment>, Error> {
    let folder = folder.join(table.name());
    let mut found = scan(&folder, table)?;
    for _ in 0..3 {
        if !found.moved {
            break;
        }
        found = scan(&folder, table)?;
    }
    damaged.append(&mut found.damaged);
    Ok(found.good)
}

fn scan(folder: &Path, table: Table) -> Result<Scan, Error> {
    Ok(sorted_out(folder, &file_names(folder)?, |name| check(&folder.join(name), table)))
}

/// Which files of a table's folder are good. `check` looks into one.
pub(crate) fn sorted_out(
    folder: &Path,
    names: &[String],
    check: impl Fn(&str) -> io::Result<Result<Segment, String>>,
) -> Scan {
    let mut found = Scan::default();
    for name in names {
        if Range::from_file_name(name).is_none() {
            found.damaged.push(Damaged { path: folder.join(name), reason: "it is not named as a segment is".into() });
        }
    }
    let mut done = 0;
    for range in ranges(names) {
        let path = folder.join(range.file_name());
        if range.first <= done {
            found.damaged.push(Damaged { path, reason: "another segment covers the same rows".into() });
            continue;
        }
        if range.first > done + 1 {
            let missing = folder.join(Range { first: done + 1, last: range.first - 1 }.file_name());
            found.damaged.push(Damaged { path: missing, reason: "it is missing".into() });
        }
        done = range.last;
        match check(&range.file_name()) {
            Ok(Ok(segment)) => found.good.push(segment),
            Ok(Err(reason)) => found.damaged.push(Damaged { path, reason }),
            Err(error) => {
                found.moved |= error.kind() == ErrorKind::NotFound;
                found.damaged.push(Damaged { path, reason: error.to_string() });
            }
        }
    }
    found
}
