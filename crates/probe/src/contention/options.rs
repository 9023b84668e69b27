//! What is asked of the collector.

use lima_model::{LockType, Stat};

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

/// Which locks and places are followed, and what is measured of their acquisitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What is measured beside acquisitions and failed attempts.
    pub stats: Vec<Stat>,
    /// Only these locks, by address, and those that `lock_places` take. Both empty: all.
    pub locks: Vec<u64>,
    /// Places that take a lock that is wanted, by the address that the call there returns to.
    pub lock_places: Vec<u64>,
    /// Only acquisitions from this code: address and size. Empty: from everywhere.
    pub sites: Vec<(u64, u32)>,
    /// Of these lock types only one acquisition in so many.
    pub sample: Vec<(LockType, u32)>,
    /// Whether what the recorder itself acquires is counted as well.
    pub own: bool,
}

impl Profile {
    /// Whether any of these is measured.
    pub fn measures(&self, any: impl Fn(Stat) -> bool) -> bool {
        self.stats.iter().any(|&stat| any(stat))
    }

    /// Whether locks are chosen.
    pub fn chooses_locks(&self) -> bool {
        !self.locks.is_empty() || !self.lock_places.is_empty()
    }
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
    /// Whether the programs on acquisitions are there as well.
    pub acquisitions: bool,
    /// Which locks, and what of their acquisitions.
    pub profile: Profile,
    /// The size of the ring buffer in bytes: a power of two, a multiple of the page size.
    pub buffer_bytes: u32,
}

impl Options {
    /// Whether holders are exact: every acquisition and release of the locks that are followed is seen.
    pub fn exact(&self) -> bool {
        self.acquisitions && self.profile.measures(Stat::of_holds) && self.profile.sample.is_empty()
    }

    /// Whether waits are followed at all.
    pub fn waits(&self) -> bool {
        !self.acquisitions || self.profile.measures(Stat::of_waits)
    }
}
