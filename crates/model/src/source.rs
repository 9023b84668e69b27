//! Which functions of the source are part of a lock and not of its user.

/// Headers in which lock functions are defined: what is inlined from them is a part of the lock, not of its user.
const LOCK_HEADERS: &[&str] = &[
    "bit_spinlock.h",
    "local_lock.h",
    "local_lock_internal.h",
    "mutex.h",
    "percpu-rwsem.h",
    "qrwlock.h",
    "qspinlock.h",
    "rtmutex.h",
    "rwbase_rt.h",
    "rwlock.h",
    "rwlock_api_smp.h",
    "rwlock_rt.h",
    "rwsem.h",
    "semaphore.h",
    "seqlock.h",
    "spinlock.h",
    "spinlock_api_smp.h",
    "spinlock_rt.h",
    "srcu.h",
    "wait_bit.h",
    "ww_mutex.h",
];

/// Lock functions in headers in which there is much else.
const LOCK_FUNCTIONS: &[&str] = &[
    "folio_lock",
    "folio_lock_killable",
    "folio_lock_or_retry",
    "lock_buffer",
    "lock_page",
    "lock_page_killable",
    "lock_page_or_retry",
    "lock_sock",
    "lock_sock_fast",
    "lock_sock_fast_nested",
    "unlock_sock_fast",
];

/// Whether a function in a file of the source is how a lock is taken, inlined into whoever takes it.
pub fn is_of_lock(function: &str, file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or_default();
    let named = || LOCK_FUNCTIONS.binary_search(&function).is_ok();
    file.contains("include/") && (LOCK_HEADERS.binary_search(&name).is_ok() || named())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_may_have_a_file_of_that_name() {
        assert!(is_of_lock("spin_lock", "include/linux/spinlock.h"));
        assert!(is_of_lock("lock_sock", "include/net/sock.h"));
        assert!(!is_of_lock("sock_hold", "include/net/sock.h"));
        assert!(!is_of_lock("f", "drivers/foo/mutex.h"));
        assert!(LOCK_HEADERS.is_sorted() && LOCK_FUNCTIONS.is_sorted());
    }
}
