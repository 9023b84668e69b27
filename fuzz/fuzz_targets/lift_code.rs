//! Machine code: lifted, as functions with a graph, and scanned for calls. The first bytes say how many functions there are
//! and where each starts; the rest is the code.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lima_index::code::graph::Surroundings;
use lima_index::code::x86::X86;
use lima_index::code::{Calls, Functions, Graph, Landmarks, Lift, Memory};
use lima_index::image::{Place, Symbol, SymbolKind};
use std::ops::Range;

const START: u64 = 0xffff_ffff_8100_0000;
const NAMES: [&str; 4] = ["f", "f.cold", "g", "f.cold.1"];

struct Code<'a>(&'a [u8]);

impl Memory for Code<'_> {
    fn bytes(&self, addresses: Range<u64>) -> Option<&[u8]> {
        let start = usize::try_from(addresses.start.checked_sub(START)?).ok()?;
        self.0.get(start..usize::try_from(addresses.end.checked_sub(START)?).ok()?)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&count, rest)) = bytes.split_first() else { return };
    let count = usize::from(count % 16);
    if rest.len() < count * 3 {
        return;
    }
    let (starts, code) = rest.split_at(count * 3);
    let mut symbols: Vec<Symbol> = starts
        .chunks_exact(3)
        .map(|start| Symbol {
            name: NAMES[usize::from(start[2]) % NAMES.len()].to_owned(),
            address: START + u64::from(u16::from_le_bytes([start[0], start[1]])),
            size: u64::from(start[2] >> 3),
            kind: if start[2] & 0x80 == 0 { SymbolKind::Function } else { SymbolKind::Other },
            global: start[2] & 0x40 == 0,
            place: Place::Memory,
        })
        .collect();
    symbols.sort_by_key(|symbol| symbol.address);
    let memory = Code(code);
    let mut lift = X86::default();
    let mut operations = Vec::new();
    lift.lift(code, START, &mut operations);
    assert_eq!(operations.iter().map(|operation| usize::from(operation.length)).sum::<usize>(), code.len());
    let _ = lift.outcome(code, START);
    let functions = Functions::new(&symbols, vec![START..START + code.len() as u64], &memory, &mut lift);
    let landmarks = Landmarks::default();
    for (_, function) in functions.iter() {
        let graph = Graph::build(function, Surroundings { memory: &memory, landmarks: &landmarks }, &mut lift);
        assert!(graph.order().len() <= graph.blocks.len());
    }
    let _ = Calls::of(&functions, &memory, &landmarks);
});
