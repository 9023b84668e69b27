//! Bytes and symbols that no compiler made.

use super::super::graph::Surroundings;
use super::super::x86::X86;
use super::super::{Calls, Functions, Graph, Landmarks, Memory};
use crate::image::{Place, Symbol, SymbolKind};
use proptest::prelude::*;
use std::ops::Range;

struct Bytes(Vec<u8>);

const START: u64 = 0xffff_ffff_ffff_f000;

impl Memory for Bytes {
    fn bytes(&self, addresses: Range<u64>) -> Option<&[u8]> {
        let start = usize::try_from(addresses.start.checked_sub(START)?).ok()?;
        self.0.get(start..usize::try_from(addresses.end.checked_sub(START)?).ok()?)
    }
}

fn symbols() -> impl Strategy<Value = Vec<Symbol>> {
    let kind = prop_oneof![Just(SymbolKind::Function), Just(SymbolKind::Other), Just(SymbolKind::Object)];
    let size = prop_oneof![Just(0), 0..64_u64, any::<u64>()];
    let name = prop_oneof!["[fg](\\.cold)?", Just("__x86_return_thunk".to_owned()), Just("panic".to_owned())];
    let one = (name, 0..600_u64, size, kind, any::<bool>());
    proptest::collection::vec(one, 0..20).prop_map(|all| {
        let symbol = |(name, address, size, kind, global)| Symbol {
            name,
            address: START + address,
            size,
            kind,
            global,
            place: Place::Memory,
        };
        let mut symbols: Vec<_> = all.into_iter().map(symbol).collect();
        symbols.sort_by_key(|symbol| symbol.address);
        symbols
    })
}

proptest! {
    #[test]
    fn any_code_has_functions_graphs_and_calls(
        code in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xe8), Just(0xeb), Just(0x74), Just(0)], 0..600),
        symbols in symbols(),
    ) {
        let text = START..START + code.len() as u64;
        let memory = Bytes(code);
        let functions = Functions::new(&symbols, vec![text.clone()], &memory, &mut X86::default());
        let mut end = 0;
        let mut parts: Vec<_> = functions.iter().flat_map(|(_, function)| function.parts().cloned()).collect();
        parts.sort_by_key(|part| part.start);
        for part in parts {
            prop_assert!(part.start >= end && part.start < part.end && part.end <= text.end);
            end = part.end;
        }
        let landmarks = Landmarks::default();
        let calls = Calls::of(&functions, &memory, &landmarks);
        prop_assert!(calls.all().iter().all(|call| functions[call.caller].contains(call.address)));
        for (_, function) in functions.iter() {
            let graph = Graph::build(function, Surroundings { memory: &memory, landmarks: &landmarks }, &mut X86::default());
            let covered: u64 = graph.blocks.iter().map(|block| block.range.end - block.range.start).sum();
            prop_assert_eq!(covered, function.bytes());
            for block in 0..graph.blocks.len() as u32 {
                prop_assert!(graph.successors(block).iter().all(|&next| (next as usize) < graph.blocks.len()));
            }
        }
    }
}
