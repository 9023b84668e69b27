//! The Rust side of the records against the numbers that the C side asserts.

use super::types::{acquiring, birth, known_stack, last, life, place, slow_path, spill, sum};
use super::{collector, spilled};
use std::mem::offset_of;

#[test]
fn sizes_and_offsets_are_those_of_the_kernel_side() {
    let sizes = [
        ("sum", size_of::<sum>()),
        ("spill", size_of::<spill>()),
        ("last", size_of::<last>()),
        ("place", size_of::<place>()),
        ("known_stack", size_of::<known_stack>()),
        ("slow_path", size_of::<slow_path>()),
        ("life", size_of::<life>()),
        ("birth", size_of::<birth>()),
        ("acquiring", size_of::<acquiring>()),
    ];
    let offsets = [
        ("sum, lock_type", offset_of!(sum, lock_type)),
        ("sum, acquisitions", offset_of!(sum, acquisitions)),
        ("sum, hold_octaves", offset_of!(sum, hold_octaves)),
        ("acquiring, ranges", offset_of!(acquiring, ranges)),
        ("birth, name", offset_of!(birth, name)),
    ];
    let sizes = sizes.map(|(name, size)| (format!("sizeof(struct {name})"), size));
    let offsets = offsets.map(|(name, offset)| (format!("__builtin_offsetof(struct {name})"), offset));
    let found: Vec<_> = sizes.into_iter().chain(offsets).collect();
    assert_eq!(crate::contention::asserted(include_str!("../bpf/acquisitions.h")), found);
}

#[test]
fn numbers_that_both_sides_name_are_the_same() {
    let header = include_str!("../bpf/acquisitions.h");
    for (name, number) in collector::DEFINED.into_iter().chain(spilled::DEFINED) {
        let line = header.lines().find_map(|line| line.strip_prefix("#define ")?.strip_prefix(name)?.strip_prefix(' '));
        let value = line.and_then(|line| line.split(' ').next()).unwrap_or_else(|| panic!("{name} is not defined"));
        assert_eq!(value.trim_end_matches('U').parse(), Ok(number), "{name}");
    }
}
