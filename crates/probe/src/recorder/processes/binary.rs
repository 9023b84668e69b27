//! Executables and libraries: which file it is, and the functions in it.
//!
//! They belong to tenants, who may have made them to do harm, and may cut them short while they are read. So they are read and
//! not mapped (cutting a mapped file short ends its reader), a little at a time, and nothing of them is believed.

use super::Found;
use lima_model::build_id::{self, DEBUG};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader, Sym};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, LittleEndian, Object, elf};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::cell::Cell;
use std::fs::File;
use std::ops::Range;
use std::path::Path;

/// The most that is read of a file: tables of some 20 million symbols.
const MOST_BYTES: u64 = 512 << 20;

/// How often a symbol may cover one of the places: files of a compiler have a few names for each function.
const MOST_FITS: u32 = 100_000;

/// The longest build id; usual are 20 bytes.
const LONGEST_ID: usize = 64;

/// What is known of some places in a file.
#[derive(Debug, Default)]
pub struct Places {
    /// The file's build id, in hex.
    pub build_id: Option<String>,
    /// Of each place: its address as the file's symbols count, and the function it is in.
    pub found: Vec<(Option<u64>, Option<Found>)>,
    /// Places without a function in a file of which not all was read.
    pub unread: u64,
}

/// Opens a file to be read, if it is one.
pub fn open_file(path: &Path) -> Option<File> {
    let file = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()?;
    (FileType::from_raw_mode(fstat(&file).ok()?.st_mode) == FileType::RegularFile).then(|| File::from(file))
}

/// Looks up places in a file, each an offset and whether a call returns there. `None` when it is no executable of this machine.
pub fn look_up(file: File, places: &[(u64, bool)]) -> Option<Places> {
    let source = Source::of(file);
    let Some(elf) = parse(&source) else {
        let nothing =
            || Places { found: vec![(None, None); places.len()], unread: places.len() as u64, build_id: None };
        return source.is_cut.get().then(nothing);
    };
    let build_id = build_id(&elf);
    let segments = segments(&elf);
    let addresses: Vec<Option<u64>> = places.iter().map(|&(offset, _)| address_of(&segments, offset)).collect();
    let wanted: Vec<Option<u64>> = addresses
        .iter()
        .zip(places)
        .map(|(address, &(_, returns))| address.map(|address| address.wrapping_sub(u64::from(returns))))
        .collect();
    let mut best = vec![None; wanted.len()];
    let mut is_cut = search(&elf, &wanted, &mut best).is_err() || source.is_cut.get();
    if best.contains(&None)
        && let Some(id) = &build_id
        && let Some(file) = build_id::debug_file(Path::new(DEBUG), id).and_then(|path| open_file(&path))
    {
        let source = Source::of(file);
        if let Some(elf) = parse(&source).filter(|elf| self::build_id(elf).as_ref() == Some(id)) {
            is_cut |= search(&elf, &wanted, &mut best).is_err();
        }
        is_cut |= source.is_cut.get();
    }
    let unread = if is_cut { best.iter().filter(|best| best.is_none()).count() as u64 } else { 0 };
    let found = best.into_iter().zip(addresses).map(|(best, address)| {
        let found = best
            .zip(address)
            .map(|(best, address)| Found { symbol: demangled(&best.name), offset: address - best.start });
        (address, found)
    });
    Some(Places { build_id, found: found.collect(), unread })
}

/// A function, as far as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    start: u64,
    name: String,
}

impl Function {
    /// Of several names of one function the one that people know: `write`, not `__write`.
    fn rank(&self) -> (std::cmp::Reverse<u64>, usize, usize, &str) {
        let underscores = self.name.len() - self.name.trim_start_matches('_').len();
        (std::cmp::Reverse(self.start), underscores, self.name.len(), &self.name)
    }
}

type Elf<'a> = ElfFile64<'a, LittleEndian, Bounded<'a>>;

fn parse(source: &Source) -> Option<Elf<'_>> {
    let bounded = Bounded(source);
    // What is not for this machine has other instructions, and its file may be read in another order.
    let header = elf::FileHeader64::<Endianness>::parse(bounded).ok()?;
    if header.endian().ok()? != Endianness::Little {
        return None;
    }
    ElfFile64::parse(bounded).ok()
}

