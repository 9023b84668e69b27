//! Traces and indexes joined: each kind of evidence where its answer is known.

mod common;

use common::{DATA, MODULE, MODULE_SLIDE, Made, PER_CPU, SLIDE, TEXT, Used};
use common::{call, function, global, member, section, site};
use lima_index::store::{Index, Part};
use lima_model::LockType;
use lima_resolve::{Error, Resolver, resolve};
use lima_trace::Trace;
use proptest::prelude::{ProptestConfig, any, prop, proptest};

const SPIN: LockType = LockType::Spinlock;
/// A return address in `taker`, `other` and `unsaid`, as the trace has it.
const TAKER: (u64, &str, u64, Option<&str>) = (TEXT + 0x15 + SLIDE, "taker", 0x15, None);
const OTHER: (u64, &str, u64, Option<&str>) = (TEXT + 0x115 + SLIDE, "other", 0x15, None);
const UNSAID: (u64, &str, u64, Option<&str>) = (TEXT + 0x215 + SLIDE, "unsaid", 0x15, None);

/// `taker` takes `inode.i_lock`, `other` `queue.lock`, and of `unsaid` nothing is known.
fn kernel() -> Part {
    Part {
        locks: vec![
            member("inode", "i_lock", "inode.i_lock", 8, SPIN),
            member("demo_inode_info", "vfs_inode.i_lock", "inode.i_lock", 0x48, SPIN),
            member("queue", "lock", "queue.lock", 0, SPIN),
            member("rq", "__lock", "rq.__lock", 0, SPIN),
        ],
        globals: vec![
            global(DATA, "plain_lock", "", "spinlock_t", false),
            global(DATA + 0x100, "init_inode", "i_lock", "struct inode", false),
            global(DATA + 0x200, "untyped+0x40", "", "", false),
            global(PER_CPU, "runqueues", "__lock", "struct rq", true),
        ],
        functions: vec![
            function(TEXT, "taker"),
            function(TEXT + 0x100, "other"),
            function(TEXT + 0x200, "unsaid"),
            function(TEXT + 0x300, "jumper"),
            function(TEXT + 0x400, "caller"),
            function(TEXT + 0xf00, "_raw_spin_lock"),
        ],
        calls: vec![
            call(TEXT + 0x10, TEXT, TEXT + 0xf00, "direct"),
            call(TEXT + 0x110, TEXT + 0x100, TEXT + 0xf00, "direct"),
            call(TEXT + 0x210, TEXT + 0x200, TEXT + 0xf00, "direct"),
            call(TEXT + 0x310, TEXT + 0x300, TEXT + 0xf00, "tail"),
            call(TEXT + 0x410, TEXT + 0x400, TEXT + 0x300, "direct"),
        ],
        sites: vec![
            site(TEXT + 0x10, TEXT, SPIN, "inode.i_lock", &["demo_inode_info.vfs_inode.i_lock"]),
            site(TEXT + 0x110, TEXT + 0x100, SPIN, "queue.lock", &[]),
            site(TEXT + 0x210, TEXT + 0x200, SPIN, "unknown", &[]),
            site(TEXT + 0x310, TEXT + 0x300, SPIN, "queue.lock", &[]),
        ],
        sections: vec![
            section(".text", TEXT, true, false),
            section(".data", DATA, false, false),
            section(".data..percpu", PER_CPU, false, true),
        ],
        ..Part::default()
    }
}

fn trace() -> Made {
    let mut made = Made::default();
    made.stack(1, &[TAKER]).stack(2, &[OTHER]).stack(3, &[UNSAID]);
    made
}

/// The answers: object, method and confidence, by lock and stack.
fn answers(trace: &Trace, index: &Index) -> Vec<(u64, u64, String, &'static str, &'static str)> {
    let resolver = Resolver::of(trace, index).unwrap();
    let answer = |used: &lima_resolve::seen::Use| {
        let answer = resolver.pieces(used).answer();
        let object = answer.claim.as_ref().map_or("-", |claim| resolver.names.text(resolver.shown(claim))).to_owned();
        (used.lock, used.stack, object, answer.evidence.name(), answer.confidence)
    };
    resolver.seen.uses.iter().map(answer).collect()
}

