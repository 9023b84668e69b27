//! Where addresses are in the source: the function, what was inlined into it there, and the lines of the calls.

use super::files::Files;
use super::index::Piece;
use super::reading::{Place, Reading};
use super::skim::Next;
use super::{Debug, Frame};
use gimli::Section as _;
use gimli::constants as dw;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that was inlined.
struct Inlined {
    /// What it was inlined into: an index of the same list; none: the function itself.
    into: Option<u32>,
    origin: Option<Place>,
    file: u64,
    line: u64,
}

/// An address that is asked for in a unit.
struct Asked {
    address: u64,
    /// Its position in the question.
    position: usize,
    /// The innermost inlined function.
    inlined: Option<u32>,
    /// The entry of its function; 0 when not known.
    function: u32,
    file: u64,
    line: u64,
}

impl Debug<'_> {
    /// The place in the source of each address, innermost function first; nothing where debug information has nothing.
    /// The addresses must ascend. Of a call, give the address of the call instruction.
    pub fn frames(&self, addresses: &[u64]) -> Vec<Vec<Frame>> {
        let mut units: FxHashMap<u32, Vec<(usize, Piece)>> = FxHashMap::default();
        for (position, address) in addresses.iter().enumerate() {
            if let Some(piece) = self.piece(*address) {
                units.entry(piece.unit).or_default().push((position, *piece));
            }
        }
        let mut units: Vec<_> = units.into_iter().collect();
        let limit = AtomicU64::new(100_000_000 + 4 * self.sections.dwarf().debug_line.reader().len() as u64);
        // The largest first, so that no thread is left with one at the end.
        units.par_sort_unstable_by_key(|(number, asked)| (std::cmp::Reverse(asked.len()), *number));
        let answers: Vec<Vec<(usize, Vec<Frame>)>> = units
            .into_par_iter()
            .map_init(
                || self.sections.dwarf(),
                |dwarf, (number, asked)| {
                    let asked = asked.into_iter().filter_map(|(position, piece)| {
                        let (address, function) = (*addresses.get(position)?, piece.entry);
                        Some(Asked { address, position, inlined: None, function, file: 0, line: 0 })
                    });
                    let answer = Reading::new(dwarf, &self.index.starts, number)
                        .and_then(|reading| self.frames_of_unit(&reading, asked.collect(), &limit));
                    answer.unwrap_or_else(|_| {
                        self.counters.add(&self.counters.units);
                        Vec::new()
                    })
                },
            )
            .collect();
        let mut frames = vec![Vec::new(); addresses.len()];
        for (position, answer) in answers.into_iter().flatten() {
            if let Some(slot) = frames.get_mut(position) {
                *slot = answer;
            }
        }
        frames
    }

    fn frames_of_unit(
        &self,
        reading: &Reading<'_, '_>,
        mut asked: Vec<Asked>,
        limit: &AtomicU64,
    ) -> gimli::Result<Vec<(usize, Vec<Frame>)>> {
        let mut inlined = Vec::new();
        let mut start = 0;
        // Consecutive addresses of one function are looked up together.
        while let Some(first) = asked.get(start) {
            let function = first.function;
            let count = asked.iter().skip(start).take_while(|other| other.function == function).count();
            if let (Some(group), true) = (asked.get_mut(start..start + count), function != 0) {
                find_inlined(reading, function as usize, group, &mut inlined)?;
            }
            start += count;
        }
        let mut files = self.lines_of_unit(reading, &mut asked, limit)?;
        let mut names: FxHashMap<Place, Arc<str>> = FxHashMap::default();
        let mut name = |place: Place| {
            let make =
                || self.texts.shared(&reading.name(place).map(|name| name.to_string_lossy()).unwrap_or_default());
            Arc::clone(names.entry(place).or_insert_with(make))
        };
        let mut answers = Vec::with_capacity(asked.len());
        for one in &asked {
            let mut frames = Vec::new();
            let (mut file, mut line) = (one.file, one.line);
            let mut next = one.inlined;
            while let Some(inlined) = next.and_then(|index| inlined.get(index as usize)) {
                let function = inlined.origin.map_or_else(|| self.texts.shared(""), &mut name);
                frames.push(Frame { function, file: files.name(file), line: number(line) });
                (file, line) = (inlined.file, inlined.line);
                next = inlined.into;
            }
            let function = match one.function {
                0 => self.texts.shared(self.symbol(one.address).unwrap_or_default()),
                entry => name(Place { unit: reading.unit.number, offset: entry }),
            };
            frames.push(Frame { function, file: files.name(file), line: number(line) });
            frames.shrink_to_fit();
            answers.push((one.position, frames));
        }
        Ok(answers)
    }

    /// Runs the line program of a unit, and notes file and line of the addresses asked for (ascending).
    fn lines_of_unit<'d, 'a>(
        &'d self,
        reading: &Reading<'d, 'a>,
        asked: &mut [Asked],
        limit: &AtomicU64,
    ) -> gimli::Result<Files<'d, 'a>> {
        let unit = &reading.unit;
        let files = |header| Files::new(reading.dwarf, unit, header, &self.index.roots, &self.texts);
        let Some(offset) = unit.lines else { return Ok(files(None)) };
        let (size, folder, name) = (unit.inner.address_size(), unit.inner.comp_dir, unit.inner.name);
        let program = reading.dwarf.debug_line.program(offset, size, folder, name)?;
        let header = program.header().clone();
        // Many units could have one long program.
        let work = header.raw_program_buf().len() + header.file_names().len();
        if limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(work as u64)).is_err() {
            return Err(gimli::Error::TooManyIterations);
        }
        let mut rows = program.rows();
        // The row before: it holds up to where the next one is.
        let mut before: Option<(u64, u64, u64)> = None;
        while let Some((_, row)) = rows.next_row()? {
            let address = row.address();
            if let Some((start, file, line)) = before
                && start < address
            {
                let first = asked.partition_point(|one| one.address < start);
                let mut work = 0;
                for one in asked.iter_mut().skip(first).take_while(|one| one.address < address) {
                    (one.file, one.line) = (file, line);
                    work += 1;
                }
                unit.spend(work)?;
            }
            let line = row.line().map_or(0, std::num::NonZero::get);
            before = (!row.end_sequence()).then_some((address, row.file_index(), line));
        }
        Ok(files(Some(header)))
    }
}

