//! What is asked of the collector.

use lima_model::LockType;

/// What makes a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantBy {
    /// The cgroup: of the default hierarchy, or of this v1 controller.
    Cgroup(Option<String>),
    /// The pid namespace.
    Pidns,
    /// The name of the process.
    Comm,
    /// The user.
    User,
}

/// Which waits are counted. An empty list lets everything pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Processes of the waiter.
    pub pids: Vec<u32>,
    /// Threads that wait.
    pub tids: Vec<u32>,
    /// Names of the waiter.
    pub comms: Vec<String>,
    /// The cgroup of the waiter, or one above it: its id and its depth below the root (0: the root).
    pub cgroup: Option<(u64, u32)>,
    /// Tenants of the waiter by the kernel's numbers; `Some` of an empty list lets nothing pass until
    /// [`Collector::pass_tenant`](super::Collector::pass_tenant) adds one.
    pub tenants: Option<Vec<u64>>,
    /// CPUs on which the wait ends.
    pub cpus: Vec<u32>,
    /// Lock types.
    pub types: Vec<LockType>,
}

/// What is asked of the collector.
#[derive(Clone, Debug)]
pub struct Options {
    /// Single waits are reported from this duration on, nanoseconds.
    pub threshold_ns: u64,
    /// What makes a tenant.
    pub tenant_by: TenantBy,
    /// Whether user stacks are walked.
    pub user_stacks: bool,
    /// Which waits are counted.
    pub filters: Filters,
    /// How many keys the totals of one time bucket can hold.
    pub max_totals: u32,
    /// Whether the programs on acquisitions are there as well, and know who holds a lock.
    pub exact: bool,
    /// The size of the ring buffer in bytes: a power of two, a multiple of the page size.
    pub buffer_bytes: u32,
}