/// The answer for one lock taken on one stack.
fn one(made: &Made) -> (String, &'static str, &'static str) {
    let (_home, trace, index) = made.with(&mut [kernel()]);
    let (_, _, object, method, confidence) = answers(&trace, &index).swap_remove(0);
    (object, method, confidence)
}

fn says(object: &str, method: &'static str, confidence: &'static str) -> (String, &'static str, &'static str) {
    (object.to_owned(), method, confidence)
}

#[test]
fn the_place_says_it_wherever_the_kernel_lies() {
    let mut made = trace();
    made.uses.push(Used::at(0x8000, 1));
    assert_eq!(one(&made), says("inode.i_lock", "site", "strong"));
    // A type that the place does not take.
    made.uses[0].lock_type = "mutex";
    assert_eq!(one(&made), says("-", "unknown", "none"));
}

#[test]
fn a_variable_is_known_by_its_address() {
    let mut made = trace();
    made.uses.push(Used::at(DATA + SLIDE, 3));
    assert_eq!(one(&made), says("plain_lock", "symbol", "certain"));
    made.uses[0] = Used::at(DATA + 0x100 + SLIDE, 1);
    assert_eq!(one(&made), says("inode.i_lock", "symbol", "certain"));
    made.uses[0] = Used::at(DATA + 0x100 + SLIDE, 2);
    assert_eq!(one(&made), says("-", "conflict", "none"));
    // Of a variable without a type the place says which lock in it this is.
    made.uses[0] = Used::at(DATA + 0x200 + SLIDE, 1);
    assert_eq!(one(&made), says("inode.i_lock", "symbol", "certain"));
}

#[test]
fn each_cpu_has_its_share() {
    let mut made = trace();
    made.per_cpu = vec![0xffff_8880_1000_0000, 0xffff_8880_2000_0000];
    made.uses.push(Used::at(0xffff_8880_2000_0000 + PER_CPU, 3));
    assert_eq!(one(&made), says("rq.__lock", "per_cpu", "certain"));
    made.per_cpu.truncate(1);
    assert_eq!(one(&made), says("-", "unknown", "none"));
}

#[test]
fn a_slab_cache_says_it_when_its_type_has_such_a_lock_there() {
    let mut made = trace();
    made.uses.push(Used::at(0x8048, 3).in_slab("demo_inode_info", 0x48));
    assert_eq!(one(&made), says("inode.i_lock", "slab", "strong"));
    made.uses[0] = Used::at(0x8048, 1).in_slab("demo_inode_info", 0x48);
    assert_eq!(one(&made), says("inode.i_lock", "site", "certain"));
    made.uses[0] = Used::at(0x8048, 3).in_slab("demo_inode_info", 0x40);
    assert_eq!(one(&made), says("-", "unknown", "none"));
    made.uses[0] = Used::at(0x8048, 3).in_slab("kmalloc-128", 0x48);
    assert_eq!(one(&made), says("-", "unknown", "none"));
}

#[test]
fn a_locks_own_parts_say_nothing_of_the_cache() {
    let inner = site(TEXT + 0x510, TEXT + 0x500, SPIN, "rw_semaphore.wait_lock", &[]);
    let mut part = kernel();
    part.sites.push(inner);
    part.functions.push(function(TEXT + 0x500, "rwsem_wake"));
    let mut made = trace();
    made.stack(4, &[(TEXT + 0x515 + SLIDE, "rwsem_wake", 0x15, None)]);
    made.uses.push(Used::at(0x8048, 3).in_slab("demo_inode_info", 0x48));
    made.uses.push(Used::at(0x9010, 4).in_slab("demo_inode_info", 0x10));
    let (_home, trace, index) = made.with(&mut [part]);
    let found: Vec<_> = answers(&trace, &index).into_iter().map(|answer| answer.2).collect();
    assert_eq!(found, ["inode.i_lock", "rw_semaphore.wait_lock"]);
}

