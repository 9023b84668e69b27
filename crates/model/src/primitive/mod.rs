//! The kernel's lock functions: what each does, to what, and which argument is the lock.
//!
//! Variants come from configurations as much as from versions: `_nested` ones exist only in kernels with lockdep, where
//! the plain ones are gone; on PREEMPT_RT spinlocks are `rt_spin_lock` and its kin.

mod families;
mod parts;

use crate::words::{LockType, Mode, Operation};
use families::families;
use std::collections::HashMap;
use std::sync::OnceLock;

pub use parts::{BITS, Part};

/// A lock function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Primitive {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub operation: Operation,
    /// What it locks. Of the functions that serve `spinlock_t` and `raw_spinlock_t` alike: the latter.
    pub lock_type: LockType,
    /// How.
    pub mode: Mode,
    /// Which argument is the address of the lock, or of what it is part of, from 0.
    pub lock: u8,
    /// Of an initialiser: which argument is the lock's name.
    pub lock_name: Option<u8>,
    /// Of an initialiser: which argument is the lock's class key.
    pub class_key: Option<u8>,
    /// Which argument, when it is true, turns acquiring into trying (`__percpu_down_read`).
    pub tries_if: Option<u8>,
    /// Which part of the argument is the lock, when it is not the argument itself (`lock_sock_nested`).
    pub part: Option<Part>,
    /// Of a function for any bit: which argument is its number.
    pub bit: Option<u8>,
}

impl Primitive {
    /// The lock function of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        static ALL: OnceLock<HashMap<&'static str, Primitive>> = OnceLock::new();
        ALL.get_or_init(|| families().map(|primitive| (primitive.name, primitive)).collect()).get(name)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        families()
    }

    /// With which result it has the lock afterwards.
    pub fn success(&self) -> Success {
        let can_be_interrupted =
            ["_interruptible", "_killable", "_timeout"].iter().any(|part| self.name.contains(part));
        match self.operation {
            _ if self.name == "out_of_line_wait_on_bit_lock" => Success::Zero,
            // It returned whether it has the lock; since 6.6 it returns what went wrong.
            _ if self.name.ends_with("_or_retry") => Success::Varies,
            Operation::Try if matches!(self.name, "down_trylock" | "lockref_put_or_lock" | "lockref_get_or_lock") => {
                Success::Zero
            }
            Operation::Try => Success::Other,
            Operation::Acquire if can_be_interrupted || self.name.starts_with("ww_mutex_lock") => Success::Zero,
            _ => Success::Always,
        }
    }
}

/// With which result of a lock function the lock is held afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// With any.
    Always,
    /// With 0.
    Zero,
    /// With any but 0.
    Other,
    /// That depends on the kernel.
    Varies,
}

/// Whether a function is part of how lock functions work: what it locks is the lock's own (`mutex.wait_lock`).
pub fn is_inner(name: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "__mutex_",
        "mutex_optimistic_",
        "__ww_mutex_",
        "rwsem_",
        "__rwsem_",
        "rwbase_",
        "__rwbase_",
        "rt_mutex_",
        "__rt_mutex_",
        "task_blocks_on_rt_mutex",
        "remove_waiter",
        "try_to_take_rt_mutex",
        "mark_wakeup_next_waiter",
        "rtlock_",
        "__percpu_rwsem_",
        "percpu_rwsem_",
        "queued_spin_",
        "queued_read_",
        "queued_write_",
        "native_queued_spin_",
        "__pv_queued_spin_",
    ];
    const NAMES: &[&str] = &[
        "__down",
        "__down_common",
        "___down_common",
        "__down_interruptible",
        "__down_killable",
        "__down_timeout",
        "__up",
        "__lock_sock",
        "__wait_on_bit_lock",
        "folio_wait_bit_common",
    ];
    let name = name.split('.').next().unwrap_or(name);
    Primitive::named(name).is_some()
        || NAMES.contains(&name)
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = Primitive::all().map(|primitive| primitive.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn the_lock_is_not_always_the_first_argument() {
        assert_eq!(Primitive::named("mutex_lock").map(|primitive| primitive.lock), Some(0));
        assert_eq!(Primitive::named("refcount_dec_and_lock").map(|primitive| primitive.lock), Some(1));
        assert_eq!(Primitive::named("__pfx_mutex_lock"), None);
    }

    #[test]
    fn some_are_handed_what_the_lock_is_part_of() {
        let part = |name| Primitive::named(name).and_then(|primitive| primitive.part);
        assert_eq!(part("release_sock").map(|part| part.members[0]), Some(("sock", "sk_lock")));
        assert_eq!(part("unlock_page").and_then(|part| part.bit), Some("PG_locked"));
        assert_eq!(part("__srcu_read_lock"), None);
        assert_eq!(Primitive::named("__folio_lock_killable").map(|it| it.success()), Some(Success::Zero));
        assert_eq!(Primitive::named("__folio_lock_or_retry").map(|it| it.success()), Some(Success::Varies));
    }

    #[test]
    fn the_inside_of_primitives_is_told_by_name() {
        assert!(is_inner("__mutex_lock.constprop.0"));
        assert!(is_inner("rwsem_down_write_slowpath"));
        assert!(is_inner("_raw_spin_lock"));
        assert!(!is_inner("ext4_file_write_iter"));
        assert!(!is_inner("__percpu_counter_init"));
    }
}
