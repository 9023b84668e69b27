//! What an image says elsewhere about where its code goes.
//!
//! Some edges of a control-flow graph are not in the instructions: an instruction may be patched into a jump (static
//! keys, alternatives), may fault and go on at a fixup, or may trap and come back (WARN). The kernel keeps tables of
//! these places; here they are read. A table that makes no sense is left out as far as it makes none.

use super::Memory;
use super::conventions::{self, Convention};
use super::operation::Registers;
use crate::image::{Image, SymbolKind};
use rustc_hash::FxHashMap;
use std::ops::Range;

/// An alternative: code that is replaced when the CPU has a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// The code.
    pub original: Range<u64>,
    /// What may replace it.
    pub replacement: Range<u64>,
}

/// The tables of an image.
#[derive(Debug, Default)]
pub struct Landmarks {
    /// Static keys: an instruction and where it may jump, ascending.
    jumps: Vec<(u64, u64)>,
    /// Instructions that may fault, and where that goes on, ascending.
    faults: Vec<(u64, u64)>,
    /// Traps that come back, ascending; `None` when the image has no table of traps.
    warnings: Option<Vec<u64>>,
    /// Alternatives, ascending by original.
    alternatives: Vec<Alternative>,
    /// Functions with a convention of their own.
    conventions: FxHashMap<u64, Convention>,
    /// Places of pointers to functions whose calls are patched (`pv_ops`), and what such a call changes.
    patched: FxHashMap<u64, Registers>,
    /// Code without a function of its own, that functions jump to and that jumps back (`static_cpu_has`).
    detours: Vec<Range<u64>>,
}

impl Landmarks {
    /// Reads the tables of an image. A module calls functions of the kernel too, so the kernel's landmarks are needed
    /// for it.
    pub fn of(image: &Image, kernel: Option<&Self>) -> Self {
        let mut conventions = kernel.map(|kernel| kernel.conventions.clone()).unwrap_or_default();
        // By symbol, not by function: thunks and helpers may be labels inside of a larger function.
        for symbol in image.symbols.iter().filter(|symbol| symbol.kind != SymbolKind::Object) {
            if let Some(convention) = conventions::of(&symbol.name) {
                conventions.insert(symbol.address, convention);
            }
        }
        let table = |bounds: [&str; 3]| table(image, bounds);
        let text: Vec<_> = image.text().collect();
        let mut patched = kernel.map(|kernel| kernel.patched.clone()).unwrap_or_default();
        patched.extend(patched_calls(image, &conventions));
        Self {
            jumps: table(["__start___jump_table", "__stop___jump_table", "__jump_table"])
                .or_else(|| find_jump_table(image, &text))
                .map(|(at, bytes)| pairs(at, bytes, 16))
                .unwrap_or_default(),
            faults: table(["__start___ex_table", "__stop___ex_table", "__ex_table"])
                .map(|(at, bytes)| pairs(at, bytes, 12))
                .unwrap_or_default(),
            warnings: table(["__start___bug_table", "__stop___bug_table", "__bug_table"])
                .and_then(|(at, bytes)| warnings(at, bytes, image)),
            alternatives: table(["__alt_instructions", "__alt_instructions_end", ".altinstructions"])
                .map(|(at, bytes)| alternatives(at, bytes, &text))
                .unwrap_or_default(),
            conventions,
            patched,
            detours: image
                .sections
                .iter()
                .filter(|section| section.loaded && section.name == ".altinstr_aux")
                .map(|section| section.address..section.end())
                .collect(),
        }
    }

    /// Static keys in a range: an instruction and where it may jump.
    pub fn jumps(&self, within: &Range<u64>) -> &[(u64, u64)] {
        between(&self.jumps, within)
    }

    /// Faults in a range: an instruction and where a fault of it goes on.
    pub fn faults(&self, within: &Range<u64>) -> &[(u64, u64)] {
        between(&self.faults, within)
    }

    /// Whether the trap at an address comes back; `None` when the image does not say.
    pub fn comes_back(&self, trap: u64) -> Option<bool> {
        self.warnings.as_ref().map(|warnings| warnings.binary_search(&trap).is_ok())
    }

