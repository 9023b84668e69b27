//! The BTF of a kernel and of a module, of any bytes: the first two say how many are the kernel's. Both are built, and
//! then asked everything that the index asks.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lima_index::layout::{layout, lock_members};
use lima_index::types::{Types, btf};
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (base, module) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let Ok(kernel) = btf::read(base).and_then(|builder| builder.build()) else { return };
    let kernel = Arc::new(kernel);
    ask(&kernel);
    for read in [
        btf::read_module(module, Arc::clone(&kernel)),
        btf::read_module_with_base(base, module, Arc::clone(&kernel)),
    ] {
        if let Ok(module) = read.and_then(|builder| builder.build()) {
            ask(&module);
        }
    }
});

fn ask(types: &Types) {
    for id in types.own().take(64) {
        let bytes = types.bytes(id);
        for offset in [0, 4, 8, bytes / 2, bytes.saturating_sub(1), bytes, u32::MAX] {
            for lock in types.locks_at(id, offset) {
                types.path(&lock.spot);
                types.path_from(id, lock.start, &lock.spot);
            }
            types.pointers_at(id, offset);
            types.member_path(id, offset);
        }
        types.embedders(id);
        types.spelled(id);
        types.composite_named(types.name(id), bytes);
        types.prototype(types.name(id));
        types.variable(types.name(id));
        layout(types, id, true);
    }
    lock_members(types);
}
