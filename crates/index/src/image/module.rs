//! Modules: laid out at addresses and linked against the kernel, as its loader would do it.

use super::contents::{Contents, Data, Part};
use super::elf::{Elf, RawSection, kind};
use super::inflate::Packing;
use super::open::add_debug_sections;
use super::{Image, Kind, Place, Section, Symbol, relocate, vmlinuz};
use crate::Error;
use object::elf;
use object::read::elf::Sym;
use object::{LittleEndian, SectionIndex};
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Modules begin at whole pages, and so do their code, their data and their share of each CPU's.
const PAGE: u64 = 4096;
/// No module is larger: it would fill a quarter of the kernel's module space.
const LARGEST: u64 = 256 << 20;
/// No section has to lie rounder than this, the largest page of the kernel's own.
const LARGEST_ALIGNMENT: u64 = 2 << 20;
/// What a symbol from elsewhere takes of the made-up addresses.
const IMPORT: u64 = 16;

/// The file of a module, with its debug information, not yet at an address.
#[derive(Debug)]
pub struct ModuleFile {
    path: PathBuf,
    data: Data,
    debug: Option<(PathBuf, Data)>,
    name: String,
    size: u64,
}

impl ModuleFile {
    /// Reads a `.ko`, packed or not, and where its debug information is in a file of its own, that one.
    ///
    /// # Errors
    /// [`Error::File`] when one cannot be read; [`Error::Malformed`] when it is no module for x86-64, or damaged, or the
    /// debug information is of another build.
    pub fn read(path: &Path, debug: Option<&Path>) -> Result<Self, Error> {
        let debug = debug.map(|path| Ok::<_, Error>((path.to_owned(), Data::map(path)?))).transpose()?;
        Self::from_data(path, Data::map(path)?, debug)
    }

    /// A module from the bytes of its file, where they are at hand. The path is for errors, and for the name.
    ///
    /// # Errors
    /// As [`ModuleFile::read`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        Self::from_data(path, Data::Owned(bytes), None)
    }

    fn from_data(path: &Path, data: Data, debug: Option<(PathBuf, Data)>) -> Result<Self, Error> {
        let data = vmlinuz::unpack(path, data)?;
        let debug = match debug {
            Some((path, data)) => Some((path.clone(), vmlinuz::unpack(&path, data)?)),
            None => None,
        };
        let elf = module(path, &data)?;
        let mut undefined = count_undefined(&elf)?;
        let build_id = elf.build_id();
        if let Some((path, data)) = &debug {
            let debug = module(path, data)?;
            undefined = undefined.saturating_add(count_undefined(&debug)?);
            let other = debug.build_id();
            if !other.is_empty() && !build_id.is_empty() && other != build_id {
                return Err(Error::malformed(path, ".note.gnu.build-id", "of another build than the module's code"));
            }
        }
        let (_, end) = layout(path, &elf)?;
        let size = end.saturating_add(undefined.saturating_mul(IMPORT)).next_multiple_of(PAGE);
        let name = module_name(path, &elf, &data);
        Ok(Self { path: path.to_owned(), debug, name, size, data })
    }

    /// Its name, `ext4`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many addresses it takes, in whole pages: the next module can begin behind them.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The module at an address (from [`MODULES_START`](super::MODULES_START) on, so that calls into the kernel reach),
    /// linked against a kernel. What the kernel does not have is another module's, and gets a made-up address.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a relocation is damaged or unknown, or the module is of another kernel.
    pub fn at(self, start: u64, kernel: &Image) -> Result<Image, Error> {
        let Self { path, data, debug, name, size } = self;
        if start.checked_add(size).is_none() {
            return Err(Error::malformed(&path, "layout", format!("{size:#x} bytes do not fit behind {start:#x}")));
        }
        let elf = module(&path, &data)?;
        let (offsets, end) = layout(&path, &elf)?;
        let mut sections: Vec<Section> = elf.sections.iter().map(|s| s.to_section(0)).collect();
        for (section, offset) in sections.iter_mut().zip(&offsets) {
            section.address = offset.map_or(0, |offset| start.wrapping_add(offset));
        }
        let mut imports =
            Imports { kernel, next: start.wrapping_add(end), made_up: FxHashMap::default(), symbols: Vec::new() };
        let values = imports.values(&elf, &sections)?;
        link(&path, &elf, &data, &mut sections, 0, &values)?;
        let build_id = elf.build_id();
        let mut symbols = elf.symbols(&sections)?;
        let mut parts = vec![Part { path: path.clone(), data, values }];
        if let Some((path, data)) = debug {
            let values = add_debug(&path, &data, &mut sections, &mut imports)?;
            parts.push(Part { path, data, values });
        }
        symbols.append(&mut imports.symbols);
        symbols.sort_by_key(|s| s.address);
        let image = Image::assemble(&path, Kind::Module(name), build_id, sections, symbols, parts);
        match (image.release(), kernel.release()) {
            (Some(of), Some(release)) if of != release => {
                Err(Error::malformed(&path, ".modinfo", format!("built for kernel {of}, and not for {release}")))
            }
            _ => Ok(image),
        }
    }
}

