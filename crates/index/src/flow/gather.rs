//! What is known of a whole image before any of its functions is looked at.

use super::engine::Sources;
use super::known::{Global, Known};
use super::values::Special;
use crate::code::Function;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Where x86-64 has the array of all `struct page` when it does not choose the place anew at each start: `__VMEMMAP_BASE_L4` of
/// `arch/x86/include/asm/pgtable_64_types.h`.
const VMEMMAP: u64 = 0xffff_ea00_0000_0000;

/// Gathers it.
pub fn know(sources: &Sources<'_>, base: Option<Arc<Known>>) -> Known {
    let mut known = Known::on(base);
    prototypes(sources, &mut known);
    variables(sources, &mut known);
    let Sources { image, types, .. } = *sources;
    match &known.base {
        Some(base) => (known.special, known.pages) = (base.special, base.pages.clone()),
        None => {
            let address = |name: &str| image.symbols_named(name).next().map(|symbol| symbol.address);
            known.special = Special {
                this_cpu_offset: address("this_cpu_off"),
                per_cpu_offsets: address("__per_cpu_offset"),
                pages: address("vmemmap_base"),
                fixed_pages: (!image.symbols.is_empty() && address("vmemmap_base").is_none()).then_some(VMEMMAP),
            };
            for name in ["page", "ptdesc"] {
                let mut found = types.composites_named(name);
                known.pages.extend(found.next().filter(|_| found.next().is_none()));
            }
        }
    }
    for section in image.sections.iter().filter(|section| section.loaded && !section.executable) {
        let list = if section.per_cpu { &mut known.per_cpu_data } else { &mut known.data };
        list.push((section.address, section.end()));
    }
    known.data.sort_unstable();
    known.per_cpu_data.sort_unstable();
    known
}

/// Whether the compiler changed what the function takes: a clone.
fn is_clone(function: &Function) -> bool {
    function.names().all(|name| [".isra.", ".constprop.", ".part."].iter().any(|mark| name.contains(mark)))
}

/// By name from the types; what is missing there, or has a name that is not unique, from debug information.
fn prototypes(sources: &Sources<'_>, known: &mut Known) {
    let Sources { types, functions, debug, .. } = *sources;
    let mut missing = Vec::new();
    // In debug information a function is found by its address, and that tells functions of one name apart.
    let mut count: FxHashMap<&str, u32> = FxHashMap::default();
    for (_, function) in functions.iter() {
        *count.entry(&function.name).or_default() += 1;
    }
    for (_, function) in functions.iter() {
        if is_clone(function) {
            continue;
        }
        match function.names().find_map(|name| types.prototype(name)) {
            Some(prototype) if debug.is_none() || count.get(&*function.name) == Some(&1) => {
                known.add_prototype(function.range.start, prototype.returns, prototype.parameters);
            }
            _ => missing.push(function.range.start),
        }
    }
    let Some((debug, map)) = debug else { return };
    for (&address, function) in missing.iter().zip(debug.functions(map, &missing)) {
        if let Some(function) = function {
            known.add_prototype(address, function.returns, &function.parameters);
        }
    }
}

/// From debug information; without it only the per-CPU ones are known.
fn variables(sources: &Sources<'_>, known: &mut Known) {
    let Sources { image, types, debug, .. } = *sources;
    match debug {
        Some((debug, map)) => {
            for variable in debug.variables(map) {
                let global =
                    Global { address: variable.address, bytes: types.bytes(variable.of).into(), of: variable.of };
                let per_cpu = image.section_of(variable.address).is_some_and(|section| section.per_cpu);
                if per_cpu { &mut known.per_cpu } else { &mut known.globals }.push(global);
            }
        }
        None => {
            for variable in types.variables().iter().filter(|variable| variable.per_cpu) {
                let name = types.text(variable.name);
                let mut symbols = image.symbols_named(name);
                if let (Some(symbol), None) = (symbols.next(), symbols.next()) {
                    let (address, bytes) = (symbol.address, variable.bytes.into());
                    known.per_cpu.push(Global { address, bytes, of: variable.of });
                }
            }
        }
    }
    known.per_cpu.sort_unstable_by_key(|global| global.address);
    known.globals.sort_unstable_by_key(|global| global.address);
}
