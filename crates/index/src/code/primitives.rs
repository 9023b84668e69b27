//! The kernel's lock functions: what each does, to what, and which argument is the lock.
//!
//! Variants come from configurations as much as from versions: `_nested` ones exist only in kernels with lockdep, where
//! the plain ones are gone; on PREEMPT_RT spinlocks are `rt_spin_lock` and its kin.

use super::operation::Register;
use lima_model::LockType;
use lima_model::words::{Mode, Operation};
use rustc_hash::FxHashMap;
use std::sync::OnceLock;

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
    /// Which argument is the address of the lock, from 0.
    pub lock: u8,
    /// Of an initialiser: which argument is the lock's name.
    pub lock_name: Option<u8>,
    /// Of an initialiser: which argument is the lock's class key.
    pub class_key: Option<u8>,
    /// Which argument, when it is true, turns acquiring into trying (`__percpu_down_read`).
    pub tries_if: Option<u8>,
}

impl Primitive {
    /// The lock function of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        static ALL: OnceLock<FxHashMap<&'static str, Primitive>> = OnceLock::new();
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
            Operation::Try if matches!(self.name, "down_trylock" | "lockref_put_or_lock" | "lockref_get_or_lock") => {
                Success::Zero
            }
            Operation::Try => Success::Other,
            Operation::Acquire if can_be_interrupted || self.name.starts_with("ww_mutex_lock") => Success::Zero,
            _ => Success::Always,
        }
    }

    /// The register that has the address of the lock.
    pub fn lock_register(&self) -> Register {
        argument_register(self.lock)
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
}

/// The register of an argument, from 0, by the C calling convention; there are six.
pub fn argument_register(argument: u8) -> Register {
    const REGISTERS: [Register; 6] = [Register(5), Register(4), Register(1), Register(2), Register(8), Register(9)];
    REGISTERS[usize::from(argument).min(5)]
}

/// One row for the functions of one operation on one type: their names, and which argument is the lock.
type Family = (Operation, LockType, Mode, u8, &'static [&'static str]);