#[test]
fn a_cache_that_was_merged_is_not_believed() {
    let mut made = trace();
    made.uses.push(Used::at(0x8048, 3).in_slab("demo_inode_info", 0x48));
    made.uses.push(Used::at(0x9010, 2).in_slab("demo_inode_info", 0x10));
    assert_eq!(one(&made), says("-", "unknown", "none"));
}

#[test]
fn other_places_and_other_locks_say_it_when_they_agree() {
    let mut made = trace();
    made.uses = vec![Used::at(0x8000, 3), Used::at(0x8000, 1)];
    assert_eq!(one(&made), says("inode.i_lock", "other_sites", "inferred"));
    // Memory that was used again: the places know what they took, and the third knows nothing.
    made.uses.push(Used::at(0x8000, 2));
    let (_home, both, index) = made.with(&mut [kernel()]);
    let found: Vec<_> = answers(&both, &index).into_iter().map(|answer| answer.2).collect();
    assert_eq!(found, ["-", "inode.i_lock", "queue.lock"]);
    made.uses = vec![Used::at(0x8000, 3).in_slab("own_cache", 8), Used::at(0x9000, 2).in_slab("own_cache", 8)];
    assert_eq!(one(&made), says("queue.lock", "class", "inferred"));
}

#[test]
fn on_a_stack_each_call_has_another_lock() {
    let mut made = trace();
    made.uses.extend([Used::at(0x8000, 3), Used::at(0x8000, 1)]);
    assert_eq!(one(&made), says("inode.i_lock", "other_sites", "inferred"));
    made.on_stack.push(0x8000);
    assert_eq!(one(&made), says("-", "unknown", "none"));
    // What the place says is as good as before.
    made.uses.reverse();
    assert_eq!(one(&made), says("inode.i_lock", "site", "strong"));
}

#[test]
fn a_name_given_at_birth_counts_for_that_life() {
    let mut made = trace();
    made.uses.push(Used { life: 2, ..Used::at(0x8000, 3) });
    made.inits = vec![(0x8000, 1, 9, "&inode->i_lock".into()), (0x8000, 2, 9, "&rq->__lock".into())];
    assert_eq!(one(&made), says("rq.__lock", "init", "strong"));
    made.inits[1].3 = "lock".into();
    assert_eq!(one(&made), says("-", "unknown", "none"));
}

#[test]
fn a_function_that_ends_in_the_lock_function_is_seen_by_its_caller() {
    let mut made = trace();
    made.stack(4, &[(TEXT + 0x415 + SLIDE, "caller", 0x15, None)]);
    made.uses.push(Used::at(0x8000, 4));
    assert_eq!(one(&made), says("queue.lock", "site", "strong"));
}

#[test]
fn beyond_a_user_of_locks_nothing_is_looked_for() {
    let mut made = trace();
    made.stack(4, &[(TEXT + 0xf30 + SLIDE, "_raw_spin_lock", 0x30, None), TAKER]);
    made.stack(5, &[(TEXT + 0x450 + SLIDE, "caller", 0x50, None), TAKER]);
    made.uses.push(Used::at(0x8000, 4));
    assert_eq!(one(&made), says("inode.i_lock", "site", "strong"));
    made.uses[0].stack = 5;
    assert_eq!(one(&made), says("-", "unknown", "none"));
}

#[test]
fn modules_lie_where_there_was_room() {
    let module = Part {
        module: Some("demo".into()),
        functions: vec![function(MODULE, "demo_open")],
        calls: vec![call(MODULE + 8, MODULE, TEXT + 0xf00, "direct")],
        sites: vec![site(MODULE + 8, MODULE, SPIN, "queue.lock", &[])],
        sections: vec![section(".text", MODULE, true, false)],
        ..Part::default()
    };
    let mut made = trace();
    made.stack(4, &[(MODULE + 13 + MODULE_SLIDE, "demo_open", 13, Some("demo"))]);
    made.uses.push(Used::at(0x8000, 4));
    let (_home, trace, index) = made.with(&mut [kernel(), module]);
    assert_eq!(answers(&trace, &index)[0].2, "queue.lock");
    let resolution = resolve(&trace, &index).unwrap();
    assert_eq!((resolution.objects.num_rows(), resolution.lines.num_rows()), (1, 4));
    assert_eq!(resolution.share.acquisitions_resolved, 1);
}

