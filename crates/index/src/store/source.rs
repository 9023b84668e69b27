//! Where the source takes a lock.

use crate::debug::Frame;
use lima_model::source::is_of_lock;

/// The innermost frame that is no part of the lock itself; the outermost one when all are.
pub fn source(frames: &[Frame]) -> Option<&Frame> {
    let of_lock = |frame: &&Frame| is_of_lock(&frame.function, &frame.file);
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
    }
}
