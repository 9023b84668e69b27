//! `lima index` as a command: on a small kernel that is compiled on the spot, and on a big one where it is in the cache.

mod common;

use common::{lima, rows, shown, text};
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
struct Home {
    folder: TempDir,
}

impl Home {
    /// None, and a word about it, where there is no compiler.
    fn new() -> Option<Self> {
        if Command::new("gcc").arg("--version").output().is_err() {
            common::skipped("no gcc");
            return None;
        }
        Some(Self { folder: tempfile::tempdir().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Compiles the kernel; `extra` stands in one of its functions.
    fn kernel(&self, name: &str, extra: &str) -> PathBuf {
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

    fn lima(&self, arguments: &[&str]) -> Output {
        let arguments = std::iter::once(&"index").chain(arguments);
        lima(arguments).env("XDG_CACHE_HOME", self.path("cache")).output().unwrap()
    }

    fn build(&self, kernel: &Path, index: &Path, more: &[&str]) -> Output {
        let files = ["build", "--vmlinux", kernel.to_str().unwrap(), "-o", index.to_str().unwrap()];
        let output = self.lima(&[&files, more].concat());
        assert!(output.status.success(), "{}", shown(&output.stderr));
        output
    }

    fn ask(&self, index: &Path, question: &[&str]) -> Value {
        let how = ["--index", index.to_str().unwrap(), "--format", "json"];
        let output = self.lima(&[question, &how].concat());
        assert!(output.status.success(), "{question:?}: {}", shown(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["schema"].as_str().unwrap().split('/').next_back(), Some("1"));
        assert_eq!(answer["index"]["mode"], "dwarf");
        answer
    }
}

fn column<'a>(answer: &'a Value, name: &str) -> Vec<&'a str> {
    rows(answer).iter().map(|row| row[name].as_str().unwrap_or("")).collect()
}

#[test]
fn an_index_is_made_once_and_answers() {
    let Some(home) = Home::new() else { return };
    let (kernel, index) = (home.kernel("vmlinux", ""), home.path("a.limaindex"));
    let first = home.build(&kernel, &index, &[]);
    assert!(shown(&first.stderr).contains("image with debug information"), "{}", shown(&first.stderr));
    let said = shown(&first.stdout);
    assert!(said.contains("sites that acquire or try: 3, 3 (100.0 %) resolved"), "{said}");
    assert!(said.contains("of CPU time") && said.contains("MiB of memory"), "{said}");
    let second = home.build(&kernel, &home.path("b.limaindex"), &[]);
    assert!(shown(&second.stderr).contains("already in the cache"), "{}", shown(&second.stderr));
    let cached: Vec<_> =
        fs::read_dir(home.path("cache/lima/index")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(cached.len(), 1);
    assert!(cached[0].to_str().unwrap().ends_with("-dwarf-1"), "{cached:?}");

    let sites = home.ask(&index, &["sites", "--operation", "acquire"]);
    let found: Vec<_> =
        rows(&sites).iter().map(|row| (text(row, "function"), text(row, "primitive"), text(row, "object"))).collect();
    for expected in [
        ("middle", "mutex_lock", "inode.i_mutex"),
        ("whole", "_raw_spin_lock", "inode.i_lock"),
        ("__x64_sys_demo", "mutex_lock", "big_lock"),
    ] {
        assert!(found.contains(&expected), "{expected:?} in {found:?}");
    }
    let words = "address function file line operation primitive lock_type mode object alternatives method";
    let row = rows(&sites)[0].as_object().unwrap();
    assert!(words.split_whitespace().all(|word| row.contains_key(word)), "{row:?}");
    assert!(text(&rows(&sites)[0], "address").starts_with("0xffffffff81"));
    assert!(rows(&sites)[0]["line"].is_u64());
    // Inlined into `middle`, and found by the name that the source has.
    assert_eq!(column(&home.ask(&index, &["sites", "--function", "inode_lock"]), "function"), ["middle"]);

    let locks = home.ask(&index, &["locks", "--struct", "demo_info"]);
    let lock = rows(&locks).iter().find(|row| row["object"] == "inode.i_mutex").expect("the mutex");
    assert_eq!(
        (text(lock, "lock_type"), lock["offset"].as_u64(), lock["size"].as_u64()),
        ("mutex", Some(16), Some(32))
    );
    let globals = home.ask(&index, &["locks", "--globals", "--type", "mutex"]);
    assert_eq!((column(&globals, "symbol"), column(&globals, "object")), (vec!["big_lock"], vec!["big_lock"]));

    let path = home.ask(&index, &["path", "demo", "inode.i_mutex"]);
    assert_eq!(column(&path, "function"), ["__x64_sys_demo", "middle"]);
    let callers = home.ask(&index, &["calls", "--to", "middle"]);
    assert_eq!(column(&callers, "caller"), ["__x64_sys_demo"]);
    let at = home.ask(&index, &["at", text(&rows(&path)[1], "address")]);
    assert_eq!((column(&at, "what"), column(&at, "object")), (vec!["site"], vec!["inode.i_mutex"]));
    let at = home.ask(&index, &["at", text(&rows(&globals)[0], "address")]);
    assert_eq!((column(&at, "what"), column(&at, "object")), (vec!["lock"], vec!["big_lock"]));
    let layout = home.ask(&index, &["show", "inode"]);
    assert_eq!(column(&layout, "path"), ["i_ino", "i_mutex", "i_lock", "", "i_size"]);
}

#[test]
fn two_kernels_differ_in_a_site() {
    let Some(home) = Home::new() else { return };
    let (old, new) = (home.path("old.limaindex"), home.path("new.limaindex"));
    home.build(&home.kernel("old", ""), &old, &[]);
    home.build(&home.kernel("new", "mutex_lock(&info->vfs_inode.i_mutex);"), &new, &[]);
    let output = home.lima(&["diff", old.to_str().unwrap(), new.to_str().unwrap(), "--format", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (column(&answer, "change"), column(&answer, "object")),
        (vec!["added"], vec!["inode.i_mutex"]),
        "{answer}"
    );
    assert_ne!(answer["before"]["build_id"], answer["index"]["build_id"]);
}

#[test]
fn without_debug_information_it_says_what_is_missing() {
    let Some(home) = Home::new() else { return };
    let kernel = home.kernel("vmlinux", "");
    let output = home.lima(&["build", "--bare", "--vmlinux", kernel.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(shown(&output.stderr).contains("CONFIG_DEBUG_INFO_BTF"), "{}", shown(&output.stderr));
}

#[test]
fn mistakes_end_with_2_and_say_what_can_be_done() {
    let Some(home) = Home::new() else { return };
    let (index, kernel, folder) = (home.path("a.limaindex"), home.kernel("vmlinux", ""), home.path("empty"));
    home.build(&kernel, &index, &[]);
    fs::create_dir(&folder).unwrap();
    let garbage = home.path("garbage");
    fs::write(&garbage, "no kernel").unwrap();
    let [index, kernel, garbage, folder] = [&index, &kernel, &garbage, &folder].map(|path| path.to_str().unwrap());
    for (arguments, says) in [
        (vec!["build", "--vmlinux", garbage], garbage),
        (vec!["build", "--vmlinux", "/nonexistent"], "/nonexistent"),
        (vec!["build", "--vmlinux", garbage, "--debug-dir", "/nonexistent"], "cannot read /nonexistent: No such file"),
        (vec!["build", "--vmlinux", kernel, "--modules", folder], "there are no modules"),
        (vec!["locks", "--index", garbage], "is not an index"),
        (vec!["locks", "--index", index, "--type", "latch"], "possible values"),
        (vec!["sites", "--index", index, "--operation", "steal"], "possible values"),
        (vec!["calls", "--index", index], "--from <FUNCTION>|--to <FUNCTION>"),
        (vec!["calls", "--index", index, "--from", "nobody"], "no function or system call"),
        (vec!["path", "--index", index, "demo", "nothing.lock"], "lima index locks"),
        (vec!["at", "--index", index, "here"], "not an address"),
        (vec!["show", "--index", index, "nothing"], "no struct or union"),
        (vec!["diff", index, garbage], "is not an index"),
    ] {
        let output = home.lima(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(shown(&output.stderr).contains(says), "{arguments:?}: {}", shown(&output.stderr));
    }
    // The running kernel has no index in this cache.
    let output = home.lima(&["locks"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(shown(&output.stderr).contains("--index"), "{}", shown(&output.stderr));
}

#[test]
fn a_big_kernel_is_indexed_and_known() {
    let kernel = Path::new(&std::env::var("HOME").unwrap_or_default())
        .join(".cache/lima/kernels/d61/usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64");
    if !kernel.exists() {
        common::skipped("Debian's kernel 6.1.0-50-cloud-amd64 is not in the cache (scripts/fetch-kernel.sh)");
        return;
    }
    let Some(home) = Home::new() else { return };
    let index = home.path("d61.limaindex");
    home.build(&kernel, &index, &[]);
    let sites = home.ask(&index, &["sites", "--function", "ext4_file_write_iter", "--operation", "acquire"]);
    assert!(column(&sites, "object").iter().all(|&object| object == "inode.i_rwsem"), "{sites}");
    let path = home.ask(&index, &["path", "rename", "super_block.s_vfs_rename_mutex"]);
    assert_eq!(column(&path, "function"), ["__x64_sys_rename", "do_renameat2"]);
    let locks = home.ask(&index, &["locks", "--struct", "inode", "--type", "rwsem"]);
    assert!(column(&locks, "object").contains(&"inode.i_rwsem"));
}