impl Image {
    /// Opens a module at an address, linked against a kernel: [`ModuleFile::read`] and [`ModuleFile::at`] in one.
    ///
    /// # Errors
    /// Those of both.
    pub fn open_module(path: &Path, kernel: &Image, start: u64) -> Result<Image, Error> {
        ModuleFile::read(path, None)?.at(start, kernel)
    }
}

/// The ELF file of a module.
fn module<'a>(path: &'a Path, data: &'a [u8]) -> Result<Elf<'a>, Error> {
    let elf = Elf::read(path, data)?;
    if !elf.relocatable() {
        return Err(Error::malformed(path, "ELF header", "linked at addresses: no module"));
    }
    if !elf.sections.iter().any(|s| s.name == ".modinfo" || s.name == ".gnu.linkonce.this_module") {
        return Err(Error::malformed(path, ".modinfo", "there is no such section: an object file, and no module"));
    }
    Ok(elf)
}

/// What `.modinfo` calls the module, or its file.
fn module_name(path: &Path, elf: &Elf<'_>, data: &[u8]) -> String {
    let about = elf.sections.iter().find(|s| s.name == ".modinfo").and_then(|s| data.get(s.range.clone()?));
    let mut entries = about.unwrap_or_default().split(|b| *b == 0);
    let said = entries.find_map(|entry| entry.strip_prefix(b"name="));
    let name = said.map(|name| String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned());
    name.unwrap_or_else(|| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.split_once(".ko").map_or(&*file, |(stem, _)| stem).replace('-', "_")
    })
}

/// How many symbols the module takes from elsewhere.
fn count_undefined(elf: &Elf<'_>) -> Result<u64, Error> {
    Ok(elf.symbol_table()?.iter().filter(|s| s.is_undefined(LittleEndian)).count() as u64)
}

/// Where each loaded section goes, counted from the module's start, and where they end: code, data, each CPU's share.
fn layout(path: &Path, elf: &Elf<'_>) -> Result<(Vec<Option<u64>>, u64), Error> {
    let groups: [fn(&RawSection) -> bool; 3] =
        [|s| s.executable(), |s| !s.executable() && !s.per_cpu(), |s| !s.executable() && s.per_cpu()];
    let mut offsets = vec![None; elf.sections.len()];
    let mut end: u64 = 0;
    for group in groups {
        end = end.next_multiple_of(PAGE);
        for (offset, section) in offsets.iter_mut().zip(&elf.sections).filter(|(_, s)| s.loaded() && group(s)) {
            if section.align > LARGEST_ALIGNMENT || section.size > LARGEST {
                let what = format!("of {:#x} bytes, aligned to {:#x}: too large", section.size, section.align);
                return Err(Error::malformed(path, &section.name, what));
            }
            let start = end.next_multiple_of(section.align);
            *offset = Some(start);
            end = start + section.size;
            if end > LARGEST {
                return Err(Error::malformed(path, &section.name, format!("goes past {LARGEST:#x} bytes of module")));
            }
        }
    }
    Ok((offsets, end.next_multiple_of(IMPORT)))
}

/// Applies the relocations of loaded sections, and notes those of the others for when they are asked for.
fn link(
    path: &Path,
    elf: &Elf<'_>,
    data: &[u8],
    sections: &mut [Section],
    part: usize,
    values: &[u64],
) -> Result<(), Error> {
    let mut bytes_of_relocations = 0_usize;
    for (number, range) in relocations(path, elf)? {
        bytes_of_relocations = bytes_of_relocations.saturating_add(range.len());
        if bytes_of_relocations > data.len() {
            return Err(Error::malformed(path, "section headers", "sections of relocations overlap"));
        }
        let Some(section) = sections.get_mut(number) else { continue };
        let bad = |what| Error::malformed(path, &section.name, what);
        let address = section.address;
        let wanted = data.get(range.clone()).unwrap_or_default();
        match &mut section.contents {
            Contents::Relocated(Data::Owned(bytes)) => relocate::apply(bytes, address, wanted, values).map_err(bad)?,
            Contents::File { part: of, range: place, packing: Packing::None, .. } if section.loaded && *of == part => {
                let mut bytes = data.get(place.clone()).unwrap_or_default().to_vec();
                relocate::apply(&mut bytes, address, wanted, values).map_err(bad)?;
                section.contents = Contents::Relocated(Data::Owned(bytes));
            }
            Contents::File { part: of, relocations, .. } if *of == part => relocations.push(range),
            Contents::File { .. } | Contents::Relocated(_) | Contents::Zeros => {}
        }
    }
    Ok(())
}

