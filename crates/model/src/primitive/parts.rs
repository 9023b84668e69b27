//! Lock functions that are not handed a lock but what it is part of, and the bits that are locks.

/// The lock that a function takes of what it is handed: always the same member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The structs that have the lock, and the member that it is: the first one that the kernel has. A page is a folio
    /// where there are folios.
    pub members: &'static [(&'static str, &'static str)],
    /// Of a bit: its name.
    pub bit: Option<&'static str>,
}

const SOCKET: Part = Part { members: &[("sock", "sk_lock")], bit: None };
const PAGE: Part = Part { members: &[("folio", "flags"), ("page", "flags")], bit: Some("PG_locked") };
const BUFFER: Part = Part { members: &[("buffer_head", "b_state")], bit: Some("BH_Lock") };

/// The bits that are locks of their own: part of what, and their number there (`enum pageflags`, `enum bh_state_bits`).
pub const BITS: &[(Part, u64)] = &[(PAGE, 0), (BUFFER, 2)];

/// What a lock function of this name takes of its argument.
pub(super) fn part(name: &str) -> Option<Part> {
    match name {
        "lock_sock_nested" | "__lock_sock_fast" | "release_sock" => Some(SOCKET),
        "__folio_lock"
        | "__folio_lock_killable"
        | "__folio_lock_or_retry"
        | "__lock_page"
        | "__lock_page_killable"
        | "__lock_page_or_retry"
        | "folio_unlock"
        | "folio_end_read"
        | "unlock_page" => Some(PAGE),
        "__lock_buffer" | "unlock_buffer" => Some(BUFFER),
        _ => None,
    }
}
