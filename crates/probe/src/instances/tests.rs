//! The running kernel's own objects.

use super::places::{Place, place};
use super::reader::Reader;
use super::types::Types;
use crate::kernel_memory::KernelMemory;
use crate::symbols::KernelSymbols;
use std::path::Path;

fn reader() -> Option<Reader> {
    let memory = KernelMemory::of_running()
        .inspect_err(|error| println!("skipped: this kernel, or these privileges, do not show its memory: {error}"))
        .ok()?;
    let Some(types) = Types::of_running() else {
        println!("skipped: this kernel has no types in /sys/kernel/btf");
        return None;
    };
    Some(Reader::new(memory, types))
}

#[test]
fn what_is_no_object_gives_nothing() {
    let Some(reader) = reader() else { return };
    let symbols = KernelSymbols::read(Path::new("/proc/kallsyms")).unwrap_or_default();
    let code = symbols.functions().map(|function| function.address).find(|&address| address > 0);
    let places = [
        Place::Inode(0),
        Place::Dentry,
        Place::File,
        Place::Mm,
        Place::Task,
        Place::Process,
        Place::Netns,
        Place::Socket,
        Place::Stack,
    ];
    for object in [Some(0), Some(0x1000), Some(u64::MAX - 7), code].into_iter().flatten() {
        for place in places {
            assert_eq!(reader.read(place, object, "TCP"), None, "{place:?} at {object:#x}");
        }
    }
}

#[test]
fn a_stack_is_known_by_its_end() {
    let Some(reader) = reader() else { return };
    let symbols = KernelSymbols::read(Path::new("/proc/kallsyms")).unwrap_or_default();
    let stack = reader.types.offset("task_struct", "stack");
    let (Some(&first), Some(stack)) = (symbols.variables("init_task").first(), stack) else {
        println!("left out: this kernel shows no variables in /proc/kallsyms");
        return;
    };
    let at = reader.number_at(first + stack).unwrap();
    assert_eq!(reader.read(Place::Stack, at, "").unwrap().kind, "stack");
    assert_eq!(reader.read(Place::Stack, at + 16, ""), None);
}

#[test]
fn the_first_task_is_known() {
    let Some(reader) = reader() else { return };
    let symbols = KernelSymbols::read(Path::new("/proc/kallsyms")).unwrap_or_default();
    let Some(&first) = symbols.variables("init_task").first() else {
        println!("left out: this kernel shows no variables in /proc/kallsyms");
        return;
    };
    assert_eq!(place("task_struct", &reader.types), Some(Place::Task));
    let task = reader.read(Place::Task, first, "task_struct").unwrap();
    assert_eq!((task.kind, &*task.name, task.pid), ("task", "task 0 (swapper/0)", Some(0)));
}
