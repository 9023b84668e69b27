//! The Rust side of the records against the numbers that the C side asserts.

use super::types::{
    cgroup_notice, event, exec_notice, holder, rule, rules, settings, share_record, stack_record, task_key, task_slot,
    task_totals, totals, totals_key, totals_slot,
};
use std::mem::offset_of;

/// Each assertion of a header, as (what, number).
pub(crate) fn asserted(header: &str) -> Vec<(String, usize)> {
    let lines = header.lines().filter_map(|line| line.strip_prefix("_Static_assert(")?.strip_suffix(", \"\");"));
    lines.filter_map(|line| line.split_once(" == ")).map(|(what, n)| (what.to_owned(), n.parse().unwrap())).collect()
}

#[test]
fn sizes_and_offsets_are_those_of_the_kernel_side() {
    let sizes = [
        ("totals_key", size_of::<totals_key>()),
        ("totals", size_of::<totals>()),
        ("task_key", size_of::<task_key>()),
        ("task_totals", size_of::<task_totals>()),
        ("totals_slot", size_of::<totals_slot>()),
        ("task_slot", size_of::<task_slot>()),
        ("holder", size_of::<holder>()),
        ("event", size_of::<event>()),
        ("stack_record", size_of::<stack_record>()),
        ("cgroup_notice", size_of::<cgroup_notice>()),
        ("exec_notice", size_of::<exec_notice>()),
        ("share_record", size_of::<share_record>()),
        ("rule", size_of::<rule>()),
        ("rules", size_of::<rules>()),
        ("settings", size_of::<settings>()),
    ];
    let offsets = [
        ("totals_key, lock_type", offset_of!(totals_key, lock_type)),
        ("totals, slab", offset_of!(totals, slab)),
        ("totals, histogram", offset_of!(totals, histogram)),
        ("task_totals, comm", offset_of!(task_totals, comm)),
        ("holder, method", offset_of!(holder, method)),
        ("event, holder", offset_of!(event, holder)),
        ("event, comm", offset_of!(event, comm)),
        ("event, lock_type", offset_of!(event, lock_type)),
        ("stack_record, addresses", offset_of!(stack_record, addresses)),
        ("stack_record, words", offset_of!(stack_record, words)),
        ("cgroup_notice, path", offset_of!(cgroup_notice, path)),
        ("rules, rules", offset_of!(rules, rules)),
        ("settings, peek", offset_of!(settings, peek)),
    ];
    let sizes = sizes.map(|(name, size)| (format!("sizeof(struct {name})"), size));
    let offsets = offsets.map(|(name, offset)| (format!("__builtin_offsetof(struct {name})"), offset));
    let found: Vec<_> = sizes.into_iter().chain(offsets).collect();
    assert_eq!(asserted(include_str!("../bpf/records.h")), found);
}

#[test]
fn values_of_per_cpu_maps_are_multiples_of_eight() {
    let sizes = [size_of::<totals>(), size_of::<task_totals>(), size_of::<totals_slot>(), size_of::<task_slot>()];
    assert_eq!(sizes.map(|size| size % 8), [0; 4]);
}

#[test]
fn there_are_as_many_slots_on_both_sides() {
    let header = include_str!("../bpf/records.h");
    let bits = header.lines().find_map(|line| line.strip_prefix("#define SLOT_BITS ")).unwrap();
    assert_eq!(1 << bits.parse::<u32>().unwrap(), super::codes::SLOTS);
}
