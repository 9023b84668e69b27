//! A unit of the debug information: one source file as it was compiled.

use super::skim::{Entry, Next, Plans};
use gimli::constants as dw;
use gimli::{AttributeValue, DebugInfoOffset, DebugLineOffset, Error, LittleEndian, Result, Section as _, UnitOffset};
use std::cell::Cell;

/// Bytes of a section.
pub(super) type Bytes<'a> = gimli::EndianSlice<'a, LittleEndian>;
/// The sections.
pub(super) type Dwarf<'a> = gimli::Dwarf<Bytes<'a>>;
/// The value of an attribute.
pub(super) type Value<'a> = AttributeValue<Bytes<'a>>;

/// How often a reference from entry to entry is followed (to its declaration, to the type below a qualifier). Longer
/// chains are cycles.
pub(super) const CHAIN: usize = 32;

/// A unit that is being read.
#[derive(Debug)]
pub(super) struct Unit<'a> {
    /// Its number in the order of `.debug_info`.
    pub number: u32,
    /// What the readers of lists and strings need.
    pub inner: gimli::Unit<Bytes<'a>>,
    /// Where its line program is.
    pub lines: Option<DebugLineOffset>,
    bytes: &'a [u8],
    plans: Plans,
    /// How many more entries, and items of lists, may be read. Lists can be shared, and functions lie over each other,
    /// so that a small file could ask for work without end.
    budget: Cell<u64>,
}

/// The attributes of code: functions, blocks and what was inlined.
#[derive(Debug, Default)]
pub(super) struct Code<'a> {
    low: Option<u64>,
    high: Option<High>,
    ranges: Option<Value<'a>>,
    /// Where it was declared, or the function that it is an instance of.
    pub origin: Option<Value<'a>>,
    pub call_file: u64,
    pub call_line: u64,
    pub frame_base: Option<Value<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum High {
    Address(u64),
    Size(u64),
}

impl<'a> Unit<'a> {
    /// Reads the header and the root entry of the unit at an offset of `.debug_info`.
    pub fn read(dwarf: &Dwarf<'a>, number: u32, offset: usize) -> Result<Self> {
        let header = dwarf.unit_header(DebugInfoOffset(offset))?;
        let abbreviations = dwarf.abbreviations(&header)?;
        let plans = Plans::new(&abbreviations, header.encoding())?;
        let section: &'a [u8] = dwarf.debug_info.reader().slice();
        let length = header.length_including_self();
        let bytes = offset.checked_add(length).and_then(|end| section.get(offset..end));
        let bytes = bytes.ok_or(Error::OffsetOutOfBounds(offset as u64))?;
        let (encoding, root) = (header.encoding(), header.root_offset().0);
        let inner = gimli::Unit {
            abbreviations,
            name: None,
            comp_dir: None,
            low_pc: 0,
            str_offsets_base: gimli::DebugStrOffsetsBase::default_for_encoding_and_file(encoding, dwarf.file_type),
            addr_base: gimli::DebugAddrBase(0),
            loclists_base: gimli::DebugLocListsBase::default_for_encoding_and_file(encoding, dwarf.file_type),
            rnglists_base: gimli::DebugRngListsBase::default_for_encoding_and_file(encoding, dwarf.file_type),
            line_program: None,
            dwo_id: None,
            header,
        };
        let budget = Cell::new(1_000_000 + 4 * length as u64);
        let mut unit = Self { number, inner, lines: None, bytes, plans, budget };
        unit.read_root(dwarf, root)?;
        Ok(unit)
    }

    /// The root entry. gimli's own reading of it goes on to the header of the line program, with all its file names.
    fn read_root(&mut self, dwarf: &Dwarf<'a>, root: usize) -> Result<()> {
        let (mut name, mut folder, mut low) = (None, None, None);
        let mut lines = None;
        let mut bases = (self.inner.str_offsets_base, self.inner.addr_base);
        let mut lists = (self.inner.loclists_base, self.inner.rnglists_base);
        self.attributes(root, |at, value| match (at, value) {
            (dw::DW_AT_name, value) => name = Some(value),
            (dw::DW_AT_comp_dir, value) => folder = Some(value),
            (dw::DW_AT_low_pc, value) => low = Some(value),
            (dw::DW_AT_stmt_list, AttributeValue::DebugLineRef(offset)) => lines = Some(offset),
            (_, AttributeValue::DebugStrOffsetsBase(base)) => bases.0 = base,
            (_, AttributeValue::DebugAddrBase(base)) => bases.1 = base,
            (_, AttributeValue::DebugLocListsBase(base)) => lists.0 = base,
            (_, AttributeValue::DebugRngListsBase(base)) => lists.1 = base,
            _ => {}
        })?;
        (self.inner.str_offsets_base, self.inner.addr_base) = bases;
        (self.inner.loclists_base, self.inner.rnglists_base) = lists;
        self.lines = lines;
        self.inner.name = name.and_then(|name| dwarf.attr_string(&self.inner, name).ok());
        self.inner.comp_dir = folder.and_then(|folder| dwarf.attr_string(&self.inner, folder).ok());
        if let Some(low) = low {
            self.inner.low_pc = dwarf.attr_address(&self.inner, low)?.unwrap_or(0);
        }
        Ok(())
    }

