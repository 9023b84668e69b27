//! The ELF file: its sections and its symbol table, checked against the file's end.

use super::contents::Contents;
use super::inflate::Packing;
use super::{Place, Section, Symbol, SymbolKind};
use crate::Error;
use object::elf::{self, FileHeader64, SectionHeader64, Sym64};
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym, SymbolTable};
use object::{LittleEndian, SectionIndex, SymbolIndex};
use std::ops::Range;
use std::path::Path;

/// No name in a kernel is longer; the kernel's own limit is 512. Names share bytes of the string table, so that a small
/// file could otherwise ask for any amount of memory.
const LONGEST_NAME: usize = 1024;

/// The linkers make 16 or 20 bytes, or as many as they are told in digits.
const LONGEST_BUILD_ID: usize = 64;

const E: LittleEndian = LittleEndian;

/// A 64-bit little-endian ELF file for x86-64.
pub(super) struct Elf<'a> {
    path: &'a Path,
    data: &'a [u8],
    header: &'a FileHeader64<LittleEndian>,
    table: SectionTable<'a, FileHeader64<LittleEndian>>,
    /// The sections, by their number in the file: number 0 is none.
    pub(super) sections: Vec<RawSection>,
}

/// A section as the file describes it.
pub(super) struct RawSection {
    /// Its name.
    pub(super) name: String,
    /// `SHT_*`.
    pub(super) kind: elf::SectionType,
    /// `SHF_*`.
    pub(super) flags: elf::SectionFlags,
    /// Where the file says it is loaded.
    pub(super) address: u64,
    /// Its size.
    pub(super) size: u64,
    /// To what addresses it must be aligned; a power of two.
    pub(super) align: u64,
    /// The section that it is about (`sh_info`).
    pub(super) info: u32,
    /// Its bytes in the file, checked.
    pub(super) range: Option<Range<usize>>,
}

impl RawSection {
    /// Whether it takes memory when loaded.
    pub(super) fn loaded(&self) -> bool {
        self.flags.contains(elf::SHF_ALLOC)
    }

    /// Whether it is code.
    pub(super) fn executable(&self) -> bool {
        self.flags.contains(elf::SHF_EXECINSTR)
    }

    /// Whether it is each CPU's share of a variable.
    pub(super) fn per_cpu(&self) -> bool {
        self.name.starts_with(".data..percpu")
    }

    /// The section as the image has it, with contents in this part.
    pub(super) fn to_section(&self, part: usize) -> Section {
        let plain = self.name.strip_prefix(".zdebug_").map(|rest| format!(".debug_{rest}"));
        let packing = match (&plain, self.flags.contains(elf::SHF_COMPRESSED)) {
            (_, true) => Packing::Header,
            (Some(_), false) => Packing::Zdebug,
            (None, false) => Packing::None,
        };
        let loaded = self.loaded();
        Section {
            address: if loaded { self.address } else { 0 },
            size: self.size,
            loaded,
            executable: self.executable(),
            per_cpu: self.per_cpu(),
            contents: match &self.range {
                Some(range) if !range.is_empty() => {
                    Contents::File { part, range: range.clone(), packing, relocations: Vec::new() }
                }
                _ => Contents::Zeros,
            },
            name: plain.unwrap_or_else(|| self.name.clone()),
        }
    }
}

impl<'a> Elf<'a> {
    /// Reads headers. `path` is for errors.
    pub(super) fn read(path: &'a Path, data: &'a [u8]) -> Result<Self, Error> {
        let header = header(path, data)?;
        let bad = |e: object::read::Error| Error::malformed(path, "ELF section headers", e.to_string());
        let headers = header.section_headers(E, data).map_err(bad)?;
        let strings = header.section_strings(E, data, headers).map_err(bad)?;
        if headers.is_empty() {
            return Err(Error::malformed(
                path,
                "ELF section headers",
                "there are none: stripped of them, or cut short",
            ));
        }
        let table = SectionTable::new(headers, strings);
        let mut sections = Vec::with_capacity(headers.len());
        for (number, section) in headers.iter().enumerate() {
            sections.push(raw_section(path, data, &table, number, section)?);
        }
        Ok(Self { path, data, header, table, sections })
    }

