//! Damaged and malicious debug information: errors or counted losses, in bounded time.

use super::compiled;
use super::sections::SECTIONS;
use crate::Error;
use crate::debug::{Debug, TypeMap};
use crate::image::Symbol;
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

type Sections = BTreeMap<&'static str, Vec<u8>>;

static SEEDS: LazyLock<Vec<(Sections, Vec<Symbol>)>> = LazyLock::new(|| {
    let flags = [("gcc", "-gdwarf-4"), ("gcc", "-gdwarf-5"), ("clang-19", "-gdwarf-5")];
    let programs = flags.iter().filter_map(|(compiler, version)| compiled(compiler, &[version, "-O2"]));
    programs
        .map(|program| {
            let contents = |name| program.image.section_data(name).unwrap().unwrap_or_default().into_owned();
            (SECTIONS.map(|name| (name, contents(name))).into(), program.image.symbols.clone())
        })
        .collect()
});

/// Asks everything of these sections.
fn ask(sections: &Sections, symbols: &[Symbol]) -> Result<(), Error> {
    let load = |name: &str| Ok(sections.get(name).map(|bytes| Cow::Borrowed(bytes.as_slice())));
    let path = Path::new("hostile");
    let Some(debug) = Debug::from_sections(path, symbols, load)? else { return Ok(()) };
    let mut addresses: Vec<u64> = symbols.iter().flat_map(|symbol| [symbol.address, symbol.address + 9]).collect();
    addresses.extend([0, u64::MAX]);
    addresses.sort_unstable();
    debug.frames(&addresses);
    let types = debug.types(path, None).unwrap_or_default();
    let map = TypeMap::new(Arc::new(types));
    debug.variables(&map);
    debug.variables_of(&map, &addresses);
    debug.functions(&map, &addresses);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes(
        seed in 0_usize..8,
        damage in prop::collection::vec((0..SECTIONS.len(), any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of((0..SECTIONS.len(), any::<prop::sample::Index>())),
    ) {
        let Some((sections, symbols)) = SEEDS.get(seed % SEEDS.len().max(1)) else { return Ok(()) };
        let mut sections = sections.clone();
        for (section, at, value) in damage {
            // Most of the damage where it matters most.
            let section = sections.get_mut(SECTIONS[if section > 4 { 0 } else { section }]).unwrap();
            if !section.is_empty() {
                let at = at.index(section.len());
                section[at] = value;
            }
        }
        if let Some((section, at)) = cut {
            let section = sections.get_mut(SECTIONS[section]).unwrap();
            let length = at.index(section.len() + 1);
            section.truncate(length);
        }
        let start = Instant::now();
        let _ = ask(&sections, symbols);
        prop_assert!(start.elapsed() < Duration::from_secs(20));
    }
}

/// A unit of DWARF 4 with these abbreviations and entries.
fn unit(abbreviations: &[u8], entries: &[u8]) -> Sections {
    let mut info = Vec::new();
    info.extend((u32::try_from(entries.len()).unwrap() + 7).to_le_bytes());
    info.extend(4_u16.to_le_bytes());
    info.extend(0_u32.to_le_bytes());
    info.push(8);
    info.extend(entries);
    [(".debug_info", info), (".debug_abbrev", abbreviations.to_vec())].into()
}

/// Abbreviations: 1 a unit; 2 a function with an address, a size, an origin; 3 a variable with a type and an address; 4 a
/// typedef of a type; 5 a struct with a size; 6 a member with a type.
const ABBREVIATIONS: &[u8] = &[
    1, 0x11, 1, 0, 0, // DW_TAG_compile_unit
    2, 0x2e, 1, 0x11, 0x01, 0x12, 0x06, 0x31, 0x13, 0, 0, // DW_TAG_subprogram: low_pc, high_pc, abstract_origin
    3, 0x34, 0, 0x49, 0x13, 0x02, 0x18, 0x03, 0x08, 0, 0, // DW_TAG_variable: type, location, name
    4, 0x16, 0, 0x49, 0x13, 0x03, 0x08, 0, 0, // DW_TAG_typedef: type, name
    5, 0x13, 1, 0x0b, 0x0b, 0x03, 0x08, 0, 0, // DW_TAG_structure_type: byte_size, name
    6, 0x0d, 0, 0x49, 0x13, 0x03, 0x08, 0, 0, // DW_TAG_member: type, name
    0,
];

#[test]
fn circles() {
    // The function is its own origin; the typedef at 0x1f stands for itself; the struct is inside itself.
    let mut entries = vec![1, 2];
    entries.extend(0x1000_u64.to_le_bytes());
    entries.extend(0x100_u32.to_le_bytes());
    entries.extend(0x0c_u32.to_le_bytes());
    entries.push(0);
    let typedef = 11 + u32::try_from(entries.len()).unwrap();
    entries.push(4);
    entries.extend(typedef.to_le_bytes());
    entries.extend(b"t\0");
    entries.push(3);
    entries.extend(typedef.to_le_bytes());
    entries.extend([9, 3]);
    entries.extend(0x2000_u64.to_le_bytes());
    entries.extend(b"v\0");
    let sections = unit(ABBREVIATIONS, &[entries.clone(), vec![0]].concat());
    ask(&sections, &[]).unwrap();
    let load = |name: &str| Ok(sections.get(name).map(|bytes| Cow::Borrowed(bytes.as_slice())));
    let debug = Debug::from_sections(Path::new("circles"), &[], load).unwrap().unwrap();
    let frames = debug.frames(&[0x1010]);
    assert_eq!((frames[0].len(), &*frames[0][0].function), (1, ""));
    let map = TypeMap::new(Arc::default());
    let variables = debug.variables(&map);
    assert_eq!((variables.len(), variables[0].address, variables[0].of.0), (1, 0x2000, 0));
    assert_eq!(debug.losses().types, 1);

    let structure = 11 + u32::try_from(entries.len()).unwrap();
    entries.extend([5, 8, b's', 0, 6]);
    entries.extend(structure.to_le_bytes());
    entries.extend([b'm', 0, 0, 0]);
    let sections = unit(ABBREVIATIONS, &entries);
    let load = |name: &str| Ok(sections.get(name).map(|bytes| Cow::Borrowed(bytes.as_slice())));
    let debug = Debug::from_sections(Path::new("circles"), &[], load).unwrap().unwrap();
    let error = debug.types(Path::new("circles"), None).unwrap_err().to_string();
    assert!(error.starts_with("circles: .debug_info:"), "{error}");
}

#[test]
fn nothing_and_garbage() {
    ask(&Sections::new(), &[]).unwrap();
    let garbage: Sections = [(".debug_info", vec![0xee; 4096])].into();
    let error = ask(&garbage, &[]).unwrap_err().to_string();
    assert!(error.contains(".debug_info"), "{error}");
    // A function over all memory, and one that ends where addresses do.
    let mut entries = vec![1];
    for (low, size) in [(0_u64, u32::MAX), (u64::MAX - 4, u32::MAX), (0x1000, 0)] {
        entries.push(2);
        entries.extend(low.to_le_bytes());
        entries.extend(size.to_le_bytes());
        entries.extend(0xffff_ffff_u32.to_le_bytes());
        entries.push(0);
    }
    entries.push(0);
    ask(&unit(ABBREVIATIONS, &entries), &[]).unwrap();
}

#[test]
fn a_small_file_that_asks_for_much() {
    // A hundred thousand variables in a function of DWARF 4 whose pieces are a list that all of them share.
    let pieces = 60_000_u64;
    let mut ranges: Vec<u8> = Vec::new();
    for piece in 0..pieces {
        ranges.extend((0x1000 + piece * 16).to_le_bytes());
        ranges.extend((0x1008 + piece * 16).to_le_bytes());
    }
    ranges.extend([0; 16]);
    let abbreviations = [
        1, 0x11, 1, 0, 0, //
        2, 0x2e, 1, 0x55, 0x17, 0, 0, // DW_TAG_subprogram: ranges
        3, 0x34, 0, 0x02, 0x18, 0, 0, // DW_TAG_variable: location
        0,
    ];
    let mut entries = vec![1];
    for _ in 0..100 {
        entries.push(2);
        entries.extend([0; 4]);
        for _ in 0..1_000 {
            entries.extend([3, 1, 0x50]);
        }
        entries.push(0);
    }
    entries.push(0);
    let mut sections = unit(&abbreviations, &entries);
    sections.insert(".debug_ranges", ranges);
    let start = Instant::now();
    let symbols: Vec<Symbol> = SEEDS.first().map(|(_, symbols)| symbols.clone()).unwrap_or_default();
    ask(&sections, &symbols).unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
