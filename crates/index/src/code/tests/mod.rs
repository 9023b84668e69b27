//! Small kernels from C through several compilers, a real one, and random bytes.

mod functions;
mod hostile;
mod real;
mod small;

use super::{FunctionId, Program};
use crate::image::Image;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Lock functions that do nothing, in a file of their own so that the compiler knows nothing of them.
const LOCK_FUNCTIONS: &str = r#"
static long wait_lock;
void seen(void *p) { __asm__ volatile("" :: "r"(p) : "memory"); }
int result(void *p) { int r; __asm__ volatile("" : "=r"(r) : "0"(p) : "memory"); return r; }
void _raw_spin_lock(void *p) { seen(p); }
void _raw_spin_unlock(void *p) { seen(p); }
void mutex_lock(void *p) { _raw_spin_lock(&wait_lock); seen(p); _raw_spin_unlock(&wait_lock); }
void mutex_unlock(void *p) { seen(p); seen(p); }
int mutex_trylock(void *p) { return result(p); }
int mutex_lock_interruptible(void *p) { return result(p) + 1; }
int refcount_dec_and_lock(void *r, void *p) { return result(r) + result(p); }
void __mutex_init(void *p, const char *name, void *key) { seen(p); seen((void *)name); seen(key); }
_Noreturn void panic(const char *why) { for (;;) seen((void *)why); }
_Noreturn void die(void) { panic(0); }
"#;

/// What C files begin with.
const HEADER: &str = r"
void _raw_spin_lock(void *), _raw_spin_unlock(void *), mutex_lock(void *), mutex_unlock(void *);
int mutex_trylock(void *), mutex_lock_interruptible(void *), refcount_dec_and_lock(void *, void *), result(void *);
void __mutex_init(void *, const char *, void *), seen(void *);
_Noreturn void panic(const char *), die(void);
void _start(void) { }
";

/// Compilers and levels of optimisation. Static functions are not merged or dropped by any of them here.
pub const WAYS: &[(&str, &str)] =
    &[("gcc", "-O0"), ("gcc", "-O2"), ("gcc", "-Os"), ("clang-19", "-O0"), ("clang-19", "-O2"), ("clang-19", "-Os")];

/// A kernel from C; none when there is no such compiler.
pub fn kernel(compiler: &str, level: &str, code: &str) -> Option<Image> {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, code: &str| std::fs::write(folder.path().join(name), code).expect("a source file");
    write("locks.c", LOCK_FUNCTIONS);
    write("kernel.c", &format!("{HEADER}\n{code}"));
    let out = folder.path().join("vmlinux");
    let mut command = Command::new(compiler);
    command.current_dir(folder.path()).args([level, "-w", "-ffreestanding", "-fno-pic", "-mcmodel=kernel"]).args([
        "-fno-stack-protector",
        "-fno-asynchronous-unwind-tables",
        "-nostdlib",
        "-static",
        "-Wl,-Ttext=0xffffffff81000000",
        "-o",
    ]);
    let done = command.arg(&out).args(["kernel.c", "locks.c"]).output();
    match done {
        Ok(done) if done.status.success() => Some(Image::open(&out).expect("a kernel")),
        Ok(done) => panic!("{compiler} {level}: {}", String::from_utf8_lossy(&done.stderr)),
        Err(_) => {
            eprintln!("skipped: no {compiler}");
            None
        }
    }
}

/// A kernel of C compiled in every way, and its code.
pub fn each_way(code: &str, test: impl Fn(&Image, &Program, &str)) {
    for (compiler, level) in WAYS {
        if let Some(image) = kernel(compiler, level, code) {
            test(&image, &Program::of(&image, None), &format!("{compiler} {level}"));
        }
    }
}

/// The function of a name that only one has.
pub fn function(program: &Program, name: &str) -> FunctionId {
    program.functions.named(name).next().unwrap_or_else(|| panic!("no function {name}"))
}

/// The real kernel that everything was measured on, when it is in the cache.
pub fn d61() -> Option<Image> {
    let home = std::env::var_os("HOME")?;
    let path = Path::new(&home).join(".cache/lima/kernels/d61/usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64");
    if !path.exists() {
        eprintln!("skipped: the D61 kernel is not in the cache");
        return None;
    }
    Some(Image::open(&path).expect("the D61 kernel"))
}

/// The names of the functions that a function calls, in order.
pub fn callees(program: &Program, caller: &str) -> Vec<Arc<str>> {
    let calls = program.calls.from(function(program, caller)).iter();
    let callees = calls.filter_map(|call| program.functions.starting(call.callee?));
    callees.map(|id| Arc::clone(&program.functions[id].name)).collect()
}
