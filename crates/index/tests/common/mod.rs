//! A made-up index: a system call that comes to a lock by two calls, and a module.

#![allow(dead_code, reason = "each test file uses a part of it")]

use lima_index::debug::Frame;
use lima_index::rows::{CallRow, FunctionRow, GlobalLock, LockMember, NestingRow, PointerRow, SectionRow, SiteRow};
use lima_index::store::{self, Index, Part};
use lima_model::words::{Mode, Operation, SiteMethod};
use lima_model::{IndexManifest, LockType};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub const SYSCALL: u64 = 0xffff_ffff_8100_0000;
pub const MIDDLE: u64 = 0xffff_ffff_8100_0100;
pub const TAKER: u64 = 0xffff_ffff_8100_0200;
pub const MUTEX_LOCK: u64 = 0xffff_ffff_8100_0300;
pub const COLD: u64 = 0xffff_ffff_8100_0f00;
pub const GLOBAL: u64 = 0xffff_ffff_8200_0000;
pub const MODULE: u64 = 0xffff_ffff_c000_0000;

pub fn frame(function: &str, file: &str, line: u32) -> Frame {
    Frame { function: function.into(), file: file.into(), line }
}

fn function(address: u64, name: &str, role: &'static str) -> FunctionRow {
    FunctionRow {
        address,
        bytes: 0x80,
        name: name.into(),
        aliases: Vec::new(),
        cold: Vec::new(),
        role,
        file: Some("fs/demo.c".into()),
        line: Some(7),
    }
}

fn call(address: u64, caller: u64, callee: Option<u64>) -> CallRow {
    let kind = if callee.is_some() { "direct" } else { "indirect" };
    CallRow { address, caller, callee, kind, member: None, frames: vec![frame("f", "fs/demo.c", 10)] }
}

pub fn site(address: u64, function: u64, operation: Operation, object: &str) -> SiteRow {
    let known = object != "unknown";
    SiteRow {
        address,
        function,
        frames: vec![frame("inode_lock", "include/linux/fs.h", 758), frame("taker.isra.0", "fs/demo.c", 12)],
        operation,
        primitive: if operation == Operation::Release { "mutex_unlock" } else { "mutex_lock" }.into(),
        lock_type: LockType::Mutex,
        mode: Mode::Exclusive,
        object: object.to_owned(),
        lock_address: None,
        alternatives: if known { vec!["ext4_inode_info.vfs_inode.i_mutex".to_owned()] } else { Vec::new() },
        method: if known { SiteMethod::Flow } else { SiteMethod::Unknown },
        cause: if known { "" } else { "computed address" },
        lock_name: None,
        class_key: None,
    }
}

fn section(name: &str, address: u64, executable: bool) -> SectionRow {
    SectionRow { name: name.to_owned(), address, bytes: 0x10_0000, executable, per_cpu: false }
}

/// The kernel's part.
pub fn kernel() -> Part {
    let mut taker = function(TAKER, "taker.isra.0", "locks");
    taker.aliases = vec!["other_name".into()];
    taker.cold.push(COLD..COLD + 0x10);
    Part {
        locks: vec![LockMember {
            composite: "inode".into(),
            path: "i_mutex".into(),
            declaring: "inode".into(),
            declared_path: "i_mutex".into(),
            offset: 152,
            bytes: 32,
            lock_type: LockType::Mutex,
            array_count: None,
            composite_bytes: 600,
            line_mates: vec!["i_size".into(), "i_state".into()],
        }],
        globals: vec![GlobalLock {
            symbol: "big_lock".into(),
            function: None,
            address: GLOBAL,
            section: ".data".into(),
            per_cpu: false,
            path: String::new(),
            lock_type: LockType::Mutex,
            bytes: 32,
            variable_type: "struct mutex".into(),
            method: "debug",
        }],
        functions: vec![
            function(SYSCALL, "__x64_sys_demo", "none"),
            function(MIDDLE, "middle", "none"),
            taker,
            function(MUTEX_LOCK, "mutex_lock", "primitive"),
        ],
        calls: vec![
            call(SYSCALL + 0x10, SYSCALL, Some(MIDDLE)),
            call(SYSCALL + 0x20, SYSCALL, None),
            CallRow { member: Some("demo_operations.open".into()), ..call(SYSCALL + 0x30, SYSCALL, None) },
            call(MIDDLE + 0x10, MIDDLE, Some(TAKER)),
            call(MIDDLE + 0x20, MIDDLE, Some(SYSCALL)),
            call(TAKER + 0x10, TAKER, Some(MUTEX_LOCK)),
            call(TAKER + 0x20, TAKER, Some(MUTEX_LOCK)),
            call(TAKER + 0x30, TAKER, Some(MUTEX_LOCK)),
        ],
        sites: vec![
            site(TAKER + 0x10, TAKER, Operation::Acquire, "inode.i_mutex"),
            site(TAKER + 0x20, TAKER, Operation::Acquire, "unknown"),
            site(TAKER + 0x30, TAKER, Operation::Release, "inode.i_mutex"),
        ],
        nesting: vec![NestingRow { function: TAKER, outer: TAKER + 0x10, inner: TAKER + 0x20, through: None }],
        sections: vec![section(".text", SYSCALL, true), section(".data", GLOBAL, false)],
        ..Part::default()
    }
}

/// A module's part.
pub fn module() -> Part {
    Part {
        module: Some("demo".into()),
        functions: vec![function(MODULE, "demo_open", "locks")],
        calls: vec![call(MODULE + 8, MODULE, Some(MUTEX_LOCK))],
        pointers: vec![PointerRow {
            member: "demo_operations.open".into(),
            function: MODULE,
            variable: Some("demo_ops".to_owned()),
        }],
        sites: vec![site(MODULE + 8, MODULE, Operation::Try, "big_lock")],
        sections: vec![section(".text", MODULE, true)],
        ..Part::default()
    }
}

pub fn manifest(parts: &[Part]) -> IndexManifest {
    let mut manifest = IndexManifest { build_id: "abcd".into(), release: "6.1.0-made-up".into(), ..Default::default() };
    for site in parts.iter().flat_map(|part| &part.sites) {
        manifest.sites.count(site.operation, site.method, site.cause);
    }
    manifest
}

pub fn write(folder: &Path, parts: &[Part]) -> Index {
    store::write(folder, &mut manifest(parts), parts).unwrap();
    Index::open(folder).unwrap()
}

/// The made-up index, in a folder that goes with the first value.
pub fn index() -> (TempDir, PathBuf, Index) {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("made-up.limaindex");
    let index = write(&folder, &[kernel(), module()]);
    (home, folder, index)
}
