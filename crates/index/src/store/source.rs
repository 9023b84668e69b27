//! Where the source takes a lock.

use crate::debug::Frame;

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

/// The innermost frame that is no part of the lock itself; the outermost one when all are.
pub fn source(frames: &[Frame]) -> Option<&Frame> {
    let of_lock = |frame: &&Frame| {
        let name = frame.file.rsplit('/').next().unwrap_or_default();
        let named = || LOCK_FUNCTIONS.binary_search(&&*frame.function).is_ok();
        frame.file.contains("include/") && (LOCK_HEADERS.binary_search(&name).is_ok() || named())
    };
    frames.iter().find(|frame| !of_lock(frame)).or(frames.last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_function_in_a_header_is_not_where_the_lock_is_taken() {
        let frame = |function: &str, file: &str, line| Frame { function: function.into(), file: file.into(), line };
        let frames = [
            frame("spin_lock", "include/linux/spinlock.h", 350),
            frame("inode_add_lru", "fs/inode.c", 461),
            frame("iput", "fs/inode.c", 1700),
        ];
        assert_eq!(source(&frames), Some(&frames[1]));
        assert_eq!(source(&frames[..1]), Some(&frames[0]));
        // A driver may have a file of that name.
        let own = [frame("f", "drivers/foo/mutex.h", 1), frames[2].clone()];
        assert_eq!(source(&own), Some(&own[0]));
        assert_eq!(source(&[]), None);
        let socket = [frame("lock_sock", "include/net/sock.h", 1805), frame("tcp_close", "net/ipv4/tcp.c", 3007)];
        assert_eq!(source(&socket), Some(&socket[1]));
        assert!(LOCK_HEADERS.is_sorted() && LOCK_FUNCTIONS.is_sorted());
    }
}
