//! Which function, and which unit, an address belongs to.

use super::files::Roots;
use super::reading::Reading;
use super::skim::Next;
use super::unit::{Bytes, Dwarf, Unit};
use super::{Counters, Debug, Sections};
use crate::Error;
use gimli::Section as _;
use gimli::constants as dw;
use gimli::read::UnitHeader;
use rayon::prelude::*;
use rustc_hash::FxHashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// A piece of a function's code, and the entry that describes the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    pub start: u64,
    pub end: u64,
    pub unit: u32,
    /// The entry's offset in the unit; 0 when the piece is a unit's, and no function is known.
    pub entry: u32,
}

/// What one pass over the upper level of all units gives.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Where each unit starts in `.debug_info`.
    pub starts: Vec<usize>,
    /// The numbers of the units that can be read.
    pub good: Vec<u32>,
    /// Pieces of functions, ascending.
    pub functions: Vec<Piece>,
    /// Pieces of units, ascending.
    pub units: Vec<Piece>,
    pub roots: Roots,
}

#[derive(Default)]
struct Part {
    functions: Vec<Piece>,
    units: Vec<Piece>,
    name: String,
    folder: String,
}

impl Index {
    pub fn new(sections: &Sections<'_>, path: &Path, counters: &Counters) -> Result<Self, Error> {
        let dwarf = sections.dwarf();
        let mut starts = Vec::new();
        let mut headers = dwarf.units();
        loop {
            match headers.next() {
                Ok(Some(header)) => starts.extend(offset(&header)),
                Ok(None) => break,
                // What comes after it cannot be found.
                Err(error) if starts.is_empty() => {
                    return Err(Error::malformed(path, ".debug_info", format!("the first unit: {error}")));
                }
                Err(_) => {
                    counters.add(&counters.units);
                    break;
                }
            }
        }
        let count = u32::try_from(starts.len())
            .map_err(|_| Error::malformed(path, ".debug_info", "more than 2^32 units".to_owned()))?;
        let limits = Limits::new(&dwarf);
        let parts: Vec<Option<Part>> = (0..count)
            .into_par_iter()
            .map_init(
                || sections.dwarf(),
                |dwarf, number| {
                    let part = Reading::new(dwarf, &starts, number).and_then(|reading| part(&reading, &limits));
                    part.inspect_err(|_| counters.add(&counters.units)).ok()
                },
            )
            .collect();
        let names = parts.iter().flatten().map(|part| (part.name.as_str(), part.folder.as_str()));
        let roots = Roots::new(names);
        let mut index = Self { starts, roots, ..Self::default() };
        for (number, part) in (0..count).zip(parts) {
            let Some(part) = part else { continue };
            index.good.push(number);
            index.functions.extend(part.functions);
            index.units.extend(part.units);
        }
        index.functions.par_sort_unstable();
        index.units.par_sort_unstable();
        Ok(index)
    }
}

/// How much all units together may ask for. Abbreviations and lists can be shared, so that a small file could ask for
/// work and memory without end; a kernel comes nowhere near.
struct Limits {
    abbreviations: AtomicU64,
    pieces: AtomicU64,
}

impl Limits {
    fn new(dwarf: &Dwarf<'_>) -> Self {
        let (entries, abbreviations) = (dwarf.debug_info.reader().len(), dwarf.debug_abbrev.reader().len());
        Self {
            abbreviations: AtomicU64::new(100_000_000 + 16 * abbreviations as u64),
            pieces: AtomicU64::new(1_000_000 + entries as u64 / 16),
        }
    }

    fn spend(limit: &AtomicU64, count: u64) -> gimli::Result<()> {
        let take = |left: u64| left.checked_sub(count);
        limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|_| gimli::Error::TooManyIterations)?;
        Ok(())
    }
}

fn offset(header: &UnitHeader<Bytes<'_>>) -> Option<usize> {
    header.debug_info_offset().map(|offset| offset.0)
}

fn part(reading: &Reading<'_, '_>, limits: &Limits) -> gimli::Result<Part> {
    let unit: &Unit<'_> = &reading.unit;
    Limits::spend(&limits.abbreviations, unit.abbreviations())?;
    let mut part = Part::default();
    let text = |bytes: Option<Bytes<'_>>| bytes.map(|b| b.to_string_lossy().into_owned());
    part.name = text(unit.inner.name).unwrap_or_default();
    part.folder = text(unit.inner.comp_dir).unwrap_or_default();
    let add = |entry: usize, pieces: &mut Vec<Piece>| -> gimli::Result<()> {
        let code = unit.code(reading.dwarf, entry)?;
        let offset = if entry == unit.root() { 0 } else { u32::try_from(entry).unwrap_or(0) };
        let before = pieces.len();
        unit.ranges(reading.dwarf, &code, |start, end| {
            pieces.push(Piece { start, end, unit: unit.number, entry: offset });
        })?;
        Limits::spend(&limits.pieces, (pieces.len() - before) as u64)
    };
    add(unit.root(), &mut part.units)?;
    let mut result = Ok(());
    unit.walk(unit.root(), |entry| {
        match entry.tag {
            dw::DW_TAG_compile_unit | dw::DW_TAG_partial_unit | dw::DW_TAG_namespace | dw::DW_TAG_module => {
                return Next::Into;
            }
            dw::DW_TAG_subprogram => result = add(entry.offset, &mut part.functions),
            _ => {}
        }
        if result.is_err() { Next::Stop } else { Next::Over }
    })?;
    result?;
    Ok(part)
}

/// What is asked of a unit: positions among the addresses that are asked for, these addresses, and what is there.
pub(super) type Asked = Vec<(usize, u64, Piece)>;

/// The piece that an address is in.
pub(super) fn piece_at(pieces: &[Piece], address: u64) -> Option<&Piece> {
    let after = pieces.partition_point(|piece| piece.start <= address);
    // Pieces seldom overlap; a few are tried, so that an empty or short one inside another does no harm.
    pieces.get(..after)?.iter().rev().take(4).find(|piece| address < piece.end)
}

impl Debug<'_> {
    /// The piece of a function, or at least of a unit, that an address is in.
    pub(super) fn piece(&self, address: u64) -> Option<&Piece> {
        piece_at(&self.index.functions, address).or_else(|| piece_at(&self.index.units, address))
    }

    /// Addresses in functions, with their positions among those asked for, by the unit that has to be read for them; the
    /// units with most to do first.
    pub(super) fn by_unit(&self, addresses: &[u64]) -> Vec<(u32, Asked)> {
        let mut units: FxHashMap<u32, Asked> = FxHashMap::default();
        for (position, address) in addresses.iter().enumerate() {
            if let Some(piece) = self.piece(*address).filter(|piece| piece.entry != 0) {
                units.entry(piece.unit).or_default().push((position, *address, *piece));
            }
        }
        let mut units: Vec<_> = units.into_iter().collect();
        units.sort_unstable_by_key(|(number, asked)| (std::cmp::Reverse(asked.len()), *number));
        units
    }
}