    /// The alternatives whose original is in a range.
    pub fn alternatives(&self, within: &Range<u64>) -> &[Alternative] {
        let start = self.alternatives.partition_point(|alternative| alternative.original.start < within.start);
        let rest = &self.alternatives[start..];
        &rest[..rest.partition_point(|alternative| alternative.original.start < within.end)]
    }

    /// The convention of the function at an address, when it is not that of C.
    pub fn convention(&self, function: u64) -> Option<Convention> {
        self.conventions.get(&function).copied()
    }

    /// What a call of the function that stands in a fixed place changes, when that is not what C says.
    pub fn patched_call(&self, place: u64) -> Option<Registers> {
        self.patched.get(&place).copied()
    }

    /// Notes that a function never comes back.
    pub fn never_returns(&mut self, function: u64) {
        self.conventions.entry(function).or_insert(Convention::Never);
    }

    /// Whether code at an address belongs to no function, and jumps back to the one that jumped there.
    pub fn is_detour(&self, address: u64) -> bool {
        self.detours.iter().any(|range| range.contains(&address))
    }
}

/// A table: by the symbols at its ends in a linked kernel, by its section in a module.
fn table<'a>(image: &'a Image, [start, end, section]: [&str; 3]) -> Option<(u64, &'a [u8])> {
    let symbol = |name: &str| image.symbols_named(name).next().map(|symbol| symbol.address);
    let range = match (symbol(start), symbol(end)) {
        (Some(start), Some(end)) if start <= end => start..end,
        _ => image.section(section).filter(|section| section.loaded).map(|section| section.address..section.end())?,
    };
    Some((range.start, Memory::bytes(image, range.clone())?))
}

/// The table of static keys in a kernel that has no symbols for its ends: the longest run of what can be its entries,
/// which are an instruction, a place that it may jump to, both in the same function or near, and a key in writable data.
fn find_jump_table<'a>(image: &'a Image, text: &[Range<u64>]) -> Option<(u64, &'a [u8])> {
    const ENTRY: usize = 16;
    const FEWEST: usize = 64;
    // As far as two parts of one function are apart; cold parts are collected in one place of the text.
    const FARTHEST: u64 = 1 << 26;
    let in_text = |address: u64| text.iter().any(|range| range.contains(&address));
    let mut longest: Option<(u64, &[u8])> = None;
    for section in image.sections.iter().filter(|section| section.loaded && !section.executable && !section.per_cpu) {
        let Some(bytes) = Memory::bytes(image, section.address..section.end()) else { continue };
        let is_entry = |at: usize| {
            let from = relative(bytes, section.address, at).filter(|&from| in_text(from));
            let to = relative(bytes, section.address, at + 4).filter(|&to| in_text(to));
            let key = bytes.get(at + 8..at + 16).and_then(|key| Some(i64::from_le_bytes(key.try_into().ok()?)));
            // The two lowest bits of a key say how the code is written.
            let key = key.map(|key| section.address.wrapping_add(at as u64 + 8).wrapping_add_signed(key & !3));
            from.zip(to).is_some_and(|(from, to)| from != to && from.abs_diff(to) < FARTHEST)
                && key.and_then(|key| image.section_of(key)).is_some_and(|section| !section.executable)
        };
        let mut at = 0;
        while at + ENTRY <= bytes.len() {
            let start = at;
            while is_entry(at) {
                at += ENTRY;
            }
            if at - start >= FEWEST * ENTRY && longest.is_none_or(|(_, found)| found.len() < at - start) {
                longest = Some((section.address.wrapping_add(start as u64), &bytes[start..at]));
            }
            at = if at == start { at + 8 } else { at };
        }
    }
    longest
}

/// The slots of `pv_ops` whose function saves what C would not.
fn patched_calls(image: &Image, conventions: &FxHashMap<u64, Convention>) -> Vec<(u64, Registers)> {
    const LARGEST: u64 = 4096;
    let Some(table) = image.symbols_named("pv_ops").find(|symbol| symbol.kind != SymbolKind::Function) else {
        return Vec::new();
    };
    let size = if table.size == 0 { LARGEST } else { table.size.min(LARGEST) };
    (0..size / 8)
        .filter_map(|slot| {
            let place = table.address.checked_add(slot * 8)?;
            match conventions.get(&image.u64_at(place)?)? {
                Convention::Clobbers(writes) => Some((place, *writes)),
                _ => None,
            }
        })
        .collect()
}

