//! The code of a real kernel, against what was counted in it by other tools.

use super::super::x86::X86;
use super::super::{CallKind, Landmarks, Operation as Step, Program};
use super::d61;
use lima_model::LockType;
use lima_model::words::Operation;
use rustc_hash::FxHashSet;

#[test]
fn the_calls_of_a_kernel() {
    let Some(image) = d61() else { return };
    let program = Program::of(&image, None);
    assert!((43_000..46_322).contains(&program.functions.len()), "{} functions", program.functions.len());
    // objdump counts 230,266 call instructions in the text sections. 606 of them stand in code that no symbol covers: the
    // bodies of weak functions that others replaced.
    let count = |kind| program.calls.all().iter().filter(|call| call.kind == kind).count();
    let mut jumps = 0;
    for call in program.calls.all().iter().filter(|call| call.kind == CallKind::Indirect) {
        // A jump is `jmp` with a 32-bit distance, or `jmp *%reg`.
        let bytes = image.bytes(call.address, 2).expect("code");
        jumps += usize::from(bytes[0] == 0xe9 || bytes[0] == 0xff && bytes[1] >> 3 & 7 == 4);
    }
    let calls = count(CallKind::Direct) + program.calls.hooks + count(CallKind::Indirect) - jumps;
    assert!((230_266 - 620..=230_266).contains(&calls), "{calls} calls");
    assert!(count(CallKind::Tail) > 15_000);
}

#[test]
fn the_sites_of_a_kernel() {
    let Some(image) = d61() else { return };
    let program = Program::of(&image, None);
    let count = |operation| program.sites.iter().filter(|site| site.operation == operation).count();
    // What docs/accuracy.md itemises; `objdump -d` has as many calls and jumps of these functions.
    assert_eq!(count(Operation::Acquire) + count(Operation::Try), 9_615);
    assert_eq!(count(Operation::Release), 12_914);
    assert_eq!(count(Operation::Init), 494);
    let of = |lock_type| {
        let takes =
            |site: &&crate::code::Site| site.operation == Operation::Acquire && site.primitive.lock_type == lock_type;
        program.sites.iter().filter(takes).count()
    };
    assert_eq!([LockType::SocketLock, LockType::Srcu, LockType::BitLock].map(of), [184, 86, 109]);
    let mut names = FxHashSet::default();
    for site in program.sites.iter().filter(|site| site.operation == Operation::Init) {
        let name = site.lock_name.and_then(|name| image.c_string_at(name));
        names.extend(name.map(|name| (site.primitive.name, name)));
    }
    assert!(names.contains(&("__mutex_init", "&encl->lock")));
    assert!(names.contains(&("__init_rwsem", "&mm->mmap_lock")));
    let unnamed = program.sites.iter().filter(|site| site.primitive.lock_name.is_some() && site.lock_name.is_none());
    assert!(unnamed.count() <= 1);
}

#[test]
fn every_site_of_a_kernel_can_be_reached() {
    let Some(image) = d61() else { return };
    let program = Program::of(&image, None);
    let mut lift = X86::default();
    let mut lost = Vec::new();
    for sites in program.sites.chunk_by(|a, b| a.function == b.function) {
        let function = &program.functions[sites[0].function];
        let graph = program.graph(&image, function, &mut lift);
        assert!(!graph.truncated);
        let reached: FxHashSet<u64> = graph
            .order()
            .iter()
            .flat_map(|&block| graph.operations(block))
            .filter(|instruction| !matches!(instruction.operation, Step::Nothing))
            .map(|instruction| instruction.address)
            .collect();
        lost.extend(sites.iter().filter(|site| !reached.contains(&site.address)).map(|site| site.address));
    }
    assert!(lost.is_empty(), "{lost:x?}");
}

#[test]
fn the_table_of_static_keys_is_found_without_symbols() {
    let (Some(image), Some(mut stripped)) = (d61(), d61()) else { return };
    let with = Landmarks::of(&image, None);
    stripped.symbols.retain(|symbol| !symbol.name.ends_with("__jump_table"));
    let without = Landmarks::of(&stripped, None);
    let all = 0..u64::MAX;
    assert!(with.jumps(&all).len() > 5000);
    assert!(with.jumps(&all) == without.jumps(&all));
}
