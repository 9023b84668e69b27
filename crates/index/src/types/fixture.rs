//! Types for tests: from C through a compiler, from hand-written BTF, and those of a real kernel when it is in the cache.

use super::{TypeId, Types, btf};
use object::{Object, ObjectSection};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// Locks as the kernel has them, in small.
pub const LOCKS: &str = r"
typedef struct raw_spinlock { unsigned value; } raw_spinlock_t;
typedef struct spinlock { union { struct raw_spinlock rlock; }; } spinlock_t;
typedef struct { unsigned count, wait; } rwlock_t;
typedef struct { unsigned sequence; spinlock_t lock; } seqlock_t;
typedef struct { } local_lock_t;
struct mutex { long owner; raw_spinlock_t wait_lock; void *list; };
struct semaphore { raw_spinlock_t lock; unsigned count; };
struct ww_mutex { struct mutex base; void *ctx; };
";

/// The section .BTF of a C file.
pub fn compile(code: &str) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, out) = (folder.path().join("a.c"), folder.path().join("a.o"));
    std::fs::write(&source, format!("{LOCKS}\n{code}")).expect("a source file");
    let compiler = ["clang-19", "clang"].into_iter().find_map(|compiler| {
        let mut command = Command::new(compiler);
        command.args(["-target", "bpf", "-g", "-O2", "-c"]).arg(&source).arg("-o").arg(&out);
        command.output().ok().filter(|done| done.status.success())
    });
    if compiler.is_none() {
        eprintln!("skipped: no clang that compiles to BTF");
        return None;
    }
    section(&out)
}

/// The types of a C file.
pub fn types(code: &str) -> Option<Types> {
    let bytes = compile(code)?;
    Some(btf::read(&bytes).expect("a compiler's BTF").build().expect("a compiler's types"))
}

/// The struct of this tag.
pub fn of(types: &Types, name: &str) -> TypeId {
    types.composites_named(name).next().unwrap_or_else(|| panic!("no struct {name}"))
}

/// Where the D61 kernel's debug file is, when it is in the cache.
pub fn d61_path() -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("HOME")?)
        .join(".cache/lima/kernels/d61/usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64");
    if !path.exists() {
        eprintln!("skipped: the D61 kernel is not in the cache");
        return None;
    }
    Some(path)
}

/// The types of the D61 kernel.
pub fn d61() -> Option<Arc<Types>> {
    static TYPES: OnceLock<Option<Arc<Types>>> = OnceLock::new();
    let read = || {
        let bytes = section(&d61_path()?)?;
        Some(Arc::new(btf::read(&bytes).expect("a kernel's BTF").build().expect("a kernel's types")))
    };
    TYPES.get_or_init(read).clone()
}

/// The section .BTF of a file.
pub fn section(path: &Path) -> Option<Vec<u8>> {
    let file = std::fs::File::open(path).expect("a file");
    // SAFETY: the file is only read, and nobody changes it during a test.
    let bytes = unsafe { memmap2::Mmap::map(&file).expect("a map") };
    let elf = object::File::parse(&*bytes).expect("an ELF file");
    Some(elf.section_by_name(".BTF")?.data().expect("contents").to_vec())
}

/// BTF written by hand.
#[derive(Default)]
pub struct Writer {
    types: Vec<u8>,
    names: Vec<u8>,
    first_name: u32,
}

impl Writer {
    /// BTF whose names go on at an offset.
    pub fn on(first_name: u32) -> Self {
        Self { first_name, ..Self::default() }
    }

    pub fn name(&mut self, name: &str) -> u32 {
        if self.names.is_empty() && self.first_name == 0 {
            self.names.push(0);
        }
        let at = self.first_name + self.names.len() as u32;
        self.names.extend(name.bytes().chain([0]));
        at
    }

    /// Adds a type: kind, count, size or type, and the words after it.
    pub fn add(&mut self, name: &str, kind: u32, count: u32, word: u32, more: &[u32]) {
        let name = if name.is_empty() { 0 } else { self.name(name) };
        for word in [name, kind << 24 | count, word].iter().chain(more) {
            self.types.extend(word.to_le_bytes());
        }
    }

    pub fn finish(&self) -> Vec<u8> {
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        let (types, names) = (self.types.len() as u32, self.names.len() as u32);
        for word in [24, 0, types, types, names] {
            bytes.extend(u32::to_le_bytes(word));
        }
        bytes.extend(&self.types);
        bytes.extend(&self.names);
        bytes
    }
}