fn between<'a>(sorted: &'a [(u64, u64)], within: &Range<u64>) -> &'a [(u64, u64)] {
    let start = sorted.partition_point(|&(at, _)| at < within.start);
    let rest = &sorted[start..];
    &rest[..rest.partition_point(|&(at, _)| at < within.end)]
}

/// An address that is written as its distance from the place where it is written.
fn relative(bytes: &[u8], table: u64, offset: usize) -> Option<u64> {
    let distance = i32::from_le_bytes(bytes.get(offset..offset.checked_add(4)?)?.try_into().ok()?);
    Some(table.wrapping_add(offset as u64).wrapping_add_signed(i64::from(distance)))
}

/// Entries that begin with two relative addresses.
fn pairs(table: u64, bytes: &[u8], entry: usize) -> Vec<(u64, u64)> {
    let mut pairs: Vec<_> = (0..bytes.len() / entry)
        .filter_map(|i| Some((relative(bytes, table, i * entry)?, relative(bytes, table, i * entry + 4)?)))
        .collect();
    pairs.sort_unstable();
    pairs
}

/// The traps of the table of bugs that are warnings. Its entries differ between kernels and configurations: the right
/// size is the one with which all entries lead to a `ud2`.
fn warnings(table: u64, bytes: &[u8], memory: &dyn Memory) -> Option<Vec<u64>> {
    const WARNING: u16 = 1;
    let is_trap = |address: u64| {
        let code = address.checked_add(2).and_then(|end| memory.bytes(address..end));
        matches!(code, Some([0x0f, 0x0b | 0xb9 | 0xff]) | Some([0x67, 0x0f]))
    };
    // With file and line, without, and with a format string (Linux 6.19).
    for (entry, flags) in [(12, 10), (8, 4), (16, 14)] {
        let count = bytes.len() / entry;
        let sensible = |i: usize| relative(bytes, table, i * entry).is_some_and(is_trap);
        if count == 0 || !(0..count.min(256)).all(sensible) {
            continue;
        }
        let mut found: Vec<u64> = (0..count)
            .filter(|i| {
                let at = i * entry + flags;
                bytes.get(at..at + 2).is_some_and(|flags| u16::from_le_bytes([flags[0], flags[1]]) & WARNING != 0)
            })
            .filter_map(|i| relative(bytes, table, i * entry))
            .collect();
        found.sort_unstable();
        return Some(found);
    }
    None
}

/// The alternatives. The size of an entry differs between kernels: the right one makes all of them code.
fn alternatives(table: u64, bytes: &[u8], text: &[Range<u64>]) -> Vec<Alternative> {
    let is_code = |range: &Range<u64>| {
        range.is_empty() || text.iter().any(|part| part.contains(&range.start) && range.end <= part.end)
    };
    // `cpuid` is 16 bits, with a `padlen` before Linux 5.13, and 32 bits since 6.3.
    for (entry, lengths) in [(12, 10), (14, 12), (13, 10)] {
        let read = |i: usize| {
            let (original, replacement) = (relative(bytes, table, i * entry)?, relative(bytes, table, i * entry + 4)?);
            let (length, with) = (*bytes.get(i * entry + lengths)?, *bytes.get(i * entry + lengths + 1)?);
            Some(Alternative {
                original: original..original.checked_add(u64::from(length))?,
                replacement: replacement..replacement.checked_add(u64::from(with))?,
            })
        };
        let count = bytes.len() / entry;
        let sensible = |i: usize| read(i).is_some_and(|found| is_code(&found.original) && is_code(&found.replacement));
        if count == 0 || !(0..count.min(256)).all(sensible) {
            continue;
        }
        let mut found: Vec<_> = (0..count).filter_map(read).collect();
        found.sort_unstable_by_key(|alternative| (alternative.original.start, alternative.replacement.start));
        return found;
    }
    Vec::new()
}