    /// Whether it is not linked: a module.
    pub(super) fn relocatable(&self) -> bool {
        self.header.e_type(E) == elf::ET_REL
    }

    /// The symbol table, empty when there is none.
    pub(super) fn symbol_table(&self) -> Result<SymbolTable<'a, FileHeader64<LittleEndian>>, Error> {
        self.table
            .symbols(E, self.data, elf::SHT_SYMTAB)
            .map_err(|e| Error::malformed(self.path, ".symtab", e.to_string()))
    }

    /// The build id that a note gives, empty when none does.
    pub(super) fn build_id(&self) -> Vec<u8> {
        self.sections
            .iter()
            .filter(|s| s.kind == elf::SHT_NOTE || s.name.starts_with(".note"))
            .filter_map(|s| self.data.get(s.range.clone()?))
            .find_map(build_id)
            .unwrap_or_default()
    }

    /// The symbols with names and addresses, where each section is loaded at what `sections` says.
    pub(super) fn symbols(&self, sections: &[Section]) -> Result<Vec<Symbol>, Error> {
        let table = self.symbol_table()?;
        let mut symbols = Vec::with_capacity(table.len());
        for (index, symbol) in table.enumerate() {
            if matches!(symbol.st_type(), elf::STT_FILE | elf::STT_SECTION) {
                continue;
            }
            let section = self.section_of_symbol(&table, symbol, index)?;
            let section = section.and_then(|SectionIndex(number)| sections.get(number)).filter(|s| s.loaded);
            let place = match section {
                Some(section) if section.per_cpu => Place::PerCpu,
                Some(_) => Place::Memory,
                None if symbol.is_absolute(E) => Place::Absolute,
                None => continue,
            };
            // Symbols of what is not linked count from their section's start.
            let base = section.filter(|_| self.relocatable()).map_or(0, |s| s.address);
            let name = self.name(&table, symbol)?;
            if name.is_empty() {
                continue;
            }
            symbols.push(Symbol {
                name,
                address: base.wrapping_add(symbol.st_value(E)),
                size: symbol.st_size(E),
                kind: kind(symbol),
                global: !symbol.is_local(),
                place,
            });
        }
        symbols.sort_by_key(|s| s.address);
        Ok(symbols)
    }

    /// The section that a symbol lies in; nothing for undefined and absolute ones.
    pub(super) fn section_of_symbol(
        &self,
        table: &SymbolTable<'a, FileHeader64<LittleEndian>>,
        symbol: &Sym64<LittleEndian>,
        index: SymbolIndex,
    ) -> Result<Option<SectionIndex>, Error> {
        table.symbol_section(E, symbol, index).map_err(|e| self.bad_symbols(e))
    }

    /// The name of a symbol.
    pub(super) fn name(
        &self,
        table: &SymbolTable<'a, FileHeader64<LittleEndian>>,
        symbol: &Sym64<LittleEndian>,
    ) -> Result<String, Error> {
        let name = table.symbol_name(E, symbol).map_err(|e| self.bad_symbols(e))?;
        text(self.path, ".strtab", name)
    }

    fn bad_symbols(&self, error: object::read::Error) -> Error {
        Error::malformed(self.path, ".symtab", error.to_string())
    }
}

/// What a symbol stands for.
pub(super) fn kind(symbol: &Sym64<LittleEndian>) -> SymbolKind {
    match symbol.st_type() {
        elf::STT_FUNC | elf::STT_GNU_IFUNC => SymbolKind::Function,
        elf::STT_OBJECT => SymbolKind::Object,
        _ => SymbolKind::Other,
    }
}

