//! A kernel's own tables of symbols, with changes: the first byte chooses their arrangement, then each four bytes are a
//! place and what stands there. The same bytes are also read as a text of symbols.

#![no_main]

#[path = "../../crates/index/src/image/tests/written.rs"]
mod written;

use libfuzzer_sys::fuzz_target;
use lima_index::image::{symbols_in_tables, symbols_in_text};
use std::path::Path;
use std::sync::LazyLock;
use written::{Arrangement, some_symbols, tables};

static TABLES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let symbols = &some_symbols()[..400];
    [Arrangement::AddressesFirst, Arrangement::AddressesLast, Arrangement::OneKind].map(|a| tables(symbols, a))
});

fuzz_target!(|bytes: &[u8]| {
    let _ = symbols_in_text(Path::new("fuzzed"), bytes);
    let _ = symbols_in_tables(bytes, 0x100);
    let Some((choice, changes)) = bytes.split_first() else { return };
    let mut tables = TABLES[usize::from(*choice) % 3].clone();
    for change in changes.chunks_exact(4) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % tables.len();
        tables[at] = change[2];
        if at + 1 < tables.len() {
            tables[at + 1] = change[3];
        }
    }
    let _ = symbols_in_tables(&tables, 0x100);
});