fn build_id(elf: &Elf<'_>) -> Option<String> {
    let id = elf.build_id().ok().flatten().filter(|id| id.len() <= LONGEST_ID)?;
    Some(build_id::hex(id))
}

/// Loaded parts: where in the file, and the address of the first byte.
fn segments(elf: &Elf<'_>) -> Vec<(Range<u64>, u64)> {
    let headers = elf.elf_program_headers().iter();
    headers
        .filter(|header| header.p_type(LittleEndian) == elf::PT_LOAD)
        .map(|header| {
            let start = header.p_offset(LittleEndian);
            (start..start.saturating_add(header.p_filesz(LittleEndian)), header.p_vaddr(LittleEndian))
        })
        .collect()
}

fn address_of(segments: &[(Range<u64>, u64)], offset: u64) -> Option<u64> {
    let (range, address) = segments.iter().find(|(range, _)| range.contains(&offset))?;
    address.checked_add(offset - range.start)
}

/// More symbols cover the places than are looked at.
#[derive(Debug)]
struct TooManyFits;

/// Finds the functions that addresses lie in, where that is not known yet.
fn search(elf: &Elf<'_>, wanted: &[Option<u64>], best: &mut [Option<Function>]) -> Result<(), TooManyFits> {
    let mut order: Vec<(u64, usize)> =
        (0..wanted.len()).filter(|&at| best[at].is_none()).filter_map(|at| Some((wanted[at]?, at))).collect();
    order.sort_unstable();
    let mut fits = 0;
    for table in [elf.elf_symbol_table(), elf.elf_dynamic_symbol_table()] {
        for symbol in table.iter() {
            // Without a size nobody knows where a function ends.
            let (start, size) = (symbol.st_value(LittleEndian), symbol.st_size(LittleEndian));
            if !matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_GNU_IFUNC)
                || size == 0
                || symbol.is_undefined(LittleEndian)
            {
                continue;
            }
            let end = start.saturating_add(size);
            let first = order.partition_point(|&(address, _)| address < start);
            for &(_, at) in order[first..].iter().take_while(|&&(address, _)| address < end) {
                fits += 1;
                if fits > MOST_FITS {
                    return Err(TooManyFits);
                }
                let Ok(name) = symbol.name(LittleEndian, table.strings()) else { break };
                let function = Function { start, name: lima_model::escape::text(name) };
                if best[at].as_ref().is_none_or(|known| function.rank() < known.rank()) {
                    best[at] = Some(function);
                }
            }
        }
    }
    Ok(())
}

/// The longest name that is put back into the words of its language.
const LONGEST_NAME: usize = 4096;

fn demangled(name: &str) -> String {
    if name.len() > LONGEST_NAME {
        return name.to_owned();
    }
    match rustc_demangle::try_demangle(name) {
        // Without the hash that tells one build from another.
        Ok(rust) => format!("{rust:#}"),
        Err(_) => cpp(name).unwrap_or_else(|| name.to_owned()),
    }
}

fn cpp(name: &str) -> Option<String> {
    if !name.starts_with("_Z") {
        return None;
    }
    cpp_demangle::Symbol::new(name).ok()?.demangle().ok()
}

/// A file, and how much of it may still be read.
#[derive(Debug)]
struct Source {
    cache: ReadCache<File>,
    left: Cell<u64>,
    /// Whether more was to be read than may be.
    is_cut: Cell<bool>,
}

impl Source {
    fn of(file: File) -> Self {
        Self { cache: ReadCache::new(file), left: Cell::new(MOST_BYTES), is_cut: Cell::default() }
    }

    fn spend(&self, bytes: u64) -> Result<(), ()> {
        let left = self.left.get().checked_sub(bytes);
        self.is_cut.set(self.is_cut.get() || left.is_none());
        self.left.set(left.ok_or(())?);
        Ok(())
    }
}

/// Reads no more than may be read.
#[derive(Clone, Copy, Debug)]
struct Bounded<'a>(&'a Source);

impl<'a> ReadRef<'a> for Bounded<'a> {
    fn len(self) -> Result<u64, ()> {
        self.0.cache.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        self.0.spend(size)?;
        self.0.cache.read_bytes_at(offset, size)
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let text = self.0.cache.read_bytes_at_until(range, delimiter)?;
        self.0.spend(text.len() as u64)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
