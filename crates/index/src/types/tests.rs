//! What the other rooms ask about types.

use super::fixture::{Writer, d61, d61_path, of, section, types};
use super::{Type, TypeId, TypesBuilder, VOID, btf};
use lima_model::LockType;
use std::sync::Arc;

const OUTER: &str = r"
struct slot { int number; spinlock_t lock; };
typedef struct { int flags; struct mutex guard; } box_t;
struct outer {
    int x;
    union { spinlock_t ptl; void *p; };
    struct { struct mutex m; seqlock_t s; };
    struct slot slots[4];
    rwlock_t rw[2];
    box_t box;
    local_lock_t nothing;
    struct semaphore sem;
    struct ww_mutex ww;
    struct outer *next;
    struct slot tail[];
};
struct holder { long pad; struct outer inside; };
struct unknown;
struct links { struct unknown *u; const struct outer *const o; };
int take(struct outer *o, unsigned long n) { return o->x + n; }
struct holder variable;
struct links links;
";

/// `struct.path type` of the locks at an offset.
fn locks(types: &super::Types, id: TypeId, offset: u32) -> Vec<String> {
    let mut all: Vec<_> = types
        .locks_at(id, offset)
        .iter()
        .map(|lock| {
            let inner = if lock.inner { " inner" } else { "" };
            let path = types.path(&lock.spot);
            format!("{}.{path} {}{inner}", types.name(lock.spot.declaring), lock.lock_type.name())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn index_filter_types_locks_at_offsets() {
    let Some(types) = types(OUTER) else { return };
    let outer = of(&types, "outer");
    assert_eq!(types.bytes(outer), 176);
    let expected: &[(u32, &[&str])] = &[
        (0, &[]),
        (8, &["outer.ptl spinlock"]),
        (9, &[]),
        (16, &["outer.m mutex"]),
        (24, &["mutex.wait_lock raw_spinlock inner"]),
        (40, &["outer.s seqlock"]),
        (44, &["outer.s seqlock"]),
        (52, &["slot.lock spinlock"]),
        (76, &["slot.lock spinlock"]),
        (80, &["outer.rw[] rwlock"]),
        (88, &["outer.rw[] rwlock"]),
        (104, &["box_t.guard mutex"]),
        (128, &["outer.nothing local_lock", "outer.sem semaphore", "semaphore.lock raw_spinlock inner"]),
        (136, &["outer.ww ww_mutex", "ww_mutex.base mutex inner"]),
        (144, &["mutex.wait_lock raw_spinlock inner"]),
        (180, &["slot.lock spinlock"]),
        (188, &["slot.lock spinlock"]),
    ];
    for &(offset, wanted) in expected {
        assert_eq!(locks(&types, outer, offset), wanted, "at {offset}");
    }
    let holder = of(&types, "holder");
    assert_eq!(locks(&types, holder, 8 + 88), ["outer.rw[] rwlock"]);
    let lock = types.locks_at(holder, 8 + 76)[0];
    assert_eq!(types.path_from(holder, lock.start, &lock.spot), "inside.slots[].lock");
    assert_eq!((lock.spot.offset, lock.start), (4, 84));
    let seqlock = types.locks_at(outer, 44)[0];
    assert_eq!(seqlock.start, 40);
    assert!(seqlock.taken_by(LockType::Spinlock) && seqlock.taken_by(LockType::Seqlock));
    assert!(!seqlock.taken_by(LockType::Mutex));
    // Elements of an array are one object.
    assert_eq!(types.locks_at(outer, 52)[0].spot, types.locks_at(outer, 76)[0].spot);
}

#[test]
fn index_filter_types_pointers_and_members() {
    let Some(types) = types(OUTER) else { return };
    let (outer, links) = (of(&types, "outer"), of(&types, "links"));
    assert_eq!(types.pointers_at(outer, 168), [outer]);
    assert_eq!(types.pointers_at(outer, 8), [VOID]);
    assert_eq!(types.pointers_at(links, 8), [outer]);
    let unknown = types.pointers_at(links, 0)[0];
    assert_eq!((types.get(unknown), types.name(unknown)), (Type::Forward, "unknown"));
    assert_eq!(types.member_path(outer, 168), Some((outer, "next".into())));
    assert_eq!(types.member_path(outer, 64), Some((of(&types, "slot"), "number".into())));
    assert_eq!(types.member_path(outer, 16), Some((of(&types, "mutex"), "owner".into())));
    assert_eq!(types.member_path(outer, 4), None);
    assert_eq!(types.spelled(types.members(links)[1].of), "struct outer *");
}

#[test]
fn index_filter_types_prototypes_and_variables() {
    let Some(types) = types(OUTER) else { return };
    let prototype = types.prototype("take").expect("a function");
    assert_eq!(types.pointee(prototype.parameters[0]), Some(of(&types, "outer")));
    assert_eq!(types.bytes(prototype.parameters[1]), 8);
    assert_eq!(types.resolved(prototype.returns), Type::Scalar { bytes: 4 });
    assert_eq!(types.prototype("give"), None);
    assert_eq!(types.variable("variable").map(|id| types.resolve(id)), Some(of(&types, "holder")));
    assert_eq!(types.percpu_variable("variable"), None);
    assert_eq!(types.composite_named("outer", 176), Some(of(&types, "outer")));
    assert_eq!(types.composite_named("outer", 200), None);
    assert_eq!(types.composite_named("box_t", 32), types.composites_named("box_t").next());
}

#[test]
fn index_filter_types_embedders() {
    let Some(types) = types(OUTER) else { return };
    let slot = of(&types, "slot");
    let found: Vec<_> = types
        .embedders(slot)
        .iter()
        .map(|by| (types.name(by.outer).to_owned(), by.offset, by.stride, by.count))
        .collect();
    let expected = [("outer", 48, 8, 4), ("holder", 56, 8, 4), ("outer", 176, 8, 0), ("holder", 184, 8, 0)];
    assert_eq!(found, expected.map(|(name, offset, stride, count)| (name.to_owned(), offset, stride, count)));
}

#[test]
fn index_filter_types_built_by_hand() {
    let mut builder = TypesBuilder::new();
    let (node, pointer) = (builder.declare(), builder.declare());
    let long = builder.add("long", Type::Scalar { bytes: 8 });
    builder.define(pointer, "", Type::Pointer(node));
    let next = builder.member("next", pointer, 0);
    let value = builder.member("value", long, 64);
    builder.define_composite(node, "node", false, 16, &[next, value]);
    let prototype = builder.declare();
    builder.define_function(prototype, pointer, &[long]);
    builder.function("first", prototype);
    assert_eq!(builder.composite_named("node", 16), Some(node));
    let kernel = Arc::new(builder.build().expect("types"));
    assert_eq!(kernel.pointers_at(node, 0), [node]);
    assert_eq!(kernel.prototype("first").map(|known| known.parameters), Some(&[long][..]));
    // A module's struct around the kernel's.
    let mut builder = TypesBuilder::on(Arc::clone(&kernel));
    let outer = builder.declare();
    let member = builder.member("a", node, 64);
    builder.define_composite(outer, "around", false, 24, &[member]);
    let module = builder.build().expect("types");
    assert_eq!(module.embedders(node)[0].outer, outer);
    assert_eq!(module.member_path(outer, 16), Some((node, "value".into())));
    assert_eq!(module.name(node), "node");
    assert!(kernel.embedders(node).is_empty());
}

#[test]
fn index_filter_types_of_a_module_go_on_where_the_kernels_end() {
    let mut kernel = Writer::default();
    kernel.add("int", 1, 0, 4, &[32]);
    let name = kernel.name("value");
    kernel.add("raw_spinlock", 4, 1, 4, &[name, 1, 0]);
    let bytes = kernel.finish();
    let names = kernel.name("end");
    let mut builder = btf::read(&bytes).expect("BTF");
    // What DWARF adds to the kernel's types does not move the module's.
    let added = builder.add("extra", Type::Scalar { bytes: 2 });
    let kernel = Arc::new(builder.build().expect("types"));
    let mut module = Writer::on(names);
    let lock = module.name("lock");
    module.add("own", 4, 2, 8, &[lock, 2, 32, name, 1, 0]);
    module.add("", 2, 0, 3, &[]);
    let module = btf::read_module(&module.finish(), Arc::clone(&kernel)).expect("BTF").build().expect("types");
    let own = of(&module, "own");
    assert!(own > added);
    assert_eq!(module.name(added), "extra");
    assert_eq!(locks(&module, own, 4), ["own.lock raw_spinlock"]);
    assert_eq!(module.member_path(own, 0), Some((own, "value".into())));
    assert_eq!(module.pointee(TypeId(own.0 + 1)), Some(own));
    assert_eq!(module.own().len(), 2);
}

#[test]
fn index_filter_types_of_a_module_with_its_base() {
    // The kernel has grown since the module was built: other numbers, other names before those that are wanted.
    let mut kernel = Writer::default();
    kernel.add("other", 4, 0, 64, &[]);
    kernel.add("int", 1, 0, 4, &[32]);
    let value = kernel.name("value");
    kernel.add("raw_spinlock", 4, 1, 4, &[value, 2, 0]);
    kernel.add("twice", 4, 0, 4, &[]);
    kernel.add("twice", 4, 0, 4, &[]);
    let kernel = Arc::new(btf::read(&kernel.finish()).expect("BTF").build().expect("types"));
    let mut base = Writer::default();
    base.add("int", 1, 0, 4, &[32]);
    base.add("raw_spinlock", 4, 0, 4, &[]);
    base.add("raw_spinlock", 4, 0, 12, &[]);
    base.add("twice", 4, 0, 4, &[]);
    base.add("other", 7, 0, 0, &[]);
    let names = base.name("end");
    let mut module = Writer::on(names + 4);
    let names = ["lock", "longer", "any", "to"].map(|name| module.name(name));
    let member = |name: usize, of, at| [names[name], of, at];
    let members = [member(0, 2, 32), member(1, 3, 64), member(2, 4, 160), member(3, 7, 192)].concat();
    module.add("own", 4, 4, 32, &members);
    module.add("", 2, 0, 5, &[]);
    let (base, module) = (base.finish(), module.finish());
    let read = |base: &[u8], module: &[u8]| btf::read_module_with_base(base, module, Arc::clone(&kernel));
    let types = read(&base, &module).expect("BTF").build().expect("types");
    let own = of(&types, "own");
    assert_eq!(locks(&types, own, 4), ["own.lock raw_spinlock"], "a type of the kernel");
    assert_eq!(types.members(own)[0].of, of(&kernel, "raw_spinlock"));
    assert!(types.members(own)[1].of >= kernel.end(), "another size");
    assert!(types.members(own)[2].of >= kernel.end(), "one of two is not chosen");
    assert_eq!(types.pointee(types.members(own)[3].of), Some(of(&kernel, "other")), "by its name alone");
    for end in 0..base.len().max(module.len()) {
        let cut = |bytes: &[u8]| bytes[..end.min(bytes.len())].to_vec();
        for read in [read(&cut(&base), &module), read(&base, &cut(&module))] {
            let _ = read.and_then(|builder| builder.build());
        }
    }
}

#[test]
fn index_filter_types_of_a_kernel() {
    let Some(types) = d61() else { return };
    let inode = of(&types, "inode");
    let semaphore = types.members(inode).iter().find(|member| types.text(member.name) == "i_rwsem").expect("i_rwsem");
    assert_eq!(locks(&types, inode, semaphore.offset()), ["inode.i_rwsem rwsem"]);
    let prototype = types.prototype("vfs_read").expect("vfs_read");
    assert_eq!(types.pointee(prototype.parameters[0]), Some(of(&types, "file")));
    let queue = types.percpu_variable("runqueues").expect("runqueues");
    assert_eq!(types.name(types.resolve(queue)), "rq");
    assert!(types.embedders(inode).iter().any(|by| types.name(by.outer) == "ext4_inode_info"));
}

/// Every module of the kernel: its types go on top of the kernel's.
#[test]
fn index_filter_types_of_the_kernels_modules() {
    let (Some(kernel), Some(path)) = (d61(), d61_path()) else { return };
    let Some(folder) = path.ancestors().nth(5).map(|root| root.join("lib/modules/6.1.0-50-cloud-amd64/kernel/fs"))
    else {
        return;
    };
    let mut read = 0;
    for name in ["xfs/xfs.ko", "btrfs/btrfs.ko", "nfs/nfs.ko", "overlayfs/overlay.ko", "fuse/fuse.ko"] {
        let file = folder.join(name);
        let Some(bytes) = file.exists().then(|| section(&file)).flatten() else { continue };
        let module = btf::read_module(&bytes, Arc::clone(&kernel)).expect(name).build().expect(name);
        assert!(module.own().len() > 100, "{name}");
        let inode = of(&kernel, "inode");
        let outer = module.embedders(inode);
        assert!(outer.len() > kernel.embedders(inode).len(), "{name}: no struct of its own has an inode");
        read += 1;
    }
    if read == 0 {
        eprintln!("skipped: no modules in the cache");
    }
}
