//! The reader against small files that are compiled on the spot, and the big kernel when it is there.

mod damage;
mod files;
mod modules;
mod packed;
mod tables;
mod written;

use super::{Image, Kind, MODULES_START, Place, SymbolKind};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A kernel in miniature: where it is linked, what it calls itself, a lock, and its per-CPU share.
const KERNEL: &str = r#"
const char linux_banner[] = "Linux version 9.9.9-test (somebody@somewhere) #1\n";
struct mutex { long owner; int wait[6]; };
struct mutex a_lock = { 7, { 1 } };
static volatile long twice = 1;
long a_zero[64];
__attribute__((section(".data..percpu"))) long share = 3;
__attribute__((noinline)) void mutex_lock(struct mutex *lock) { lock->owner = twice; }
__attribute__((noinline)) void mutex_unlock(struct mutex *lock) { lock->owner = 0; share = 0; }
void _start(void) { mutex_lock(&a_lock); mutex_unlock(&a_lock); }
"#;

/// A second file of it, with a name that the first one has too.
const SECOND: &str = "static long twice = 2;\nlong *second(void) { return &twice; }\n";

/// How it is linked, with each CPU's share from 0 on, as the kernel's was until 6.15.
const SCRIPT: &str = "SECTIONS {
. = 0xffffffff81000000; .text : { *(.text*) } .rodata : { *(.rodata*) } .note.gnu.build-id : { *(.note.gnu.build-id) }
.data..percpu 0 : AT(ADDR(.note.gnu.build-id) + 4096) { *(.data..percpu) }
. = 0xffffffff81004000; .data : { *(.data) } .bss : { *(.bss) } }";

/// A module that calls the kernel, another module and itself, and points to its own.
const MODULE: &str = r#"
struct mutex { long owner; int wait[6]; };
void mutex_lock(struct mutex *lock);
void mutex_unlock(struct mutex *lock);
void elsewhere(void);
extern struct mutex a_lock;
__attribute__((section(".modinfo"), used)) static const char name[] = "name=mini";
__attribute__((section(".modinfo"), used)) static const char made[] = "vermagic=9.9.9-test SMP mod_unload ";
static struct mutex own;
struct mutex *to_own = &own;
struct mutex *to_kernels = &a_lock;
void (*to_other)(void) = elsewhere;
__attribute__((section(".data..percpu"))) long share_of_mini;
__attribute__((noinline)) void inner(struct mutex *lock) { mutex_lock(lock); elsewhere(); mutex_unlock(lock); }
void outer(void) { inner(&own); inner(&a_lock); }
"#;

/// A folder with files that were made for a test.
struct Workshop(TempDir);

impl Workshop {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, command: &str, arguments: &[&str]) {
        let output = Command::new(command).args(arguments).current_dir(self.0.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command} {arguments:?}: {said}");
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), contents).unwrap();
        self.path(name)
    }

    /// The miniature kernel with debug information.
    fn kernel(&self) -> PathBuf {
        self.write("kernel.c", KERNEL);
        self.write("second.c", SECOND);
        self.write("kernel.lds", SCRIPT);
        let linking = ["-Wl,-T,kernel.lds", "-Wl,--build-id=sha1", "-Wl,--emit-relocs", "-nostdlib", "-static"];
        self.run("gcc", &[COMMON, &linking, &["-o", "vmlinux", "kernel.c", "second.c"]].concat());
        self.path("vmlinux")
    }

    /// The module with debug information.
    fn module(&self) -> PathBuf {
        self.write("mini.c", MODULE);
        self.run("gcc", &[COMMON, &["-c", "-o", "mini.o", "mini.c"][..]].concat());
        self.run("ld", &["-r", "--build-id=sha1", "-o", "mini.ko", "mini.o"]);
        self.path("mini.ko")
    }
}

const COMMON: &[&str] = &[
    "-O1",
    "-g",
    "-gdwarf-5",
    "-ffreestanding",
    "-fno-pic",
    "-no-pie",
    "-mcmodel=kernel",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-optimize-sibling-calls",
    "-fcf-protection=none",
];

/// A kernel of the cache, when the test set-up has fetched it.
fn big(name: &str, inside: &str) -> Option<PathBuf> {
    let home = std::env::var_os("HOME")?;
    let path = PathBuf::from(home).join(".cache/lima/kernels").join(name).join(inside);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there; scripts/fetch-kernel.sh {name} fetches it", path.display());
    None
}