const FAMILIES: &[Family] = &[
    (
        Operation::Acquire,
        LockType::Mutex,
        Mode::Exclusive,
        0,
        &[
            "mutex_lock",
            "mutex_lock_interruptible",
            "mutex_lock_killable",
            "mutex_lock_io",
            "mutex_lock_nested",
            "mutex_lock_interruptible_nested",
            "mutex_lock_killable_nested",
            "mutex_lock_io_nested",
            "_mutex_lock_nest_lock",
            "_mutex_lock_killable",
        ],
    ),
    (
        Operation::Try,
        LockType::Mutex,
        Mode::Exclusive,
        0,
        &["mutex_trylock", "_mutex_trylock_nest_lock", "mutex_trylock_recursive"],
    ),
    // Of a counter, and the lock that is taken when it drops to zero.
    (
        Operation::Try,
        LockType::Mutex,
        Mode::Exclusive,
        1,
        &["refcount_dec_and_mutex_lock", "atomic_dec_and_mutex_lock"],
    ),
    (Operation::Release, LockType::Mutex, Mode::Exclusive, 0, &["mutex_unlock"]),
    (Operation::Acquire, LockType::WwMutex, Mode::Exclusive, 0, &["ww_mutex_lock", "ww_mutex_lock_interruptible"]),
    (Operation::Try, LockType::WwMutex, Mode::Exclusive, 0, &["ww_mutex_trylock"]),
    (Operation::Release, LockType::WwMutex, Mode::Exclusive, 0, &["ww_mutex_unlock"]),
    (
        Operation::Acquire,
        LockType::Rwsem,
        Mode::Read,
        0,
        &[
            "down_read",
            "down_read_interruptible",
            "down_read_killable",
            "down_read_nested",
            "down_read_killable_nested",
            "down_read_non_owner",
        ],
    ),
    (Operation::Try, LockType::Rwsem, Mode::Read, 0, &["down_read_trylock"]),
    (Operation::Release, LockType::Rwsem, Mode::Read, 0, &["up_read", "up_read_non_owner"]),
    (
        Operation::Acquire,
        LockType::Rwsem,
        Mode::Write,
        0,
        &[
            "down_write",
            "down_write_killable",
            "down_write_nested",
            "down_write_killable_nested",
            "_down_write_nest_lock",
        ],
    ),
    (Operation::Try, LockType::Rwsem, Mode::Write, 0, &["down_write_trylock"]),
    (Operation::Release, LockType::Rwsem, Mode::Write, 0, &["up_write"]),
    (
        Operation::Acquire,
        LockType::RawSpinlock,
        Mode::Exclusive,
        0,
        &[
            "_raw_spin_lock",
            "_raw_spin_lock_bh",
            "_raw_spin_lock_irq",
            "_raw_spin_lock_irqsave",
            "_raw_spin_lock_nested",
            "_raw_spin_lock_bh_nested",
            "_raw_spin_lock_irqsave_nested",
            "_raw_spin_lock_nest_lock",
        ],
    ),
    (Operation::Try, LockType::RawSpinlock, Mode::Exclusive, 0, &["_raw_spin_trylock", "_raw_spin_trylock_bh"]),
    (
        Operation::Release,
        LockType::RawSpinlock,
        Mode::Exclusive,
        0,
        &["_raw_spin_unlock", "_raw_spin_unlock_bh", "_raw_spin_unlock_irq", "_raw_spin_unlock_irqrestore"],
    ),
    (
        Operation::Try,
        LockType::Spinlock,
        Mode::Exclusive,
        1,
        &[
            "_atomic_dec_and_lock",
            "_atomic_dec_and_lock_irqsave",
            "refcount_dec_and_lock",
            "refcount_dec_and_lock_irqsave",
        ],
    ),
    (
        Operation::Try,
        LockType::RawSpinlock,
        Mode::Exclusive,
        1,
        &["_atomic_dec_and_raw_lock", "_atomic_dec_and_raw_lock_irqsave"],
    ),
    // The lock is the first thing in a lockref.
    (
        Operation::Try,
        LockType::Spinlock,
        Mode::Exclusive,
        0,
        &["lockref_put_or_lock", "lockref_get_or_lock", "rt_spin_trylock", "rt_spin_trylock_bh"],
    ),
    (
        Operation::Acquire,
        LockType::Spinlock,
        Mode::Exclusive,
        0,
        &["rt_spin_lock", "rt_spin_lock_nested", "rt_spin_lock_nest_lock"],
    ),
    (Operation::Release, LockType::Spinlock, Mode::Exclusive, 0, &["rt_spin_unlock"]),
    (
        Operation::Acquire,
        LockType::Rwlock,
        Mode::Read,
        0,
        &["_raw_read_lock", "_raw_read_lock_bh", "_raw_read_lock_irq", "_raw_read_lock_irqsave", "rt_read_lock"],
    ),
    (Operation::Try, LockType::Rwlock, Mode::Read, 0, &["_raw_read_trylock", "rt_read_trylock"]),
    (
        Operation::Release,
        LockType::Rwlock,
        Mode::Read,
        0,
        &[
            "_raw_read_unlock",
            "_raw_read_unlock_bh",
            "_raw_read_unlock_irq",
            "_raw_read_unlock_irqrestore",
            "rt_read_unlock",
        ],
    ),
    (
        Operation::Acquire,
        LockType::Rwlock,
        Mode::Write,
        0,
        &[
            "_raw_write_lock",
            "_raw_write_lock_bh",
            "_raw_write_lock_irq",
            "_raw_write_lock_irqsave",
            "_raw_write_lock_nested",
            "rt_write_lock",
            "rt_write_lock_nested",
        ],
    ),
    (Operation::Try, LockType::Rwlock, Mode::Write, 0, &["_raw_write_trylock", "rt_write_trylock"]),
    (
        Operation::Release,
        LockType::Rwlock,
        Mode::Write,
        0,
        &[
            "_raw_write_unlock",
            "_raw_write_unlock_bh",
            "_raw_write_unlock_irq",
            "_raw_write_unlock_irqrestore",
            "rt_write_unlock",
        ],
    ),
    (
        Operation::Acquire,
        LockType::Semaphore,
        Mode::Exclusive,
        0,
        &["down", "down_interruptible", "down_killable", "down_timeout"],
    ),
    (Operation::Try, LockType::Semaphore, Mode::Exclusive, 0, &["down_trylock"]),
    (Operation::Release, LockType::Semaphore, Mode::Exclusive, 0, &["up"]),
    (
        Operation::Acquire,
        LockType::Rtmutex,
        Mode::Exclusive,
        0,
        &[
            "rt_mutex_lock",
            "rt_mutex_lock_nested",
            "rt_mutex_lock_interruptible",
            "rt_mutex_lock_killable",
            "_rt_mutex_lock_nest_lock",
        ],
    ),
    (
        Operation::Try,
        LockType::Rtmutex,
        Mode::Exclusive,
        0,
        &["rt_mutex_trylock", "rt_mutex_futex_trylock", "__rt_mutex_futex_trylock"],
    ),
    (
        Operation::Release,
        LockType::Rtmutex,
        Mode::Exclusive,
        0,
        &["rt_mutex_unlock", "rt_mutex_futex_unlock", "__rt_mutex_futex_unlock"],
    ),
    // The first steps of a reader are inlined: only the call of what follows is left.
    (Operation::Acquire, LockType::PercpuRwsem, Mode::Read, 0, &["__percpu_down_read"]),
    (Operation::Release, LockType::PercpuRwsem, Mode::Read, 0, &["__percpu_up_read"]),
    (Operation::Acquire, LockType::PercpuRwsem, Mode::Write, 0, &["percpu_down_write"]),
    (Operation::Release, LockType::PercpuRwsem, Mode::Write, 0, &["percpu_up_write"]),
];

