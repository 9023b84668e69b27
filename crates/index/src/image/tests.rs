//! The reader against small files that are compiled on the spot, and the big kernel when it is there.

use super::{Image, Kind, Place, SymbolKind};
use std::path::PathBuf;

/// The big kernel with debug information, when the test set-up has fetched it.
fn d61() -> Option<PathBuf> {
    let home = std::env::var_os("HOME")?;
    let path = PathBuf::from(home).join(".cache/lima/kernels/d61/usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64");
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there; scripts/fetch-kernel.sh fetches it", path.display());
    None
}

#[test]
fn a_real_kernel() {
    let Some(path) = d61() else { return };
    let image = Image::open(&path).unwrap();
    assert_eq!(image.kind, Kind::Kernel);
    assert_eq!(image.build_id.len(), 20);
    assert_eq!(image.release(), Some("6.1.0-50-cloud-amd64"));
    assert!(image.has_dwarf());
    assert!(image.btf().unwrap().unwrap().starts_with(&[0x9f, 0xeb]));
    let text = image.section(".text").unwrap();
    assert!(text.executable && text.loaded && image.bytes(text.address, 16).is_some());
    let lock = image.symbols_named("tasklist_lock").next().unwrap();
    assert_eq!((lock.kind, lock.place), (SymbolKind::Object, Place::Memory));
    let (symbol, offset) = image.symbol_at(lock.address + 4).unwrap();
    assert_eq!((symbol.name.as_str(), offset), ("tasklist_lock", 4));
    let (symbol, offset) = image.symbol_at(image.symbols_named("mutex_lock").next().unwrap().address + 1).unwrap();
    assert_eq!((symbol.name.as_str(), offset), ("mutex_lock", 1));
    assert_eq!(image.symbols_named("runqueues").next().unwrap().place, Place::PerCpu);
    assert!(image.symbols.is_sorted_by_key(|s| s.address));
    let banner = image.symbols_named("linux_banner").next().unwrap();
    assert!(image.c_string_at(banner.address).unwrap().starts_with("Linux version 6.1.0-50"));
    assert!(image.section_of(0).unwrap().per_cpu);
}
