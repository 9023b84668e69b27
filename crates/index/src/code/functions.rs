//! The functions of an image, from its symbols.
//!
//! All names of one address are one function; the parts that a compiler put elsewhere (`.cold`) belong to the function
//! that jumps to them. The parts of all functions are disjoint.

use super::x86::X86;
use super::{Lift, Memory, Transfer};
use crate::image::{Image, Place, Symbol, SymbolKind};
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::Arc;

/// A function by its number in [`Functions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u32);

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its main name: of several a global one, then the one with the fewest underscores in front.
    pub name: Arc<str>,
    /// Its other names.
    pub aliases: Vec<Arc<str>>,
    /// Where it stands.
    pub range: Range<u64>,
    /// Parts of it that stand elsewhere (`.cold`).
    pub cold: Vec<Range<u64>>,
    /// Visible outside its file, by any of its names.
    pub global: bool,
}

impl Function {
    /// All parts, the main one first.
    pub fn parts(&self) -> impl Iterator<Item = &Range<u64>> {
        std::iter::once(&self.range).chain(&self.cold)
    }

    /// Whether an address is inside one of the parts.
    pub fn contains(&self, address: u64) -> bool {
        self.parts().any(|part| part.contains(&address))
    }

    /// All names, the main one first.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.name).chain(&self.aliases)
    }

    /// Size of all parts, bytes.
    pub fn bytes(&self) -> u64 {
        self.parts().map(|part| part.end - part.start).sum()
    }
}

/// The functions of an image, ascending by address.
#[derive(Debug, Default)]
pub struct Functions {
    list: Vec<Function>,
    /// All parts of all functions, ascending.
    parts: Vec<(Range<u64>, FunctionId)>,
}

impl Functions {
    /// The functions of an image.
    pub fn of(image: &Image) -> Self {
        // What code may be replaced by is no code of a function.
        let text = image.sections.iter().filter(|section| section.executable && !section.name.starts_with(".altinstr"));
        let text = text.filter(|section| section.loaded).map(|section| section.address..section.end());
        Self::new(&image.symbols, text.collect(), image, &mut X86::default())
    }

    /// Finds the functions in the text at these addresses. `lift` tells which of several functions of one name a cold
    /// part belongs to.
    pub fn new(symbols: &[Symbol], text: Vec<Range<u64>>, memory: &dyn Memory, lift: &mut dyn Lift) -> Self {
        let list = from_symbols(symbols, text);
        let list = join_cold(list, memory, lift);
        let mut parts: Vec<_> = (0..)
            .zip(&list)
            .flat_map(|(id, function)| function.parts().map(move |part| (part.clone(), FunctionId(id))))
            .collect();
        parts.sort_unstable_by_key(|(part, _)| part.start);
        Self { list, parts }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All, ascending by address.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (FunctionId, &Function)> {
        self.list.iter().enumerate().map(|(i, function)| (FunctionId(i as u32), function))
    }

    /// The function that an address is in, cold parts included.
    pub fn containing(&self, address: u64) -> Option<FunctionId> {
        let at = self.parts.partition_point(|(part, _)| part.start <= address).checked_sub(1)?;
        let (part, id) = &self.parts[at];
        part.contains(&address).then_some(*id)
    }

    /// The function that starts at an address.
    pub fn starting(&self, address: u64) -> Option<FunctionId> {
        let at = self.list.binary_search_by_key(&address, |function| function.range.start).ok()?;
        Some(FunctionId(at as u32))
    }

    /// The functions of a name, any of their names: it need not be unique.
    pub fn named(&self, name: &str) -> impl Iterator<Item = FunctionId> {
        self.iter().filter(move |(_, function)| function.names().any(|other| &**other == name)).map(|(id, _)| id)
    }
}

impl std::ops::Index<FunctionId> for Functions {
    type Output = Function;

