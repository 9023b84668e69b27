//! Functions from symbols.

use super::super::x86::X86;
use super::super::{Functions, Memory};
use crate::image::{Place, Symbol, SymbolKind};
use std::ops::Range;

struct Bytes(u64, Vec<u8>);

impl Memory for Bytes {
    fn bytes(&self, addresses: Range<u64>) -> Option<&[u8]> {
        let start = usize::try_from(addresses.start.checked_sub(self.0)?).ok()?;
        self.1.get(start..usize::try_from(addresses.end.checked_sub(self.0)?).ok()?)
    }
}

fn symbol(name: &str, address: u64, size: u64, kind: SymbolKind, global: bool) -> Symbol {
    Symbol { name: name.to_owned(), address, size, kind, global, place: Place::Memory }
}

fn functions(symbols: &[Symbol], code: Vec<u8>) -> Functions {
    let memory = Bytes(0x1000, code);
    let code = 0x1000..0x1000 + memory.1.len() as u64;
    Functions::new(symbols, Vec::from([code]), &memory, &mut X86::default())
}

#[test]
fn names_of_one_address_are_one_function() {
    use SymbolKind::{Function, Object, Other};
    let found = functions(
        &[
            symbol("_text", 0x1000, 0, Other, true),
            symbol("__memcpy", 0x1000, 16, Function, true),
            symbol("memcpy", 0x1000, 16, Function, true),
            symbol("local", 0x1000, 16, Function, false),
            symbol("label", 0x1008, 0, Other, false),
            symbol("__pfx_next", 0x1010, 16, Function, false),
            symbol("next", 0x1020, 0, Function, false),
            symbol("table", 0x1030, 8, Object, false),
            symbol("last", 0x1038, 0, Other, false),
        ],
        vec![0xc3; 0x40],
    );
    let list: Vec<_> = found.iter().map(|(_, function)| (&*function.name, function.range.clone())).collect();
    assert_eq!(list, [("memcpy", 0x1000..0x1010), ("next", 0x1020..0x1040)]);
    assert_eq!(found[found.starting(0x1000).expect("a function")].aliases.len(), 3);
    assert_eq!(found.containing(0x100f), found.starting(0x1000));
    assert_eq!(found.containing(0x1010), None);
    assert_eq!(found.named("local").count(), 1);
}

#[test]
fn functions_do_not_overlap_and_do_not_leave_the_text() {
    use SymbolKind::Function;
    let found = functions(
        &[
            symbol("huge", 0x1000, u64::MAX, Function, true),
            symbol("inside", 0x1010, 0x10, Function, true),
            symbol("end", 0x103f, 0x100, Function, true),
            symbol("beyond", 0x1040, 0x10, Function, true),
            symbol("far", u64::MAX, 0x10, Function, true),
        ],
        vec![0x90; 0x40],
    );
    let list: Vec<_> = found.iter().map(|(_, function)| function.range.clone()).collect();
    assert_eq!(list, [0x1000..0x1010, 0x1010..0x1020, 0x103f..0x1040]);
}

#[test]
fn cold_parts_belong_to_who_jumps_there() {
    use SymbolKind::Function;
    // Two static functions `f`; the second one jumps to the cold part (jmp 0x1030).
    let mut code = vec![0xc3; 0x40];
    code[0x10..0x12].copy_from_slice(&[0xeb, 0x1e]);
    let found = functions(
        &[
            symbol("f", 0x1000, 0x10, Function, false),
            symbol("f", 0x1010, 0x10, Function, false),
            symbol("g", 0x1020, 0x10, Function, false),
            symbol("f.cold", 0x1030, 8, Function, false),
            symbol("h.cold.7", 0x1038, 8, Function, false),
        ],
        code,
    );
    assert_eq!(found.len(), 4);
    assert_eq!(found.containing(0x1033), found.starting(0x1010));
    let second = &found[found.starting(0x1010).expect("a function")];
    let cold = 0x1030..0x1038;
    assert_eq!((second.cold.as_slice(), second.bytes()), ([cold].as_slice(), 0x18));
    // Nobody is called `h`: it stays what it is.
    assert_eq!(&*found[found.containing(0x1038).expect("a function")].name, "h.cold.7");
}
