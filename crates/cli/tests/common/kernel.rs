//! A small kernel that is compiled on the spot.

use super::{lima, shown, skipped};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// As much of a kernel as an index needs: lock functions, types with locks, and users.
const KERNEL: &str = r#"
#define noinline __attribute__((noipa))
typedef struct spinlock { int val; } spinlock_t;
struct mutex { long owner; spinlock_t wait_lock; void *next, *prev; };
struct inode { unsigned long i_ino; struct mutex i_mutex; spinlock_t i_lock; long i_size; };
struct demo_info { long flags; struct inode vfs_inode; };
struct mutex big_lock = { 1 };
static const char linux_banner[] = "Linux version 6.1.0-made-up (gcc)";
const char *volatile banner = linux_banner;
noinline void mutex_lock(struct mutex *lock) { lock->owner++; }
noinline void mutex_unlock(struct mutex *lock) { lock->owner--; }
noinline void _raw_spin_lock(spinlock_t *lock) { lock->val++; }
noinline void _raw_spin_unlock(spinlock_t *lock) { lock->val--; }
static inline void inode_lock(struct inode *inode) { mutex_lock(&inode->i_mutex); }
noinline long middle(struct inode *inode)
{
	inode_lock(inode);
	inode->i_size++;
	mutex_unlock(&inode->i_mutex);
	return inode->i_ino;
}
noinline long whole(struct demo_info *info)
{
	_raw_spin_lock(&info->vfs_inode.i_lock);
	EXTRA
	info->flags++;
	_raw_spin_unlock(&info->vfs_inode.i_lock);
	return info->flags;
}
long __x64_sys_demo(struct demo_info *info)
{
	mutex_lock(&big_lock);
	long result = middle(&info->vfs_inode) + whole(info);
	mutex_unlock(&big_lock);
	return result;
}
void _start(void) { for (;;); }
"#;

/// A folder with the kernel in it, and with a cache of its own.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
}

impl Home {
    /// None, and a word about it, where there is no compiler.
    pub fn new() -> Option<Self> {
        if Command::new("gcc").arg("--version").output().is_err() {
            skipped("no gcc");
            return None;
        }
        Some(Self { folder: tempfile::tempdir().unwrap() })
    }

    /// A file in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Compiles the kernel; `extra` stands in one of its functions.
    pub fn kernel(&self, name: &str, extra: &str) -> PathBuf {
        let source = self.path(&format!("{name}.c"));
        fs::write(&source, KERNEL.replace("EXTRA", extra)).unwrap();
        let output = Command::new("gcc")
            .args(["-g", "-O2", "-nostdlib", "-static", "-no-pie", "-fno-pie", "-mcmodel=kernel", "-ffreestanding"])
            .args(["-Wl,--build-id=sha1", "-Wl,-Ttext-segment=0xffffffff81000000", "-o"])
            .args([&self.path(name), &source])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", shown(&output.stderr));
        self.path(name)
    }

    /// Runs `lima index`.
    pub fn lima(&self, arguments: &[&str]) -> Output {
        let arguments = std::iter::once(&"index").chain(arguments);
        lima(arguments).env("XDG_CACHE_HOME", self.path("cache")).output().unwrap()
    }

    /// Makes an index.
    pub fn build(&self, kernel: &Path, index: &Path, more: &[&str]) -> Output {
        let files = ["build", "--vmlinux", kernel.to_str().unwrap(), "-o", index.to_str().unwrap()];
        let output = self.lima(&[&files, more].concat());
        assert!(output.status.success(), "{}", shown(&output.stderr));
        output
    }

    /// Asks an index.
    pub fn ask(&self, index: &Path, question: &[&str]) -> Value {
        let how = ["--index", index.to_str().unwrap(), "--format", "json"];
        let output = self.lima(&[question, &how].concat());
        assert!(output.status.success(), "{question:?}: {}", shown(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["schema"].as_str().unwrap().split('/').next_back(), Some("1"));
        assert_eq!(answer["index"]["mode"], "dwarf");
        answer
    }
}