    fn index(&self, id: FunctionId) -> &Function {
        &self.list[id.0 as usize]
    }
}

/// Names of the space in front of a function, which is not part of it and is never called.
fn is_padding(name: &str) -> bool {
    name.starts_with("__pfx_") || name.starts_with("__cfi_")
}

/// Sorts the names of one address: the main one first.
fn rank(symbol: &Symbol) -> (u64, bool, bool, usize, &str) {
    let underscores = symbol.name.bytes().take_while(|&byte| byte == b'_').count();
    (symbol.address, symbol.kind != SymbolKind::Function, !symbol.global, underscores, &symbol.name)
}

/// The functions as the symbols have them, disjoint, ascending.
fn from_symbols(symbols: &[Symbol], mut text: Vec<Range<u64>>) -> Vec<Function> {
    text.sort_unstable_by_key(|range| range.start);
    let end_of_text = |address: u64| {
        let at = text.partition_point(|range| range.start <= address).checked_sub(1)?;
        text[at].contains(&address).then(|| text[at].end)
    };
    let mut candidates: Vec<&Symbol> = symbols
        .iter()
        .filter(|symbol| symbol.place == Place::Memory && symbol.kind != SymbolKind::Object)
        .filter(|symbol| !symbol.name.is_empty() && !is_padding(&symbol.name))
        .filter(|symbol| end_of_text(symbol.address).is_some())
        .collect();
    candidates.sort_by(|a, b| rank(a).cmp(&rank(b)));
    let mut list: Vec<Function> = Vec::new();
    for same in candidates.chunk_by(|a, b| a.address == b.address) {
        let start = same[0].address;
        let size = same.iter().map(|symbol| symbol.size).max().unwrap_or(0);
        // A label inside a function of known size (assembler code has them) starts no function.
        let label = size == 0 && same.iter().all(|symbol| symbol.kind != SymbolKind::Function);
        if label && list.last().is_some_and(|last| last.range.contains(&start)) {
            continue;
        }
        let limit = end_of_text(start).unwrap_or(start);
        let end = if size == 0 { limit } else { start.saturating_add(size).min(limit) };
        if let Some(last) = list.last_mut() {
            last.range.end = last.range.end.min(start);
        }
        let mut names = same.iter().map(|symbol| Arc::from(symbol.name.as_str()));
        let Some(name) = names.next() else { continue };
        let mut aliases: Vec<Arc<str>> = names.collect();
        aliases.dedup();
        let global = same.iter().any(|symbol| symbol.global);
        list.push(Function { name, aliases, range: start..end, cold: Vec::new(), global });
    }
    list
}

/// The name of the function that a cold part was split from.
fn parent_name(name: &str) -> Option<&str> {
    let at = name.rfind(".cold")?;
    // `f.cold`, or `f.cold.12` of older compilers.
    let rest = &name[at + 5..];
    let numbered = rest.strip_prefix('.').is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    (at > 0 && (rest.is_empty() || numbered)).then(|| &name[..at])
}

/// Joins cold parts to their parents.
fn join_cold(list: Vec<Function>, memory: &dyn Memory, lift: &mut dyn Lift) -> Vec<Function> {
    let mut parents: FxHashMap<&str, Vec<usize>> =
        list.iter().filter_map(|function| Some((parent_name(&function.name)?, Vec::new()))).collect();
    for (i, function) in list.iter().enumerate() {
        for name in function.names() {
            if let Some(found) = parents.get_mut(&**name) {
                found.push(i);
            }
        }
    }
    let mut parent_of: FxHashMap<usize, usize> = FxHashMap::default();
    for (i, function) in list.iter().enumerate() {
        let Some(found) = parent_name(&function.name).and_then(|name| parents.get(name)) else { continue };
        let parent = match found.as_slice() {
            [one] => Some(*one),
            // Static functions of one name in several files: the one that jumps there.
            several => several.iter().copied().find(|&parent| jumps_into(&list[parent], function, memory, lift)),
        };
        if let Some(parent) = parent {
            parent_of.insert(i, parent);
        }
    }
    let mut cold: FxHashMap<usize, Vec<Range<u64>>> = FxHashMap::default();
    for (&part, &parent) in &parent_of {
        cold.entry(parent).or_default().push(list[part].range.clone());
    }
    let mut joined = Vec::with_capacity(list.len() - parent_of.len());
    for (i, mut function) in list.into_iter().enumerate() {
        if parent_of.contains_key(&i) {
            continue;
        }
        if let Some(mut parts) = cold.remove(&i) {
            parts.sort_unstable_by_key(|part| part.start);
            function.cold = parts;
        }
        joined.push(function);
    }
    joined
}

fn jumps_into(from: &Function, to: &Function, memory: &dyn Memory, lift: &mut dyn Lift) -> bool {
    let Some(bytes) = memory.bytes(from.range.clone()) else { return false };
    let mut found = false;
    lift.scan(bytes, from.range.start, &mut |_, _, transfer| {
        if let Transfer::Jump(Some(target)) | Transfer::Branch(target) = transfer {
            found |= to.range.contains(&target);
        }
    });
    found
}
