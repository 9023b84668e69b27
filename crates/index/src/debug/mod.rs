//! What DWARF says of code: functions and what was inlined into them, lines, and where variables are kept.
//!
//! Only what is asked for is read: the functions with lock sites for their variables, the addresses of call sites for
//! their lines. Units are read side by side.

mod bindings;
mod build;
mod entries;
mod files;
mod frames;
mod index;
mod locations;
mod prototypes;
mod reading;
mod skim;
#[cfg(test)]
mod tests;
mod text;
mod types;
mod unit;
mod variables;

use crate::Error;
use crate::code::Register;
use crate::image::{Image, Symbol};
use crate::types::TypeId;
use gimli::Section as _;
use index::Index;
use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use text::Texts;

pub use types::TypeMap;

/// The debug information of an image. Opening it reads the upper level of every unit: which code is whose.
#[derive(Debug)]
pub struct Debug<'image> {
    sections: Sections<'image>,
    symbols: &'image [Symbol],
    index: Index,
    texts: Texts,
    counters: Counters,
}

/// What could not be read or said. Each is a loss of evidence, not of truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Units that are damaged: nothing of them was used where the damage shows.
    pub units: u64,
    /// Locations of variables that no [`Location`] can express: in pieces, computed, implicit pointers.
    pub locations: u64,
    /// Types of variables that could not be matched with the image's types.
    pub types: u64,
}

#[derive(Debug, Default)]
struct Counters {
    units: AtomicU64,
    locations: AtomicU64,
    types: AtomicU64,
}

impl Counters {
    fn add(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The contents of the sections.
#[derive(Debug)]
struct Sections<'image>(gimli::DwarfSections<Cow<'image, [u8]>>);

impl Sections<'_> {
    fn dwarf(&self) -> unit::Dwarf<'_> {
        self.0.borrow(|bytes| gimli::EndianSlice::new(bytes, gimli::LittleEndian))
    }
}

impl<'image> Debug<'image> {
    /// Opens the debug information of an image; none when it has none.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a section cannot be unpacked, or `.debug_info` does not even start with a unit.
    pub fn open(image: &'image Image) -> Result<Option<Self>, Error> {
        Self::from_sections(&image.path, &image.symbols, |name| image.section_data(name))
    }

    /// Opens debug information by the contents of its sections. `path` is for errors, `symbols` (ascending by address)
    /// choose between names for one address.
    ///
    /// # Errors
    /// See [`open`](Self::open), and what `load` returns.
    pub fn from_sections(
        path: &Path,
        symbols: &'image [Symbol],
        load: impl Fn(&str) -> Result<Option<Cow<'image, [u8]>>, Error>,
    ) -> Result<Option<Self>, Error> {
        let sections = gimli::DwarfSections::load(|id| load(id.name()).map(Option::unwrap_or_default))?;
        let sections = Sections(sections);
        if sections.dwarf().debug_info.reader().is_empty() {
            return Ok(None);
        }
        let counters = Counters::default();
        let index = Index::new(&sections, path, &counters)?;
        Ok(Some(Self { sections, symbols, index, texts: Texts::default(), counters }))
    }

    /// What could not be read so far.
    pub fn losses(&self) -> Losses {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        Losses { units: of(&counters.units), locations: of(&counters.locations), types: of(&counters.types) }
    }

    /// The symbol that an address is in.
    fn symbol(&self, address: u64) -> Option<&str> {
        let after = self.symbols.partition_point(|symbol| symbol.address <= address);
        self.symbols.get(after.checked_sub(1)?).map(|symbol| symbol.name.as_str())
    }
}

/// Where a variable's value is, or what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// The value is in a register.
    Register(Register),
    /// The value is a register's plus a number (`DW_OP_bregN n, DW_OP_stack_value`): what container_of leaves behind.
    RegisterPlus(Register, i64),
    /// The value is in memory at a register's plus a number.
    Memory(Register, i64),
    /// The value is in memory at the frame's canonical address plus a number; the same when `value`: it *is* that
    /// address.
    Frame {
        /// From the canonical frame address (the stack pointer before the call into the function).
        offset: i64,
        /// The address itself is the value.
        value: bool,
    },
    /// The variable is in memory at an address.
    Static(u64),
    /// The value is this number.
    Constant(u64),
}

/// While the program is between two addresses, a variable or parameter of this type is kept there. Also of inlined
/// functions: their variables are as good a witness as the function's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// First address.
    pub start: u64,
    /// The address after the last.
    pub end: u64,
    /// Where it is.
    pub location: Location,
    /// Its type.
    pub of: TypeId,
    /// Whether it is a parameter of a function that was inlined, or of the function itself.
    pub parameter: bool,
}

/// A place in the source, in a function. Of several for one address the first is the innermost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function, inlined or not.
    pub function: std::sync::Arc<str>,
    /// The file, as the compiler was given it, without the folder it was built in.
    pub file: std::sync::Arc<str>,
    /// The line, from 1; 0 when not known.
    pub line: u32,
}

/// A variable at a fixed address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in the source.
    pub name: String,
    /// Its address.
    pub address: u64,
    /// Its type.
    pub of: TypeId,
    /// The function that it is local to, when it is.
    pub function: Option<String>,
}

/// The variables of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// Where they are kept, ascending by start.
    pub bindings: Vec<Binding>,
    /// The types of all of them, also of those that are kept nowhere, and what the functions that were inlined return.
    pub seen: Vec<TypeId>,
}

/// A function as the source has it. In a clone (`.isra.0`, `.constprop.0`) parameters may be missing, and the others
/// in other registers; its bindings tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name in the source.
    pub name: std::sync::Arc<str>,
    /// Where it is declared.
    pub file: std::sync::Arc<str>,
    /// The line, from 1; 0 when not known.
    pub line: u32,
    /// What it returns.
    pub returns: TypeId,
    /// What it takes.
    pub parameters: Vec<TypeId>,
}
