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
        Place::General(8192),
        Place::Stack,
    ];
    for object in [Some(0), Some(0x1000), Some(u64::MAX - 7), code].into_iter().flatten() {
        for place in places {
            assert_eq!(reader.read(place, object, object, "TCP"), None, "{place:?} at {object:#x}");
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
    assert_eq!(reader.read(Place::Stack, at, at, "").unwrap().kind, "stack");
    assert_eq!(reader.read(Place::Stack, at + 16, at, ""), None);
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
    let task = reader.read(Place::Task, first, first, "task_struct").unwrap();
    assert_eq!((task.kind, &*task.name, task.pid), ("task", "task 0 (swapper/0)", Some(0)));
}

/// How long it takes to read which objects locks lie in, by each way of reading memory. `benches/instances` makes the files, gives
/// the address of the `i_rwsem` of one of them, and runs this.
#[test]
#[ignore = "a measurement: benches/instances runs it"]
fn what_reading_costs() {
    let lock = std::env::var("LIMA_LOCK").expect("LIMA_LOCK is the address of an inode's i_rwsem");
    let lock = u64::from_str_radix(lock.trim_start_matches("0x"), 16).unwrap();
    for way in ["/proc/kcore", "a program"] {
        let Ok(memory) = memory_by(way).inspect_err(|error| println!("{way}: {error}")) else { continue };
        let types = Types::of_running().unwrap();
        let at = |composite: &str, path: &str| types.offset(composite, path).unwrap();
        let (volume, inodes) = (at("inode", "i_sb"), at("super_block", "s_inodes"));
        let (next, first) = (at("inode", "i_sb_list"), lock - at("inode", "i_rwsem"));
        let reader = Reader::new(memory, types);
        let list = reader.number_at(first + volume).unwrap() + inodes;
        let follow = |entry: &u64| reader.number_at(*entry).filter(|&entry| entry != list);
        let all: Vec<u64> =
            std::iter::successors(follow(&list), follow).map(|entry| entry - next).take(10_000).collect();
        for count in [1_000, 10_000] {
            let wanted = &all[..count.min(all.len())];
            let reader = Reader::new(memory_by(way).unwrap(), Types::of_running().unwrap());
            let begin = std::time::Instant::now();
            let read = |&inode: &u64| reader.read(Place::Inode(0), inode, inode, "");
            let found: Vec<_> = wanted.iter().filter_map(read).collect();
            let took = begin.elapsed();
            let with_path = found.iter().filter(|instance| instance.path.is_some()).count();
            println!(
                "{way}: {} locks in {:.1} ms, {:.1} us each; {} found, {with_path} with a path",
                wanted.len(),
                took.as_secs_f64() * 1e3,
                took.as_secs_f64() * 1e6 / wanted.len() as f64,
                found.len(),
            );
        }
    }
}

fn memory_by(way: &str) -> std::io::Result<KernelMemory> {
    if way == "a program" { KernelMemory::by_program() } else { KernelMemory::open(Path::new(way)) }
}
