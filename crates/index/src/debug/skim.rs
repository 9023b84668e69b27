//! Walking the entries of a unit without reading them.
//!
//! A kernel has fourteen million entries, and a question needs few of them. How long an entry is follows from its
//! abbreviation alone in most cases; a [`Plan`] says it once for each abbreviation, so that passing by an entry is an
//! addition.

use gimli::constants as dw;
use gimli::{Abbreviation, Abbreviations, DwForm, DwTag, Encoding, Error};

/// How an attribute, or several in a row, are passed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// This many bytes.
    Bytes(u16),
    /// A reference of four bytes to the next entry on the same level.
    Sibling,
    /// A number in LEB128.
    Leb,
    /// A length of 1, 2 or 4 bytes, and as many bytes.
    Block(u8),
    /// A length in LEB128, and as many bytes.
    LebBlock,
    /// Text up to a NUL.
    Text,
}

/// How the entries of one abbreviation are passed by.
#[derive(Clone, Copy, Debug)]
struct Plan {
    tag: DwTag,
    children: bool,
    single: bool,
    /// Its steps in the common list.
    first: u32,
    count: u32,
}

/// The plans of a unit, by abbreviation.
#[derive(Debug)]
pub(super) struct Plans {
    /// Of the abbreviations 1, 2, 3 ... without a gap, which is how compilers number them.
    dense: Vec<Plan>,
    steps: Vec<Step>,
    encoding: Encoding,
    /// How many abbreviations and attributes there are.
    pub(super) size: u64,
}

/// An entry that is passed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Where it is, from the start of the unit.
    pub offset: usize,
    /// What it is.
    pub tag: DwTag,
    /// How deep below the entry that the walk started from (0).
    pub depth: usize,
    /// Whether it has a location that holds everywhere.
    pub single: bool,
}

/// What a visitor wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its children.
    Into,
    /// What comes after its children.
    Over,
    /// Nothing more.
    Stop,
}

impl Plans {
    pub(super) fn new(abbreviations: &Abbreviations, encoding: Encoding) -> Result<Self, Error> {
        let mut plans = Self { dense: Vec::new(), steps: Vec::new(), encoding, size: 0 };
        while let Some(abbreviation) = abbreviations.get(plans.dense.len() as u64 + 1) {
            let plan = Plan::new(abbreviation, encoding, &mut plans.steps)?;
            plans.dense.push(plan);
            plans.size += 1 + abbreviation.attributes().len() as u64;
        }
        Ok(plans)
    }

