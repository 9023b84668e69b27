//! Which types are locks.

use lima_model::LockType;

/// The lock type that a typedef or a struct of this name is. The typedef's name goes before the struct's: `rwlock_t` and
/// `seqlock_t` are anonymous structs, and `spinlock_t` was one.
pub fn lock_named(name: &str) -> Option<LockType> {
    Some(match name {
        "spinlock_t" | "spinlock" => LockType::Spinlock,
        "raw_spinlock_t" | "raw_spinlock" => LockType::RawSpinlock,
        "rwlock_t" => LockType::Rwlock,
        "seqlock_t" => LockType::Seqlock,
        "mutex" => LockType::Mutex,
        "ww_mutex" => LockType::WwMutex,
        "rw_semaphore" => LockType::Rwsem,
        "percpu_rw_semaphore" => LockType::PercpuRwsem,
        "semaphore" => LockType::Semaphore,
        "rt_mutex" => LockType::Rtmutex,
        "rwbase_rt" => LockType::RwlockRt,
        "local_lock_t" | "local_trylock_t" => LockType::LocalLock,
        _ => return None,
    })
}