/// The header of a file that is for this reader; the error says what another one is for.
fn header<'a>(path: &Path, data: &'a [u8]) -> Result<&'a FileHeader64<LittleEndian>, Error> {
    let bad = |what: String| Error::malformed(path, "ELF header", what);
    if !data.starts_with(b"\x7fELF") {
        return Err(bad(match data.get(..4).unwrap_or(data) {
            [] => "not an ELF file: it is empty".to_owned(),
            found => format!("not an ELF file, nor a kernel packed in a known way: it begins with {found:02x?}"),
        }));
    }
    match (data.get(4), data.get(5)) {
        (Some(2), Some(1)) => {}
        (Some(1), _) => return Err(bad("a 32-bit file; only 64-bit kernels are read".to_owned())),
        (_, Some(2)) => return Err(bad("a big-endian file; only little-endian kernels are read".to_owned())),
        (class, order) => return Err(bad(format!("of unknown class {class:?} and byte order {order:?}"))),
    }
    let header = FileHeader64::<LittleEndian>::parse(data).map_err(|e| bad(e.to_string()))?;
    match header.e_machine(E) {
        elf::EM_X86_64 => Ok(header),
        elf::EM_AARCH64 => Err(bad("for arm64; only x86-64 is read so far".to_owned())),
        other => Err(bad(format!("for machine {}; only x86-64 ({}) is read so far", other.0, elf::EM_X86_64.0))),
    }
}

/// One section header, checked.
fn raw_section(
    path: &Path,
    data: &[u8],
    table: &SectionTable<'_, FileHeader64<LittleEndian>>,
    number: usize,
    section: &SectionHeader64<LittleEndian>,
) -> Result<RawSection, Error> {
    let part = format!("section {number}");
    let name = if number == 0 {
        String::new()
    } else {
        let bytes = table.section_name(E, section).map_err(|e| Error::malformed(path, &part, e.to_string()))?;
        text(path, &part, bytes)?
    };
    let bad = |what: String| Error::malformed(path, if name.is_empty() { part.clone() } else { name.clone() }, what);
    let (kind, size) = (section.sh_type(E), section.sh_size(E));
    let range = if number == 0 || matches!(kind, elf::SHT_NOBITS | elf::SHT_NULL) {
        None
    } else {
        let start = section.sh_offset(E);
        let range = start
            .checked_add(size)
            .filter(|end| *end <= data.len() as u64)
            .and_then(|end| Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?));
        Some(range.ok_or_else(|| {
            bad(format!("lies at offset {start:#x} with {size:#x} bytes, but the file ends at {:#x}", data.len()))
        })?)
    };
    let (address, flags) = (section.sh_addr(E), section.sh_flags(E));
    if number != 0 && flags.contains(elf::SHF_ALLOC) && address.checked_add(size).is_none() {
        return Err(bad(format!("address {address:#x} and size {size:#x} go past the end of memory")));
    }
    let align = section.sh_addralign(E).max(1);
    if !align.is_power_of_two() {
        return Err(bad(format!("its alignment {align:#x} is no power of two")));
    }
    Ok(RawSection { kind, flags, address, size, align, info: section.sh_info(E), range, name })
}

/// A name from a string table.
fn text(path: &Path, part: &str, bytes: &[u8]) -> Result<String, Error> {
    if bytes.len() > LONGEST_NAME {
        return Err(Error::malformed(path, part, format!("holds a name of {} bytes", bytes.len())));
    }
    Ok(match std::str::from_utf8(bytes) {
        Ok(name) => name.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    })
}

/// The build id in a section of notes.
pub(super) fn build_id(mut notes: &[u8]) -> Option<Vec<u8>> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let word = |bytes: &[u8], at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    loop {
        let name_size = word(notes, 0)? as usize;
        let size = word(notes, 4)? as usize;
        let kind = word(notes, 8)?;
        // Both parts are padded to 4 bytes, in 64-bit files too.
        let rest = notes.get(12..)?;
        let name = rest.get(..name_size)?;
        let rest = rest.get(name_size.checked_next_multiple_of(4)?..)?;
        let contents = rest.get(..size)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" && size <= LONGEST_BUILD_ID {
            return Some(contents.to_vec());
        }
        notes = rest.get(size.checked_next_multiple_of(4)?..)?;
    }
}
