//! The locks in variables of a small program, and of a kernel.

use super::{Globals, addresses_of, object_of};
use crate::debug::{Debug, TypeMap, Variable};
use crate::image::Image;
use crate::types::fixture::{LOCKS, d61, d61_path, types};
use lima_model::LockType;
use std::process::Command;
use std::sync::Arc;

const VARIABLES: &str = r"
struct slot { int number; spinlock_t lock; };
struct table { long size; struct slot slots[3]; seqlock_t s; };
struct table table = { 1 };
spinlock_t alone = { { { 1 } } };
struct mutex pair[2] = { { 1 } };
long nothing[4] = { 1 };
static spinlock_t *here(void) { static spinlock_t hidden = { { { 1 } } }; return &hidden; }
";

/// A program for this machine, from C.
fn image(folder: &std::path::Path, code: &str) -> Option<Image> {
    let (source, out) = (folder.join("a.c"), folder.join("a"));
    std::fs::write(&source, format!("{LOCKS}\n{code}\nspinlock_t *_start(void) {{ return here(); }}")).ok()?;
    let mut command = Command::new("gcc");
    command.args(["-g", "-O0", "-static", "-nostdlib", "-o"]).arg(&out).arg(&source);
    if !command.output().is_ok_and(|done| done.status.success()) {
        eprintln!("skipped: no gcc");
        return None;
    }
    Some(Image::open(&out).expect("an image"))
}

#[test]
fn index_filter_layout_globals_of_a_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(types) = types(VARIABLES) else { return };
    let Some(image) = image(folder.path(), VARIABLES) else { return };
    let types = Arc::new(types);
    let debug = Debug::open(&image).expect("debug information").expect("some");
    let variables: Vec<Variable> = debug.variables(&TypeMap::new(Arc::clone(&types)));
    let address = |name: &str| image.symbols_named(name).next().expect("a symbol").address;
    let mut globals = Globals::new(&image, &types, &variables);
    let lock = globals.at(address("table") + 8 + 12, LockType::Mutex).expect("a lock").clone();
    assert_eq!((&lock.symbol[..], &lock.path[..], lock.method), ("table", "slots[1].lock", "debug"));
    assert_eq!((&lock.section[..], lock.per_cpu, lock.bytes), (".data", false, 4));
    assert_eq!(object_of(&lock), "table.slots[].lock");
    let seqlock = address("table") + 32;
    assert_eq!(globals.at(seqlock + 4, LockType::Mutex), globals.at(seqlock, LockType::Mutex));
    assert_eq!(
        globals.at(seqlock, LockType::Mutex).map(|row| addresses_of(row).collect()),
        Some(vec![seqlock, seqlock + 4])
    );
    assert_eq!(addresses_of(&lock).collect::<Vec<_>>(), [lock.address]);
    assert_eq!(globals.at(seqlock, LockType::Mutex).map(|row| row.lock_type), Some(LockType::Seqlock));
    assert_eq!(globals.at(address("alone"), LockType::Mutex).map(object_of).as_deref(), Some("alone"));
    let second = address("pair") + u64::from(types.bytes(types.composites_named("mutex").next().expect("mutex")));
    assert_eq!(globals.at(second, LockType::Mutex).map(object_of).as_deref(), Some("pair[]"));
    assert_eq!(globals.at(address("nothing") + 8, LockType::Mutex), None);
    globals.site(address("nothing") + 8, LockType::Mutex);
    globals.site(address("nothing") + 8, LockType::Mutex);
    globals.site(address("alone"), LockType::Spinlock);
    let (rows, left_out) = globals.into_rows();
    assert_eq!((rows.len(), left_out), (3 + 1 + 1 + 2 + 1 + 1, 0));
    let site = rows.iter().find(|row| row.method == "site").expect("the site's");
    assert_eq!((object_of(site).as_str(), site.lock_type), ("nothing+0x8", LockType::Mutex));
    let hidden = rows.iter().find(|row| row.function.is_some()).expect("the static one's");
    assert_eq!(hidden.function.as_deref(), Some("here"));
    assert!(hidden.symbol.starts_with("hidden"));
}

#[test]
fn index_filter_layout_globals_of_a_kernel() {
    let (Some(types), Some(path)) = (d61(), d61_path()) else { return };
    let image = Image::open(&path).expect("an image");
    let (rows, left_out) = Globals::new(&image, &types, &[]).into_rows();
    assert_eq!(left_out, 0);
    assert!(rows.iter().all(|row| row.per_cpu && row.method == "btf" && row.section == ".data..percpu"));
    let queue = rows.iter().find(|row| row.symbol == "runqueues" && row.path == "__lock").expect("a run queue's lock");
    assert_eq!(queue.lock_type, LockType::RawSpinlock);
    assert!(image.symbols_named("runqueues").any(|symbol| symbol.address == queue.address));
}