/// Initialisers: their names, what they make, and whether a name and a class key follow the lock.
const INITIALISERS: &[(&str, LockType, bool)] = &[
    ("__mutex_init", LockType::Mutex, true),
    ("mutex_init_lockep", LockType::Mutex, true),
    ("mutex_init_generic", LockType::Mutex, false),
    ("__mutex_rt_init", LockType::Mutex, true),
    ("__init_rwsem", LockType::Rwsem, true),
    ("__raw_spin_lock_init", LockType::RawSpinlock, true),
    ("__rt_spin_lock_init", LockType::Spinlock, true),
    ("__rwlock_init", LockType::Rwlock, true),
    ("__rt_rwlock_init", LockType::Rwlock, true),
    ("__rt_mutex_init", LockType::Rtmutex, true),
    ("rt_mutex_base_init", LockType::Rtmutex, false),
    ("__percpu_init_rwsem", LockType::PercpuRwsem, true),
    // The lock of a wait queue is the first thing in it.
    ("__init_waitqueue_head", LockType::Spinlock, true),
    ("__init_swait_queue_head", LockType::RawSpinlock, true),
];

fn families() -> impl Iterator<Item = Primitive> {
    let operations = FAMILIES.iter().flat_map(|&(operation, lock_type, mode, lock, names)| {
        names.iter().map(move |&name| Primitive {
            name,
            operation,
            lock_type,
            mode,
            lock,
            lock_name: None,
            class_key: None,
            tries_if: (name == "__percpu_down_read").then_some(1),
        })
    });
    let initialisers = INITIALISERS.iter().map(|&(name, lock_type, named)| Primitive {
        name,
        operation: Operation::Init,
        lock_type,
        mode: Mode::Exclusive,
        lock: 0,
        lock_name: named.then_some(1),
        class_key: named.then_some(2),
        tries_if: None,
    });
    operations.chain(initialisers)
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
        assert_eq!(Primitive::named("mutex_lock").map(Primitive::lock_register), Some(Register(5)));
        assert_eq!(Primitive::named("refcount_dec_and_lock").map(Primitive::lock_register), Some(Register(4)));
        assert_eq!(Primitive::named("__pfx_mutex_lock"), None);
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
