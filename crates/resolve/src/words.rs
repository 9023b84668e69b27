//! What people should know of an object: which part of the kernel it belongs to, and what it is for.
//!
//! `data/locks.csv` has a sentence for the locks that people meet most, each with the kernel file that it was drawn from;
//! `data/caches.csv` the types of slab caches whose name is not their type's; `data/subsystems.csv` the parts of the kernel
//! by source path. `data/kin.csv` and `data/owners.csv` were learned from kernels with debug information
//! (`examples/learn.rs`): what their functions take, and which part of the kernel takes what.

use lima_model::LockType;
use rustc_hash::FxHashMap;
use std::sync::OnceLock;

const LOCKS: &str = include_str!("../data/locks.csv");
const CACHES: &str = include_str!("../data/caches.csv");
const SUBSYSTEMS: &str = include_str!("../data/subsystems.csv");

/// Structs that are parts of many others. A lock in one of them is called by the path from what it is a part of.
const COMMON_PARTS: &[&str] = &[
    "atomic_notifier_head",
    "bgl_lock",
    "blocking_notifier_head",
    "completion",
    "delayed_work",
    "fprop_local_percpu",
    "fprop_local_single",
    "gen_pool",
    "ida",
    "idr",
    "kref",
    "list_lru_node",
    "list_lru_one",
    "lockref",
    "mutex",
    "percpu_counter",
    "percpu_rw_semaphore",
    "qdisc_skb_head",
    "ratelimit_state",
    "rb_list",
    "ref_tracker_dir",
    "rhashtable",
    "rt_mutex",
    "rt_mutex_base",
    "rw_semaphore",
    "semaphore",
    "seqlock_t",
    "sk_buff_head",
    "socket_lock_t",
    "srcu_notifier_head",
    "srcu_struct",
    "swait_queue_head",
    "wait_queue_head",
    "xarray",
];

const KIN: &str = include_str!("../data/kin.csv");
const OWNERS: &str = include_str!("../data/owners.csv");

/// What a lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// The object.
    pub object: &'static str,
    /// What it is for, in a sentence.
    pub means: &'static str,
    /// The kernel file that the sentence was drawn from.
    pub source: &'static str,
}

/// What an object's locks are for, if it is one that people meet often.
pub fn meaning(object: &str) -> Option<Meaning> {
    static ALL: OnceLock<FxHashMap<&str, Meaning>> = OnceLock::new();
    let read = || {
        let meaning = |[object, means, source]: [&'static str; 3]| (object, Meaning { object, means, source });
        rows(LOCKS).map(meaning).collect()
    };
    ALL.get_or_init(read).get(object).copied()
}

/// The struct of which a slab cache's objects are, if its name is not the struct's.
pub fn cache(name: &str) -> Option<&'static str> {
    static ALL: OnceLock<FxHashMap<&str, &str>> = OnceLock::new();
    ALL.get_or_init(|| rows(CACHES).map(|[name, composite, _]| (name, composite)).collect()).get(name).copied()
}

/// What a function takes of locks of a type, in the kernels that LIMA has learned from: one object, or, where they differ,
/// what each calls it.
pub fn kin(function: &str, lock_type: LockType) -> impl Iterator<Item = &'static str> {
    static ALL: OnceLock<FxHashMap<(&str, &str), &str>> = OnceLock::new();
    let all = ALL.get_or_init(|| rows(KIN).map(|[function, kind, objects]| ((function, kind), objects)).collect());
    all.get(&(function, lock_type.name())).copied().into_iter().flat_map(|objects| objects.split('|'))
}

/// The part of the kernel that takes most locks of a struct, or of a variable, in the kernels that LIMA has learned from.
pub fn subsystem_of(owner: &str) -> Option<&'static str> {
    static ALL: OnceLock<FxHashMap<&str, &str>> = OnceLock::new();
    ALL.get_or_init(|| rows(OWNERS).map(|[owner, part]| (owner, part)).collect()).get(owner).copied()
}

/// Whether a struct is a part that many others have, which says nothing of them: a queue, a counter, a lock with a count.
pub fn is_common_part(composite: &str) -> bool {
    COMMON_PARTS.contains(&composite)
}

/// Whether a struct is a lock itself: what is locked in it is the lock's own.
pub fn is_lock(composite: &str) -> bool {
    ["mutex", "percpu_rw_semaphore", "rt_mutex", "rt_mutex_base", "rw_semaphore", "semaphore", "ww_mutex"]
        .contains(&composite)
}

/// The part of the kernel that a source file belongs to: by the first path in the list that it begins with, else by its
/// first folder.
pub fn subsystem(file: &str) -> Option<&str> {
    static ALL: OnceLock<Vec<[&str; 2]>> = OnceLock::new();
    let all = ALL.get_or_init(|| rows(SUBSYSTEMS).collect());
    if let Some([_, subsystem]) = all.iter().find(|[path, _]| file.starts_with(path)) {
        return Some(subsystem);
    }
    file.split_once('/').map(|(folder, _)| folder).filter(|folder| *folder != "include")
}

/// The rows of a file of ours: fields in quotes or without, no line break and no doubled quote in a field.
fn rows<const N: usize>(file: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    file.lines().skip(1).filter_map(|line| {
        let mut fields = [""; N];
        let mut rest = line;
        for field in &mut fields {
            let (text, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => rest.split_at(rest.find(',').unwrap_or(rest.len())),
            };
            (*field, rest) = (text, after.strip_prefix(',').unwrap_or(after));
        }
        Some(fields)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_is_a_row() {
        for (file, fields) in [(LOCKS, 3), (CACHES, 3), (SUBSYSTEMS, 2), (KIN, 3), (OWNERS, 2)] {
            let read = match fields {
                2 => rows::<2>(file).filter(|row| row.iter().all(|field| !field.is_empty())).count(),
                _ => rows::<3>(file).filter(|row| row.iter().all(|field| !field.is_empty())).count(),
            };
            assert_eq!(read, file.lines().count() - 1);
        }
    }

    #[test]
    fn quotes_keep_commas() {
        let row = rows::<2>("path,word\n\"a,b\",c\n").next();
        assert_eq!(row, Some(["a,b", "c"]));
    }

    #[test]
    fn files_belong_to_parts_of_the_kernel() {
        assert_eq!(subsystem("mm/page_alloc.c"), Some("mm"));
        assert_eq!(subsystem("kernel/sched/core.c"), Some("sched"));
        assert_eq!(subsystem("include/linux/fs.h"), Some("fs"));
        assert_eq!(meaning("inode.i_rwsem").map(|meaning| meaning.source), Some("include/linux/fs.h"));
        assert_eq!(cache("ext4_inode_cache"), Some("ext4_inode_info"));
    }
}
