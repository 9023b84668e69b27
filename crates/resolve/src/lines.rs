//! Return addresses as places in the source: the index knows for each call which inlined functions it is in.
//!
//! Stacks consist of return addresses, and the calls of an index are all that there are in a kernel; so its debug
//! information is not needed any more. An address that no call returns to (the place of an interrupt) has no lines.

use crate::Error;
use crate::words;
use lima_index::store::{Columns, Index};
use lima_model::IndexTable;

/// The longest call on x86-64, with prefixes.
const MOST_BYTES: u64 = 8;

/// The calls of an index.
#[derive(Debug)]
pub struct Lines {
    calls: Columns,
    /// Their addresses, ascending, with their rows.
    by_address: Vec<(u64, u32)>,
}

/// One of the functions that a call is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its name.
    pub function: &'a str,
    /// Its file, relative to the kernel's source.
    pub file: &'a str,
    /// The line.
    pub line: u32,
}

impl Lines {
    /// Reads the calls.
    pub fn of(index: &Index) -> Result<Self, Error> {
        let calls = index.read(IndexTable::Calls, &["address", "frame_functions", "frame_files", "frame_lines"])?;
        let mut by_address: Vec<_> = calls.numbers("address")?.all().iter().copied().zip(0..).collect();
        by_address.sort_unstable();
        Ok(Self { calls, by_address })
    }

    /// The functions that the call which returns to this address of the index is in, innermost first; none when there is
    /// no such call, or no debug information of it.
    pub fn returning_to(&self, address: u64) -> Result<impl ExactSizeIterator<Item = Line<'_>>, Error> {
        let before = self.by_address.partition_point(|&(call, _)| call < address);
        let nearest = before.checked_sub(1).map(|at| self.by_address[at]);
        let row = nearest.filter(|&(call, _)| address - call <= MOST_BYTES).map(|(_, row)| row as usize);
        let (functions, files) = (self.calls.text_lists("frame_functions")?, self.calls.text_lists("frame_files")?);
        let lines = self.calls.small_lists("frame_lines")?;
        let count = row.map_or(0, |row| lines.get(row).len());
        let mut functions = row.map(|row| functions.get(row));
        let mut files = row.map(|row| files.get(row));
        let lines = row.map_or(&[][..], |row| lines.get(row));
        Ok((0..count).map(move |at| Line {
            function: functions.as_mut().and_then(Iterator::next).unwrap_or_default(),
            file: files.as_mut().and_then(Iterator::next).unwrap_or_default(),
            line: lines[at],
        }))
    }
}

/// The part of the kernel that a chain of functions is in: that of the function itself.
pub fn subsystem<'a>(lines: &[Line<'a>]) -> Option<&'a str> {
    words::subsystem(lines.last()?.file)
}