    /// Walks the entry at `from` in `bytes` (of a unit, from its start) and everything below it, but no more than
    /// `left` entries; what is left is returned in it.
    pub(super) fn walk(
        &self,
        abbreviations: &Abbreviations,
        bytes: &[u8],
        from: usize,
        left: &mut u64,
        mut visit: impl FnMut(Entry) -> Next,
    ) -> Result<(), Error> {
        let mut at = Cursor { bytes, position: from };
        let mut depth = 0;
        // Below an entry to pass over that does not say where the next one is.
        let mut silent_below = usize::MAX;
        let mut odd = Vec::new();
        loop {
            let offset = at.position;
            *left = left.checked_sub(1).ok_or(Error::TooManyIterations)?;
            let code = at.leb()?;
            if code == 0 {
                if depth <= 1 {
                    return Ok(());
                }
                depth -= 1;
                continue;
            }
            let index = usize::try_from(code - 1).unwrap_or(usize::MAX);
            let (plan, steps) = match self.dense.get(index) {
                Some(plan) => (*plan, &self.steps),
                None => {
                    odd.clear();
                    let abbreviation = abbreviations.get(code).ok_or(Error::InvalidAbbreviationCode(code))?;
                    (Plan::new(abbreviation, self.encoding, &mut odd)?, &odd)
                }
            };
            let next = if depth > silent_below {
                Next::Over
            } else {
                silent_below = usize::MAX;
                visit(Entry { offset, tag: plan.tag, depth, single: plan.single })
            };
            if next == Next::Stop {
                return Ok(());
            }
            let sibling = at.pass(steps.iter().skip(plan.first as usize).take(plan.count as usize))?;
            if plan.children {
                match sibling {
                    Some(sibling) if next == Next::Over && sibling > at.position && sibling <= bytes.len() => {
                        at.position = sibling;
                    }
                    _ => {
                        if next == Next::Over && silent_below == usize::MAX {
                            silent_below = depth;
                        }
                        depth += 1;
                        continue;
                    }
                }
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }
}

impl Plan {
    fn new(abbreviation: &Abbreviation, encoding: Encoding, steps: &mut Vec<Step>) -> Result<Self, Error> {
        let first = steps.len();
        for attribute in abbreviation.attributes() {
            let sibling = attribute.name() == dw::DW_AT_sibling && attribute.form() == dw::DW_FORM_ref4;
            let step = if sibling { Step::Sibling } else { Step::new(attribute.form(), encoding)? };
            let last = if steps.len() > first { steps.last_mut() } else { None };
            match (last, step) {
                (_, Step::Bytes(0)) => {}
                (Some(Step::Bytes(bytes)), Step::Bytes(more)) if *bytes < u16::MAX - more => *bytes += more,
                _ => steps.push(step),
            }
        }
        let number = |value| u32::try_from(value).map_err(|_| Error::UnsupportedOffset);
        Ok(Self {
            tag: abbreviation.tag(),
            children: abbreviation.has_children(),
            single: abbreviation.attributes().iter().any(|attribute| {
                attribute.name() == dw::DW_AT_location
                    && matches!(attribute.form(), dw::DW_FORM_exprloc | dw::DW_FORM_block1 | dw::DW_FORM_block)
            }),
            first: number(first)?,
            count: number(steps.len() - first)?,
        })
    }
}

impl Step {
    fn new(form: DwForm, encoding: Encoding) -> Result<Self, Error> {
        let word = u16::from(encoding.format.word_size());
        Ok(match form {
            dw::DW_FORM_implicit_const | dw::DW_FORM_flag_present => Self::Bytes(0),
            dw::DW_FORM_data1 | dw::DW_FORM_flag | dw::DW_FORM_strx1 | dw::DW_FORM_ref1 | dw::DW_FORM_addrx1 => {
                Self::Bytes(1)
            }
            dw::DW_FORM_data2 | dw::DW_FORM_ref2 | dw::DW_FORM_addrx2 | dw::DW_FORM_strx2 => Self::Bytes(2),
            dw::DW_FORM_addrx3 | dw::DW_FORM_strx3 => Self::Bytes(3),
            dw::DW_FORM_data4 | dw::DW_FORM_ref_sup4 | dw::DW_FORM_ref4 | dw::DW_FORM_strx4 | dw::DW_FORM_addrx4 => {
                Self::Bytes(4)
            }
            dw::DW_FORM_data8 | dw::DW_FORM_ref8 | dw::DW_FORM_ref_sig8 | dw::DW_FORM_ref_sup8 => Self::Bytes(8),
            dw::DW_FORM_data16 => Self::Bytes(16),
            dw::DW_FORM_addr => Self::Bytes(u16::from(encoding.address_size)),
            dw::DW_FORM_sec_offset
            | dw::DW_FORM_GNU_ref_alt
            | dw::DW_FORM_strp
            | dw::DW_FORM_strp_sup
            | dw::DW_FORM_GNU_strp_alt
            | dw::DW_FORM_line_strp => Self::Bytes(word),
            // As large as an address in DWARF 2, as an offset since.
            dw::DW_FORM_ref_addr if encoding.version == 2 => Self::Bytes(u16::from(encoding.address_size)),
            dw::DW_FORM_ref_addr => Self::Bytes(word),
            dw::DW_FORM_block1 => Self::Block(1),
            dw::DW_FORM_block2 => Self::Block(2),
            dw::DW_FORM_block4 => Self::Block(4),
            dw::DW_FORM_block | dw::DW_FORM_exprloc => Self::LebBlock,
            dw::DW_FORM_string => Self::Text,
            dw::DW_FORM_udata
            | dw::DW_FORM_sdata
            | dw::DW_FORM_ref_udata
            | dw::DW_FORM_strx
            | dw::DW_FORM_GNU_str_index
            | dw::DW_FORM_addrx
            | dw::DW_FORM_GNU_addr_index
            | dw::DW_FORM_loclistx
            | dw::DW_FORM_rnglistx => Self::Leb,
            _ => return Err(Error::UnknownForm(form)),
        })
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Cursor<'_> {
    fn end(&self) -> Error {
        Error::UnexpectedEof(gimli::ReaderOffsetId(self.position as u64))
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, Error> {
        let byte = *self.bytes.get(self.position).ok_or_else(|| self.end())?;
        self.position += 1;
        Ok(byte)
    }

    #[inline]
    fn leb(&mut self) -> Result<u64, Error> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            if byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    #[inline]
    fn forward(&mut self, count: u64) -> Result<(), Error> {
        let left = self.bytes.len() - self.position;
        match usize::try_from(count) {
            Ok(count) if count <= left => {
                self.position += count;
                Ok(())
            }
            _ => Err(self.end()),
        }
    }

    fn number(&mut self, bytes: u8) -> Result<u64, Error> {
        let mut value = 0;
        for index in 0..u32::from(bytes) {
            value |= u64::from(self.byte()?) << (8 * index);
        }
        Ok(value)
    }

    /// Passes the attributes of an entry; the next entry on its level, when it says where that is.
    #[inline]
    fn pass<'s>(&mut self, steps: impl Iterator<Item = &'s Step>) -> Result<Option<usize>, Error> {
        let mut sibling = None;
        for step in steps {
            match step {
                Step::Bytes(count) => self.forward(u64::from(*count))?,
                Step::Sibling => sibling = Some(usize::try_from(self.number(4)?).unwrap_or(usize::MAX)),
                Step::Leb => {
                    self.leb()?;
                }
                Step::Block(bytes) => {
                    let length = self.number(*bytes)?;
                    self.forward(length)?;
                }
                Step::LebBlock => {
                    let length = self.leb()?;
                    self.forward(length)?;
                }
                Step::Text => while self.byte()? != 0 {},
            }
        }
        Ok(sibling)
    }
}
