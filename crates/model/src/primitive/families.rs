//! The lock functions' names, by family.

use super::Primitive;
use super::parts::part;
use crate::words::{LockType, Mode, Operation};

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
    // The fast one says by its result only how the lock is to be let go: by the slow way, or at once.
    (Operation::Acquire, LockType::SocketLock, Mode::Exclusive, 0, &["lock_sock_nested", "__lock_sock_fast"]),
    (Operation::Release, LockType::SocketLock, Mode::Exclusive, 0, &["release_sock"]),
    (Operation::Acquire, LockType::Srcu, Mode::Read, 0, &["__srcu_read_lock", "__srcu_read_lock_nmisafe"]),
    (Operation::Release, LockType::Srcu, Mode::Read, 0, &["__srcu_read_unlock", "__srcu_read_unlock_nmisafe"]),
    // Of a bit that is free nobody calls these: that way is inlined. Before 5.16 they were about pages.
    (
        Operation::Acquire,
        LockType::BitLock,
        Mode::Exclusive,
        0,
        &[
            "__folio_lock",
            "__folio_lock_killable",
            "__folio_lock_or_retry",
            "__lock_page",
            "__lock_page_killable",
            "__lock_page_or_retry",
            "__lock_buffer",
            "out_of_line_wait_on_bit_lock",
        ],
    ),
    (
        Operation::Release,
        LockType::BitLock,
        Mode::Exclusive,
        0,
        // The read that ends had the lock.
        &["folio_unlock", "folio_end_read", "unlock_page", "unlock_buffer"],
    ),
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
    ("init_srcu_struct", LockType::Srcu, false),
    ("__init_srcu_struct", LockType::Srcu, true),
];

/// All lock functions.
pub(super) fn families() -> impl Iterator<Item = Primitive> {
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
            part: part(name),
            bit: (name == "out_of_line_wait_on_bit_lock").then_some(1),
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
        part: None,
        bit: None,
    });
    operations.chain(initialisers)
}