    /// The root entry's offset.
    pub fn root(&self) -> usize {
        self.inner.header.root_offset().0
    }

    /// How much there was to read before the first entry.
    pub fn abbreviations(&self) -> u64 {
        self.plans.size
    }

    /// Walks an entry and everything below it.
    pub fn walk(&self, from: usize, visit: impl FnMut(Entry) -> Next) -> Result<()> {
        let before = self.budget.get();
        let mut left = before;
        let result = self.plans.walk(&self.inner.abbreviations, self.bytes, from, &mut left, visit);
        // What was visited may have taken from it too.
        self.spend(before - left)?;
        result
    }

    /// Reads the attributes of the entry at an offset; what the entry is.
    #[inline]
    pub fn attributes(&self, offset: usize, mut each: impl FnMut(gimli::DwAt, Value<'a>)) -> Result<gimli::DwTag> {
        let mut entries = self.inner.entries_raw(Some(UnitOffset(offset)))?;
        let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(dw::DW_TAG_null) };
        // Attributes may take no room.
        self.spend(abbreviation.attributes().len() as u64 / 16)?;
        for specification in abbreviation.attributes() {
            let attribute = entries.read_attribute(*specification)?;
            each(attribute.name(), attribute.value());
        }
        Ok(abbreviation.tag())
    }

    /// The attributes of an entry that stands for code.
    pub fn code(&self, dwarf: &Dwarf<'a>, offset: usize) -> Result<Code<'a>> {
        let mut code = Code::default();
        let (mut low, mut high) = (None, None);
        self.attributes(offset, |at, value| match at {
            dw::DW_AT_low_pc => low = Some(value),
            dw::DW_AT_high_pc => high = Some(value),
            dw::DW_AT_ranges => code.ranges = Some(value),
            dw::DW_AT_abstract_origin | dw::DW_AT_specification => code.origin = Some(value),
            dw::DW_AT_call_file => {
                code.call_file = match value {
                    AttributeValue::FileIndex(file) => file,
                    other => other.udata_value().unwrap_or(0),
                }
            }
            dw::DW_AT_call_line => code.call_line = value.udata_value().unwrap_or(0),
            dw::DW_AT_frame_base => code.frame_base = Some(value),
            _ => {}
        })?;
        if let Some(value) = low {
            code.low = dwarf.attr_address(&self.inner, value)?;
        }
        if let Some(value) = high {
            code.high = match value.udata_value() {
                Some(size) => Some(High::Size(size)),
                None => dwarf.attr_address(&self.inner, value)?.map(High::Address),
            };
        }
        Ok(code)
    }

    /// The addresses of code, piece by piece; empty pieces are left out.
    pub fn ranges(&self, dwarf: &Dwarf<'a>, code: &Code<'a>, mut each: impl FnMut(u64, u64)) -> Result<()> {
        if let Some(value) = code.ranges {
            let Some(mut list) = dwarf.attr_ranges(&self.inner, value)? else { return Ok(()) };
            while let Some(range) = list.next()? {
                self.spend(1)?;
                if range.begin < range.end {
                    each(range.begin, range.end);
                }
            }
        } else if let (Some(low), Some(high)) = (code.low, code.high) {
            let end = match high {
                High::Address(end) => end,
                High::Size(size) => low.saturating_add(size),
            };
            if low < end {
                each(low, end);
            }
        }
        Ok(())
    }

    /// Takes from the unit's budget of work.
    pub fn spend(&self, work: u64) -> Result<()> {
        match self.budget.get().checked_sub(work) {
            Some(left) => {
                self.budget.set(left);
                Ok(())
            }
            None => Err(Error::TooManyIterations),
        }
    }
}