/// Finds what was inlined at addresses (ascending) of the function at `entry`.
fn find_inlined(
    reading: &Reading<'_, '_>,
    entry: usize,
    asked: &mut [Asked],
    inlined: &mut Vec<Inlined>,
) -> gimli::Result<()> {
    let unit = &reading.unit;
    // What encloses the present entry: its depth, and its index.
    let mut enclosing: Vec<(usize, u32)> = Vec::new();
    let mut result = Ok(());
    unit.walk(entry, |entry| {
        while enclosing.last().is_some_and(|(depth, _)| *depth >= entry.depth) {
            enclosing.pop();
        }
        match entry.tag {
            dw::DW_TAG_subprogram if entry.depth == 0 => Next::Into,
            dw::DW_TAG_lexical_block | dw::DW_TAG_try_block | dw::DW_TAG_catch_block => Next::Into,
            dw::DW_TAG_inlined_subroutine => {
                let index = u32::try_from(inlined.len()).unwrap_or(u32::MAX);
                let found = unit.code(reading.dwarf, entry.offset).and_then(|code| {
                    inlined.push(Inlined {
                        into: enclosing.last().map(|(_, index)| *index),
                        origin: code.origin.and_then(|origin| reading.place(unit, &origin)),
                        file: code.call_file,
                        line: code.call_line,
                    });
                    let mut work = 0;
                    unit.ranges(reading.dwarf, &code, |start, end| {
                        let first = asked.partition_point(|one| one.address < start);
                        for one in asked.iter_mut().skip(first).take_while(|one| one.address < end) {
                            one.inlined = Some(index);
                            work += 1;
                        }
                    })?;
                    unit.spend(work)
                });
                enclosing.push((entry.depth, index));
                match found {
                    Ok(()) => Next::Into,
                    Err(error) => {
                        result = Err(error);
                        Next::Stop
                    }
                }
            }
            _ => Next::Over,
        }
    })?;
    result
}

fn number(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(0)
}
