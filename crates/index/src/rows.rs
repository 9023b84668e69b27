//! The rows of an index, before they are a table. Columns and their meaning: `the schema in `lima_model``.

use crate::debug::Frame;
use lima_model::LockType;
use lima_model::words::{Mode, Operation, SiteMethod};
use std::sync::Arc;

/// A lock that is a member of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockMember {
    /// The struct or union that was looked at, by name; of an anonymous one the typedef's.
    pub composite: Arc<str>,
    /// Path of the lock from there.
    pub path: String,
    /// The innermost named struct that declares the lock.
    pub declaring: Arc<str>,
    /// The path in that.
    pub declared_path: String,
    /// Offset in `composite`, bytes.
    pub offset: u32,
    /// Size of the lock, bytes.
    pub bytes: u32,
    /// What it is.
    pub lock_type: LockType,
    /// How many there are when it is an array's.
    pub array_count: Option<u32>,
    /// Size of `composite`, bytes.
    pub composite_bytes: u32,
    /// Members (paths) of `composite` that share a cache line with the lock, when `composite` starts a line.
    pub line_mates: Vec<String>,
}

/// A lock in a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalLock {
    /// The variable.
    pub symbol: String,
    /// The function that it is local to.
    pub function: Option<String>,
    /// Address of the lock; of a per-CPU one as the image has it.
    pub address: u64,
    /// Section of the image.
    pub section: String,
    /// Whether every CPU has one.
    pub per_cpu: bool,
    /// Path inside the variable, empty when the variable is the lock.
    pub path: String,
    /// What it is.
    pub lock_type: LockType,
    /// Size of the lock, bytes.
    pub bytes: u32,
    /// The variable's type, as it would be written; empty when not known.
    pub variable_type: String,
    /// How it is known: `debug`, `btf`, `site` (its address is locked somewhere), `initializer`.
    pub method: &'static str,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionRow {
    /// Its address.
    pub address: u64,
    /// Size of the part there, bytes; 0: up to the next function.
    pub bytes: u64,
    /// Its symbol.
    pub name: Arc<str>,
    /// Its other symbols.
    pub aliases: Vec<Arc<str>>,
    /// Parts of it that the compiler put elsewhere.
    pub cold: Vec<std::ops::Range<u64>>,
    /// What it is to locks: `primitive`, `wrapper` (takes one known lock for its callers), `callers_lock` (takes a lock
    /// that its caller hands over), `locks` (has sites), or `none`.
    pub role: &'static str,
    /// Where it is in the source.
    pub file: Option<Arc<str>>,
    /// Its line.
    pub line: Option<u32>,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// Address of the call instruction.
    pub address: u64,
    /// Address of the function that it is in.
    pub caller: u64,
    /// Address of the function called; none for an indirect call.
    pub callee: Option<u64>,
    /// `direct`, `tail` or `indirect`.
    pub kind: &'static str,
    /// Of an indirect call: the member that holds the address, `file_operations.write_iter`; none when not known.
    pub member: Option<Arc<str>>,
    /// Where it is in the source, innermost inlined function first; empty without DWARF.
    pub frames: Vec<Frame>,
}

/// A function that a member of some struct points to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointerRow {
    /// The member, `file_operations.write_iter`.
    pub member: Arc<str>,
    /// Address of the function.
    pub function: u64,
    /// The variable that has the pointer; none when code stores it.
    pub variable: Option<String>,
}

/// A place that acquires, tries, releases or initialises a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteRow {
    /// Address of the call instruction.
    pub address: u64,
    /// Address of the function that it is in.
    pub function: u64,
    /// Where it is in the source, innermost inlined function first; empty without DWARF.
    pub frames: Vec<Frame>,
    /// What it does.
    pub operation: Operation,
    /// The lock function that is called.
    pub primitive: Arc<str>,
    /// What that function locks.
    pub lock_type: LockType,
    /// How.
    pub mode: Mode,
    /// `TYPE.path`, `symbol[.path]` or `unknown`.
    pub object: String,
    /// Address of the lock when it is a global.
    pub lock_address: Option<u64>,
    /// Other possible objects.
    pub alternatives: Vec<String>,
    /// How the object was found.
    pub method: SiteMethod,
    /// Why it was not, from a small set of causes; empty when it was.
    pub cause: &'static str,
    /// Of an init site: the lock's name as the kernel writes it, and the address of its class key.
    pub lock_name: Option<String>,
    /// See `lock_name`.
    pub class_key: Option<u64>,
}

/// In one function, the lock of site `inner` may be taken while that of `outer` is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NestingRow {
    /// Address of the function.
    pub function: u64,
    /// Address of the outer site.
    pub outer: u64,
    /// Address of the inner site.
    pub inner: u64,
    /// The function that has the other one of the sites, when only one is in this function and the other in one that
    /// it calls: the inner site, or the outer one of a function that takes a lock for its callers.
    pub through: Option<u64>,
}

/// A section that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionRow {
    /// Its name.
    pub name: String,
    /// Where it lies; of a module, where [`crate::image`] has put it.
    pub address: u64,
    /// Its size, bytes.
    pub bytes: u64,
    /// Whether it is code.
    pub executable: bool,
    /// Whether it is one CPU's share.
    pub per_cpu: bool,
}