#[test]
fn variables_of_modules_are_known_by_their_symbols() {
    let module = Part {
        module: Some("demo".into()),
        globals: vec![
            global(MODULE + 0x1000, "demo_lock", "", "spinlock_t", false),
            global(MODULE + 0x1100, "demo_inode", "i_lock", "struct inode", false),
            global(MODULE + 0x1200, "demo_pair", "one.i_lock", "struct pair", false),
            global(MODULE + 0x1300, "demo_pair", "two.i_lock", "struct pair", false),
            global(MODULE + 0x1400, "untyped+0x40", "", "", false),
        ],
        functions: vec![function(MODULE, "demo_open")],
        sections: vec![section(".text", MODULE, true, false)],
        ..Part::default()
    };
    // Behind these symbols of the trace lies the lock; the module is not where the index has it, and its data lies elsewhere yet.
    let places = [
        ("demo_lock", 0, ("demo_lock", "symbol", "certain")),
        ("demo_lock", 8, ("-", "unknown", "none")),
        ("demo_inode", 0x88, ("inode.i_lock", "symbol", "certain")),
        ("demo_pair", 0, ("-", "unknown", "none")),
        ("untyped", 0x40, ("untyped+0x40", "symbol", "certain")),
        ("untyped", 0x48, ("-", "unknown", "none")),
        ("plain_lock", 0, ("-", "unknown", "none")),
    ];
    let mut made = trace();
    for (number, (symbol, offset, _)) in (0..).zip(places) {
        let lock = 0xffff_ffff_c012_0000 + number * 0x1000;
        made.frames.push((lock, symbol.to_owned(), offset, Some("demo".to_owned())));
        made.uses.push(Used::at(lock, 3));
    }
    let (_home, trace, index) = made.with(&mut [kernel(), module]);
    for ((_, _, object, method, confidence), (symbol, offset, (wanted, how, sure))) in
        answers(&trace, &index).into_iter().zip(places)
    {
        assert_eq!((&*object, method, confidence), (wanted, how, sure), "{symbol}+{offset:#x}");
    }
}

#[test]
fn an_index_of_another_kernel_is_refused() {
    let (_home, trace, _) = trace().with(&mut [kernel()]);
    let other = tempfile::tempdir().unwrap();
    let folder = other.path().join("other.limaindex");
    let mut manifest = lima_model::IndexManifest { build_id: "ef01".into(), ..Default::default() };
    lima_index::store::write(&folder, &mut manifest, &[kernel()]).unwrap();
    let refused = resolve(&trace, &Index::open(&folder).unwrap()).unwrap_err();
    assert!(matches!(refused, Error::OtherKernel { .. }), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Whatever a trace says, it is resolved or not, and there is no panic.
    #[test]
    fn nothing_in_a_trace_can_harm(
        uses in prop::collection::vec((any::<u64>(), 0..6u64, any::<u32>(), any::<u64>()), 0..20),
        stacks in prop::collection::vec(prop::collection::vec(any::<u64>(), 0..5), 0..6),
        offsets in prop::collection::vec(any::<u64>(), 5),
        per_cpu in prop::collection::vec(any::<u64>(), 0..4),
    ) {
        let mut made = Made { per_cpu, ..trace() };
        let symbols = ["taker", "other", "_raw_spin_lock", "demo_open", "\u{1b}[31m"];
        for (number, addresses) in (10..).zip(stacks) {
            for (at, &address) in addresses.iter().enumerate() {
                let module = (address % 3 == 0).then(|| "demo".to_owned());
                made.frames.push((address, symbols[at % 5].to_owned(), offsets[at % 5], module));
            }
            made.stacks.push((number, addresses));
        }
        for (lock, stack, life, acquisitions) in uses {
            let slab = (lock % 2 == 0).then_some(("demo_inode_info", life));
            made.uses.push(Used { lock, stack: stack + 9, life, slab, acquisitions, lock_type: "spinlock" });
        }
        let (_home, trace, index) = made.with(&mut [kernel()]);
        resolve(&trace, &index).unwrap();
    }
}
