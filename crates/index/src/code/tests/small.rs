//! What the room finds in small kernels of known code.

use super::super::x86::X86;
use super::super::{CallKind, Operation as Step, Program};
use super::{callees, each_way, function};
use crate::image::Image;
use lima_model::LockType;
use lima_model::words::Operation;

const CODE: &str = r#"
struct thing { long count; long mutex; long lock; };
long a, b;
static char key;
void straight(struct thing *t) { mutex_lock(&t->mutex); seen(t); mutex_unlock(&t->mutex); seen(t); }
void init(struct thing *t) { seen(t); __mutex_init(&t->mutex, "&t->mutex", &key); seen(t); }
int counted(struct thing *t) { int r = refcount_dec_and_lock(&t->count, &t->lock); seen(t); return r; }
int choose(int n, void *p) {
	switch (n) {
	case 0: mutex_lock(p); return 5;
	case 1: mutex_unlock(p); return 17;
	case 2: _raw_spin_lock(p); return 2;
	case 3: _raw_spin_unlock(p); return 99;
	case 4: seen(p); return 1;
	case 5: return result(p) + 7;
	case 6: __mutex_init(p, "six", p); return 3;
	case 7: return mutex_trylock(p) * 3;
	default: return 0;
	}
}
void (*operation)(void *);
void indirect(void *p) { operation(p); seen(p); }
void fails(int x) { if (x) die(); mutex_lock(&a); seen(&a); }
void loops(int n) { for (int i = 0; i < n; i++) { mutex_lock(&a); if (result(&b)) continue; mutex_unlock(&a); } }
void tail(void *p) { seen(p); mutex_unlock(p); }
"#;

fn sites(program: &Program, name: &str) -> Vec<(&'static str, Operation, bool)> {
    let id = function(program, name);
    let sites = program.sites.iter().filter(|site| site.function == id);
    sites.map(|site| (site.primitive.name, site.operation, site.own)).collect()
}

#[test]
fn functions_calls_and_sites() {
    each_way(CODE, |image, program, way| {
        let text = |name: &str| callees(program, name).iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(text("straight"), ["mutex_lock", "seen", "mutex_unlock", "seen"], "{way}");
        let sites_of = |name| sites(program, name);
        assert_eq!(
            sites_of("straight"),
            [("mutex_lock", Operation::Acquire, false), ("mutex_unlock", Operation::Release, false)],
            "{way}"
        );
        assert_eq!(sites_of("counted"), [("refcount_dec_and_lock", Operation::Try, false)], "{way}");
        // The lock functions' own locks.
        let own = [("_raw_spin_lock", Operation::Acquire, true), ("_raw_spin_unlock", Operation::Release, true)];
        assert!(sites_of("mutex_lock").is_empty() || sites_of("mutex_lock") == own, "{way}: inlined, or its own");
        let init = program.sites.iter().find(|site| site.function == function(program, "init")).expect("a site");
        assert_eq!((init.operation, init.primitive.lock_type), (Operation::Init, LockType::Mutex), "{way}");
        assert_eq!(init.lock_name.and_then(|name| image.c_string_at(name)), Some("&t->mutex"), "{way}");
        let key = image.symbols_named("key").next().expect("a symbol").address;
        assert_eq!(init.class_key, Some(key), "{way}");
        let site = program.sites.iter().find(|site| site.primitive.name == "refcount_dec_and_lock").expect("a site");
        assert_eq!(site.primitive.lock, 1);
    });
}

#[test]
fn calls_of_all_kinds() {
    each_way(CODE, |_, program, way| {
        let kinds = |name| {
            let calls = program.calls.from(function(program, name)).iter();
            calls.map(|call| call.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds("indirect")[0], CallKind::Indirect, "{way}");
        let last = if way.ends_with("-O0") { CallKind::Direct } else { CallKind::Tail };
        assert_eq!(kinds("tail"), [CallKind::Direct, last], "{way}");
        let callee = program.functions[function(program, "mutex_unlock")].range.start;
        let callers = program.calls.to(callee).map(|call| &*program.functions[call.caller].name);
        let mut callers: Vec<_> = callers.collect();
        callers.sort_unstable();
        callers.dedup();
        assert_eq!(callers, ["choose", "loops", "straight", "tail"], "{way}");
        // A switch is no call.
        assert!(!kinds("choose").contains(&CallKind::Indirect), "{way}");
    });
}

fn unreachable(image: &Image, program: &Program, name: &str) -> usize {
    let graph = program.graph(image, &program.functions[function(program, name)], &mut X86::default());
    let mut reached = vec![false; graph.blocks.len()];
    graph.order().iter().for_each(|&block| reached[block as usize] = true);
    let padding = |block: u32| {
        let operations = graph.operations(block);
        operations.iter().all(|instruction| matches!(instruction.operation, Step::Trap | Step::Nothing))
    };
    (0..graph.blocks.len() as u32).filter(|&block| !reached[block as usize] && !padding(block)).count()
}

#[test]
fn all_code_can_be_reached() {
    each_way(CODE, |image, program, way| {
        for name in ["straight", "choose", "loops", "fails", "indirect", "counted"] {
            assert_eq!(unreachable(image, program, name), 0, "{way}: {name}");
        }
        let choose = &program.functions[function(program, "choose")];
        let graph = program.graph(image, choose, &mut X86::default());
        assert!((0..graph.blocks.len() as u32).any(|block| graph.successors(block).len() >= 8), "{way}: no switch");
    });
}

#[test]
fn predecessors_mirror_successors_and_order_is_topological_but_for_loops() {
    each_way(CODE, |image, program, way| {
        for (_, function) in program.functions.iter() {
            let graph = program.graph(image, function, &mut X86::default());
            let blocks = graph.blocks.len() as u32;
            for block in 0..blocks {
                for &next in graph.successors(block) {
                    assert!(graph.predecessors(next).contains(&block), "{way}");
                }
            }
            assert_eq!(
                (0..blocks).map(|block| graph.successors(block).len()).sum::<usize>(),
                (0..blocks).map(|block| graph.predecessors(block).len()).sum::<usize>(),
            );
            assert_eq!(graph.order().first(), (blocks > 0).then_some(&0), "{way}");
        }
    });
}

#[test]
fn what_never_comes_back_ends_a_block() {
    each_way(CODE, |image, program, way| {
        // `die` is known by how it ends, `panic` by its name.
        let fails = &program.functions[function(program, "fails")];
        let graph = program.graph(image, fails, &mut X86::default());
        let die = program.functions[function(program, "die")].range.start;
        let call = program.calls.from(function(program, "fails")).iter().find(|call| call.callee == Some(die));
        if let Some(call) = call.filter(|call| call.kind == CallKind::Direct) {
            let block = graph.block_at(call.address).expect("a block");
            assert_eq!(graph.successors(block), [] as [u32; 0], "{way}");
        }
    });
}
