//! What is at an address, and where a name is.

use super::{Image, Place, Section, Symbol};
use crate::Error;
use rustc_hash::FxHasher;
use std::borrow::Cow;
use std::hash::Hasher;

/// How far back a symbol is looked for that contains an address, past labels inside of it.
const LABELS: usize = 256;

/// No string in a kernel that is asked for (a lock's name, a class key) is longer.
const LONGEST_STRING: usize = 4096;

impl Image {
    /// The section of this name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The loaded section that contains an address. Offsets into a CPU's share count as addresses.
    pub fn section_of(&self, address: u64) -> Option<&Section> {
        let after = self.by_address.partition_point(|&i| self.sections[i as usize].address <= address);
        let section = &self.sections[self.by_address[..after].last().copied()? as usize];
        (address - section.address < section.size).then_some(section)
    }

    /// The contents of memory, as the image has them; nothing outside of sections, across their ends, and in `.bss`.
    pub fn bytes(&self, address: u64, len: usize) -> Option<&[u8]> {
        let section = self.section_of(address)?;
        let start = usize::try_from(address - section.address).ok()?;
        self.plain(section)?.get(start..start.checked_add(len)?)
    }

    /// The contents of memory from an address to the end of its section.
    pub fn bytes_from(&self, address: u64) -> Option<&[u8]> {
        let section = self.section_of(address)?;
        self.plain(section)?.get(usize::try_from(address - section.address).ok()?..)
    }

    /// Four bytes of memory as a number.
    pub fn u32_at(&self, address: u64) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(address, 4)?.try_into().ok()?))
    }

    /// Eight bytes of memory as a number.
    pub fn u64_at(&self, address: u64) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(address, 8)?.try_into().ok()?))
    }

    /// The text at an address up to a zero byte; nothing when it is no UTF-8, or does not end.
    pub fn c_string_at(&self, address: u64) -> Option<&str> {
        let bytes = self.bytes_from(address)?;
        let bytes = &bytes[..bytes.len().min(LONGEST_STRING)];
        let end = bytes.iter().position(|b| *b == 0)?;
        std::str::from_utf8(&bytes[..end]).ok()
    }

    /// The symbol that an address lies in, and how far. Of several that begin at one place functions and objects go
    /// before labels, names that are visible everywhere before local ones, and both before those that begin with `_`.
    pub fn symbol_at(&self, address: u64) -> Option<(&Symbol, u64)> {
        let after = self.symbols.partition_point(|s| s.address <= address);
        let before = self.symbols[..after].iter().rev().filter(|s| s.place != Place::Absolute).take(LABELS);
        let mut containing: Option<&Symbol> = None;
        let mut label: Option<&Symbol> = None;
        for symbol in before {
            if containing.is_some_and(|found| found.address != symbol.address) {
                break;
            }
            if symbol.size == 0 {
                // A symbol without a size ends where the next one begins, so only the nearest ones count.
                if label.is_none_or(|found| found.address == symbol.address && better(symbol, found)) {
                    label = Some(symbol);
                }
            } else if address - symbol.address < symbol.size {
                if containing.is_none_or(|found| better(symbol, found)) {
                    containing = Some(symbol);
                }
            } else if label.is_none() && containing.is_none() {
                // What begins nearest has ended before the address, so no label reaches it either. A larger one may.
                label = Some(symbol);
            }
        }
        let label = label.filter(|s| {
            s.size == 0
                && self.section_of(address).map(|at| at.address) == self.section_of(s.address).map(|of| of.address)
        });
        let found = containing.or(label)?;
        Some((found, address - found.address))
    }

    /// All symbols of this name, ascending by address. Names are not unique.
    pub fn symbols_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Symbol> + 'a {
        let by_name = self.by_name.get_or_init(|| {
            let mut index: Vec<(u64, u32)> =
                self.symbols.iter().zip(0_u32..).map(|(symbol, i)| (hash(&symbol.name), i)).collect();
            index.sort_unstable();
            index
        });
        let wanted = hash(name);
        let start = by_name.partition_point(|(hash, _)| *hash < wanted);
        by_name[start..]
            .iter()
            .take_while(move |(hash, _)| *hash == wanted)
            .map(|(_, i)| &self.symbols[*i as usize])
            .filter(move |symbol| symbol.name == name)
    }

    /// Whether it has debug information.
    pub fn has_dwarf(&self) -> bool {
        self.sections.iter().any(|s| s.name == ".debug_info" && s.size > 0 && s.has_contents())
    }

    /// The types that the kernel describes itself with, when it does; those of a module continue the kernel's.
    ///
    /// # Errors
    /// Those of [`Image::section_data`].
    pub fn btf(&self) -> Result<Option<Cow<'_, [u8]>>, Error> {
        self.section_data(".BTF")
    }

    /// What the types of a module go on from, where it brings that along.
    ///
    /// # Errors
    /// Those of [`Image::section_data`].
    pub fn btf_base(&self) -> Result<Option<Cow<'_, [u8]>>, Error> {
        self.section_data(".BTF.base")
    }

    /// The name of the file with its debug information, where it says one (`.gnu_debuglink`).
    pub fn debug_link(&self) -> Option<String> {
        let section = self.section_data(".gnu_debuglink").ok()??;
        let name = std::str::from_utf8(section.split(|byte| *byte == 0).next()?).ok()?;
        // A name alone: it must not lead elsewhere.
        (!name.is_empty() && !name.contains('/') && name != "..").then(|| name.to_owned())
    }

    /// The kernel's release, `6.1.0-50-cloud-amd64`: of a kernel what it says of itself, of a module what it was built
    /// for.
    pub fn release(&self) -> Option<&str> {
        if self.said_release.is_some() {
            return self.said_release.as_deref();
        }
        let (sections, before): (&[&str], &[u8]) = match self.kind {
            super::Kind::Kernel => (&[".rodata", ".init.rodata", ".data"], b"Linux version "),
            super::Kind::Module(_) => (&[".modinfo"], b"vermagic="),
        };
        let banner = self.symbols_named("linux_banner").find_map(|s| self.bytes_from(s.address));
        let said = banner.and_then(|text| first_word(text.strip_prefix(before)?));
        if said.is_some() {
            return said;
        }
        let sections = sections.iter().filter_map(|name| self.plain(self.section(name)?));
        sections.filter_map(|bytes| first_word(&bytes[find(bytes, before)?..])).next()
    }
}

impl Section {
    /// The address after its last.
    pub fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }

    /// Whether the address lies in it.
    pub fn contains(&self, address: u64) -> bool {
        self.loaded && address.checked_sub(self.address).is_some_and(|offset| offset < self.size)
    }
}

/// Which of two symbols at one place tells more.
fn better(a: &Symbol, b: &Symbol) -> bool {
    let rank = |s: &Symbol| (s.kind != super::SymbolKind::Other, s.global, !s.name.starts_with('_'));
    rank(a) > rank(b)
}

fn hash(name: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// Where the bytes after `what` begin.
fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    let first = *what.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|b| *b == first) {
        from += at;
        if bytes[from..].starts_with(what) {
            return Some(from + what.len());
        }
        from += 1;
    }
    None
}

/// The text up to a blank or the end.
fn first_word(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().take(128).position(|b| b.is_ascii_whitespace() || *b == 0)?;
    std::str::from_utf8(&bytes[..end]).ok().filter(|word| !word.is_empty())
}
