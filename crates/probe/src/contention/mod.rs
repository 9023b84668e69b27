//! The contention collector: every lock wait of the running kernel, summed up there.
//!
//! [`Collector`] loads and attaches the programs in `bpf/contention.bpf.c` and gives what they collect: totals, taken
//! out once a time bucket; single waits, stacks and notices from the ring buffer; and counts of what was lost.

mod collector;
mod drain;
mod error;
#[cfg(test)]
mod layout;
mod object;
mod options;
mod recall;
mod setup;
pub(crate) mod slots;

pub use collector::{Collector, Counters, Record, Taken};
pub(crate) use drain::{Plain, plain, read_plain};
pub use error::Error;
#[cfg(test)]
pub(crate) use layout::asserted;
pub(crate) use object::{programs, tells_slab_caches, wait_for_programs};
pub use options::{Filters, Options, Profile, TenantBy};
pub(crate) use setup::settings;

mod skeleton {
    #![allow(missing_docs, missing_debug_implementations, non_camel_case_types, unused_qualifications, clippy::all)]
    #![allow(clippy::undocumented_unsafe_blocks, clippy::ptr_as_ptr, clippy::wildcard_imports, dead_code)]
    include!(concat!(env!("OUT_DIR"), "/contention.skel.rs"));
}

/// The records that the kernel side writes, generated from `bpf/records.h`.
pub mod types {
    pub use super::skeleton::types::{
        cgroup_notice, event, exec_notice, holder, rule, rules, settings, share_record, stack_record, task_key,
        task_slot, task_totals, totals, totals_key, totals_slot,
    };
}

/// The kernel side's words for what is no number of the kernel's (`bpf/records.h`).
pub mod codes {
    /// A tenant that could not be found out.
    pub const TENANT_UNKNOWN: u64 = 0;
    /// Nobody.
    pub const TENANT_NONE: u64 = u64::MAX;
    /// Kernel threads and interrupts.
    pub const TENANT_KERNEL: u64 = u64::MAX - 1;
    /// Set in the number of a sandbox, beside its process.
    pub const TENANT_SANDBOX: u64 = 1 << 63;
    /// Set in the number of a user, beside its id.
    pub const TENANT_USER: u64 = 1 << 62;
    /// Why a wait is sent: to be kept.
    pub const PURPOSE_KEEP: u8 = 1;
    /// Why a wait is sent: the totals had no room for it.
    pub const PURPOSE_TOTALS: u8 = 2;
    /// Why a wait is sent: the totals by task had no room for it.
    pub const PURPOSE_TASKS: u8 = 4;
    /// The lock lies in no slab object, or its offset is not known.
    pub const NO_OFFSET: u32 = u32::MAX;
    /// How many slots each CPU has for the totals of a time bucket, ahead of the hash maps.
    pub const SLOTS: u32 = 256;
}

/// The kernel side's number of all processes of a name: FNV-1a, as `comm_tenant` in `bpf/tenant.bpf.h`.
pub fn comm_tenant(comm: &str) -> u64 {
    comm.bytes()
        .take(15)
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The kernel side's number of a user.
pub fn user_tenant(uid: u32) -> u64 {
    codes::TENANT_USER | u64::from(uid)
}
