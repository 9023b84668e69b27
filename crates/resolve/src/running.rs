//! Addresses of the traced kernel as the index has them.
//!
//! A running kernel lies elsewhere than its image says: all of it is moved by one distance (KASLR), and the sections of
//! each module lie where there was room. Both follow from the trace itself, which has the symbols of the addresses in its
//! stacks: the functions that the index has under the same name, where the name is unique, say how far things have moved.

use crate::Error;
use crate::rows::Rows;
use arrow::array::Array;
use lima_index::store::Index;
use lima_model::{IndexTable, Table};
use lima_trace::Trace;
use rustc_hash::FxHashMap;

/// An address of the kernel as the trace has it: the symbol that it lies behind.
#[derive(Clone, Debug)]
struct Frame {
    symbol: String,
    offset: u64,
    module: Option<String>,
}

/// A section of a module.
#[derive(Debug)]
struct Section {
    module: String,
    address: u64,
    size: u64,
    executable: bool,
    per_cpu: bool,
    slide: Option<u64>,
}

/// Where the traced kernel and its modules lay.
#[derive(Debug, Default)]
pub struct Running {
    frames: FxHashMap<u64, Frame>,
    /// The distance of the kernel; `None` when nothing tells.
    slide: Option<u64>,
    sections: Vec<Section>,
    per_cpu: Vec<u64>,
    /// The CPUs' share in the index: start and size.
    share: Option<(u64, u64)>,
}

/// What lies at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address in the index.
    pub address: u64,
    /// The CPU, of a per-CPU variable.
    pub cpu: Option<u32>,
}

impl Running {
    /// Works out where things lay, from the symbols in a trace and the functions in an index.
    pub fn of(trace: &Trace, index: &Index) -> Result<Self, Error> {
        let frames = frames(trace)?;
        let functions = index.read(IndexTable::Functions, &["address", "name", "module"])?;
        let (addresses, names) = (functions.numbers("address")?, functions.texts("name")?);
        let modules = functions.texts("module")?;
        let mut unique: FxHashMap<(&str, &str), Option<u64>> = FxHashMap::default();
        for row in 0..functions.len() {
            let entry = unique.entry((modules.get(row), names.get(row)));
            entry.and_modify(|address| *address = None).or_insert(Some(addresses.get(row)));
        }
        let mut sections = sections(index)?;
        let share = sections.iter().find(|section| section.module.is_empty() && section.per_cpu);
        let share = share.map(|section| (section.address, section.size));
        let mut votes: FxHashMap<(Option<usize>, u64), u64> = FxHashMap::default();
        for (&address, frame) in &frames {
            let module = frame.module.as_deref().unwrap_or_default();
            let Some(Some(function)) = unique.get(&(module, frame.symbol.as_str())) else { continue };
            let slide = address.wrapping_sub(frame.offset).wrapping_sub(*function);
            let inside = |section: &Section| {
                section.module == module && function.checked_sub(section.address).is_some_and(|at| at < section.size)
            };
            match sections.iter().position(inside) {
                _ if module.is_empty() => *votes.entry((None, slide)).or_default() += 1,
                Some(section) => *votes.entry((Some(section), slide)).or_default() += 1,
                None => {}
            }
        }
        let slide = elected(&votes, None);
        for (number, section) in sections.iter_mut().enumerate() {
            section.slide = elected(&votes, Some(number));
        }
        sections.retain(|section| !section.module.is_empty() && section.slide.is_some());
        let per_cpu = trace.manifest().kernel.per_cpu.clone();
        Ok(Self { frames, slide, sections, per_cpu, share })
    }

    /// Whether it is known where the kernel lay.
    pub fn is_known(&self) -> bool {
        self.slide.is_some()
    }

    /// The index's address of a place in the kernel's or a module's code.
    pub fn code(&self, address: u64) -> Option<u64> {
        let module = self.frames.get(&address)?.module.as_deref();
        match module {
            None => Some(address.wrapping_sub(self.slide?)),
            Some(module) => self.sections.iter().find_map(|section| {
                let moved = address.wrapping_sub(section.slide?);
                let inside = moved.checked_sub(section.address).is_some_and(|at| at < section.size);
                (section.executable && section.module == module && inside).then_some(moved)
            }),
        }
    }

    /// The index's address of data: a variable of the kernel, or a CPU's share of a per-CPU variable.
    pub fn data(&self, address: u64) -> Option<Place> {
        if let Some((start, size)) = self.share {
            for (cpu, &offset) in (0..).zip(&self.per_cpu) {
                let moved = address.wrapping_sub(offset);
                if moved.checked_sub(start).is_some_and(|at| at < size) {
                    return Some(Place { address: moved, cpu: Some(cpu) });
                }
            }
        }
        Some(Place { address: address.wrapping_sub(self.slide?), cpu: None })
    }

    /// The symbol that an address lies behind, and its module.
    pub fn symbol(&self, address: u64) -> Option<(&str, u64, Option<&str>)> {
        let frame = self.frames.get(&address)?;
        Some((&frame.symbol, frame.offset, frame.module.as_deref()))
    }
}

/// The distance that most functions have moved. All must agree: where they do not, the index is of another build, or the
/// symbols are not what they seem.
fn elected(votes: &FxHashMap<(Option<usize>, u64), u64>, part: Option<usize>) -> Option<u64> {
    let mut of_part: Vec<_> = votes.iter().filter(|((of, _), _)| *of == part).collect();
    of_part.sort_by_key(|&(&(_, slide), &count)| (std::cmp::Reverse(count), slide));
    let total: u64 = of_part.iter().map(|&(_, &count)| count).sum();
    let &(&(_, slide), &count) = of_part.first()?;
    (count * 10 >= total * 9).then_some(slide)
}

fn sections(index: &Index) -> Result<Vec<Section>, Error> {
    let table = index.read(IndexTable::Sections, &["module", "address", "size", "executable", "per_cpu"])?;
    let (modules, addresses, sizes) = (table.texts("module")?, table.numbers("address")?, table.numbers("size")?);
    let (executable, per_cpu) = (table.flags("executable")?, table.flags("per_cpu")?);
    let section = |row| Section {
        module: modules.get(row).to_owned(),
        address: addresses.get(row),
        size: sizes.get(row),
        executable: executable.value(row),
        per_cpu: per_cpu.value(row),
        slide: None,
    };
    Ok((0..table.len()).map(section).collect())
}

fn frames(trace: &Trace) -> Result<FxHashMap<u64, Frame>, Error> {
    let mut frames = FxHashMap::default();
    for batch in trace.read(Table::Frames) {
        let batch = batch?;
        let rows = Rows { batch: &batch, table: Table::Frames };
        let (tgids, addresses, offsets) = (rows.small("tgid")?, rows.numbers("address")?, rows.numbers("offset")?);
        let (symbols, modules) = (rows.texts("symbol")?, rows.texts("module")?);
        for row in 0..batch.num_rows() {
            if tgids.value(row) != 0 || symbols.is_null(row) {
                continue;
            }
            let module = modules.is_valid(row).then(|| modules.value(row).to_owned());
            let frame = Frame { symbol: symbols.value(row).to_owned(), offset: offsets.value(row), module };
            frames.insert(addresses.value(row), frame);
        }
    }
    Ok(frames)
}