const D61: &str = "usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64";

#[test]
fn a_small_kernel() {
    let workshop = Workshop::new();
    let path = workshop.kernel();
    let image = Image::open(&path).unwrap();
    assert_eq!((image.kind.clone(), image.build_id.len(), image.release()), (Kind::Kernel, 20, Some("9.9.9-test")));
    assert!(image.has_dwarf() && image.btf().unwrap().is_none());
    assert!(image.symbols.is_sorted_by_key(|s| s.address));

    let text = image.section(".text").unwrap();
    assert!(text.loaded && text.executable && !text.per_cpu && text.contains(text.address));
    assert_eq!(text.address, 0xffff_ffff_8100_0000);
    assert!(!image.section(".debug_info").unwrap().loaded);
    assert!(image.section_of(text.address - 1).is_none() && image.section_of(u64::MAX).is_none());

    let lock = image.symbols_named("a_lock").next().unwrap();
    assert_eq!((lock.kind, lock.place, lock.size, lock.global), (SymbolKind::Object, Place::Memory, 32, true));
    assert_eq!((image.u64_at(lock.address), image.u32_at(lock.address + 8)), (Some(7), Some(1)));
    let at = |address| image.symbol_at(address).map(|(symbol, offset)| (symbol.name.as_str(), offset));
    assert_eq!(at(lock.address + 31), Some(("a_lock", 31)));
    assert_eq!(at(text.address - 1), None);
    let function = image.symbols_named("mutex_unlock").next().unwrap();
    assert_eq!(at(function.address + function.size - 1), Some(("mutex_unlock", function.size - 1)));

    let twice: Vec<_> = image.symbols_named("twice").filter_map(|s| image.u64_at(s.address)).collect();
    assert!(twice == [1, 2] || twice == [2, 1], "{twice:?}");
    assert_eq!(image.symbols_named("no such name").count(), 0);
    let share = image.symbols_named("share").next().unwrap();
    assert_eq!(share.place, Place::PerCpu);
    assert!(image.section_of(share.address).unwrap().per_cpu);

    let banner = image.symbols_named("linux_banner").next().unwrap().address;
    assert_eq!(image.c_string_at(banner + 14).unwrap(), "9.9.9-test (somebody@somewhere) #1\n");
    assert_eq!(image.bytes(banner, usize::MAX), None);
    let zero = image.symbols_named("a_zero").next().unwrap();
    assert!(
        image.section_of(zero.address).is_some() && image.bytes(zero.address, 8).is_none(),
        "nothing is known of .bss"
    );
    assert_eq!(image.section_data(".bss").unwrap(), None);
}

#[test]
fn a_real_kernel() {
    let Some(path) = big("d61", D61) else { return };
    let image = Image::open(&path).unwrap();
    assert_eq!((image.kind.clone(), image.build_id.len()), (Kind::Kernel, 20));
    assert_eq!(image.release(), Some("6.1.0-50-cloud-amd64"));
    assert!(image.has_dwarf());
    assert!(image.btf().unwrap().unwrap().starts_with(&[0x9f, 0xeb]));
    let lock = image.symbols_named("tasklist_lock").next().unwrap();
    assert_eq!((lock.kind, lock.place), (SymbolKind::Object, Place::Memory));
    let (symbol, offset) = image.symbol_at(lock.address + 4).unwrap();
    assert_eq!((symbol.name.as_str(), offset), ("tasklist_lock", 4));
    assert_eq!(image.symbols_named("runqueues").next().unwrap().place, Place::PerCpu);
    assert!(image.section_of(0).unwrap().per_cpu);
}

/// Asks everything that can be asked.
fn ask(image: &Image) {
    let _ = (image.release(), image.has_dwarf(), image.btf().is_ok());
    for section in &image.sections {
        let _ = (image.section_data(&section.name).is_ok(), image.section_of(section.address).is_some());
        let _ = (image.bytes(section.address, 16), image.bytes_from(section.end()), image.c_string_at(section.address));
    }
    for symbol in &image.symbols {
        let _ = (image.symbol_at(symbol.address), image.symbol_at(symbol.address.wrapping_add(symbol.size)));
        let _ = (image.symbols_named(&symbol.name).count(), image.u64_at(symbol.address));
    }
}

/// A module next to a kernel, opened.
fn open_module(path: &Path, kernel: &Image) -> Image {
    Image::open_module(path, kernel, MODULES_START).unwrap()
}