/// Sections of relocations: the section that each is about, and its bytes.
fn relocations(path: &Path, elf: &Elf<'_>) -> Result<Vec<(usize, Range<usize>)>, Error> {
    let mut found = Vec::new();
    for section in &elf.sections {
        let Some(range) = section.range.clone().filter(|range| !range.is_empty()) else { continue };
        match section.kind {
            elf::SHT_REL => {
                return Err(Error::malformed(path, &section.name, "x86-64 has no relocations without addend"));
            }
            elf::SHT_RELA => {}
            _ => continue,
        }
        if range.len() % relocate::ENTRY != 0 {
            let what = format!("{} bytes are no whole number of relocations", range.len());
            return Err(Error::malformed(path, &section.name, what));
        }
        let about = section.info as usize;
        if about == 0 || about >= elf.sections.len() {
            let what = format!("is about section {about} of {}", elf.sections.len());
            return Err(Error::malformed(path, &section.name, what));
        }
        found.push((about, range));
    }
    Ok(found)
}

/// Adds the debug sections of a file of their own. Gives the values of its symbols.
fn add_debug(
    path: &Path,
    data: &[u8],
    sections: &mut Vec<Section>,
    imports: &mut Imports<'_>,
) -> Result<Vec<u64>, Error> {
    let elf = module(path, data)?;
    let mut others: Vec<Section> = elf.sections.iter().map(|s| s.to_section(1)).collect();
    let mut places: FxHashMap<&str, u64> = FxHashMap::default();
    for section in sections.iter().filter(|s| s.loaded) {
        places.entry(&section.name).or_insert(section.address);
    }
    for (number, other) in others.iter_mut().enumerate().filter(|(_, s)| s.loaded) {
        // Both files number their sections alike, as a rule; names are not always unique.
        let same = sections.get(number).filter(|s| s.loaded && s.name == other.name).map(|s| s.address);
        other.address = same.or_else(|| places.get(other.name.as_str()).copied()).unwrap_or(0);
    }
    let values = imports.values(&elf, &others)?;
    for other in others.iter_mut().filter(|s| s.loaded) {
        other.contents = Contents::Zeros;
    }
    link(path, &elf, data, &mut others, 1, &values)?;
    add_debug_sections(sections, others, |_| ());
    Ok(values)
}

/// What a module takes from elsewhere.
struct Imports<'a> {
    kernel: &'a Image,
    /// The next made-up address.
    next: u64,
    made_up: FxHashMap<String, u64>,
    symbols: Vec<Symbol>,
}

impl Imports<'_> {
    /// The values of all symbols of a file, by their number.
    fn values(&mut self, elf: &Elf<'_>, sections: &[Section]) -> Result<Vec<u64>, Error> {
        let table = elf.symbol_table()?;
        let mut values = Vec::with_capacity(table.len());
        for (index, symbol) in table.enumerate() {
            let value = symbol.st_value(LittleEndian);
            values.push(match elf.section_of_symbol(&table, symbol, index)? {
                Some(SectionIndex(number)) => {
                    sections.get(number).map_or(0, |section| section.address).wrapping_add(value)
                }
                None if symbol.is_undefined(LittleEndian) && index.0 != 0 => {
                    self.resolve(elf.name(&table, symbol)?, kind(symbol))
                }
                None => value,
            });
        }
        Ok(values)
    }

    /// The address of a symbol of the kernel or of another module.
    fn resolve(&mut self, name: String, kind: super::SymbolKind) -> u64 {
        if let Some(symbol) = self.kernel.symbols_named(&name).find(|s| s.global) {
            return symbol.address;
        }
        if let Some(address) = self.made_up.get(&name) {
            return *address;
        }
        let address = self.next;
        self.next = address.wrapping_add(IMPORT);
        self.made_up.insert(name.clone(), address);
        self.symbols.push(Symbol { name, address, size: IMPORT, kind, global: true, place: Place::Elsewhere });
        address
    }
}
