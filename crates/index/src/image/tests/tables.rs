//! The kernel's own tables of symbols, in all arrangements.

use super::written::{Arrangement, some_symbols, tables};
use crate::image::{Place, SymbolKind, symbols_in_tables};

#[test]
fn both_orders() {
    for arrangement in [Arrangement::AddressesFirst, Arrangement::AddressesLast, Arrangement::OneKind] {
        let mut wanted = some_symbols();
        if arrangement == Arrangement::OneKind {
            wanted.drain(..2);
        }
        let found = symbols_in_tables(&tables(&wanted, arrangement), 0x100).unwrap();
        assert_eq!(found.len(), wanted.len(), "{arrangement:?}");
        for (symbol, (name, address)) in found.iter().zip(&wanted) {
            assert_eq!((symbol.name.as_str(), symbol.address), (&name[1..], *address), "{arrangement:?}");
            let kind = match name.as_bytes()[0] {
                b'T' => (SymbolKind::Function, true, Place::Memory),
                b'b' => (SymbolKind::Object, false, Place::Memory),
                _ if *address < 0x100 => (SymbolKind::Other, true, Place::PerCpu),
                _ => (SymbolKind::Other, true, Place::Absolute),
            };
            assert_eq!((symbol.kind, symbol.global, symbol.place), kind, "{arrangement:?} {name}");
        }
    }
}

#[test]
fn tables_that_do_not_agree_are_none() {
    let whole = tables(&some_symbols(), Arrangement::AddressesFirst);
    assert!(symbols_in_tables(&whole, 0).is_some());
    assert!(symbols_in_tables(&whole[..whole.len() - 700], 0).is_none(), "without the index");
    assert!(symbols_in_tables(&whole[3000..], 0).is_none(), "without the addresses");
    let mut wrong = whole;
    let end = wrong.len();
    wrong[end - 105] ^= 1;
    assert!(symbols_in_tables(&wrong, 0).is_none(), "an index that names no beginning");
    assert!(symbols_in_tables(&[], 0).is_none());
}
