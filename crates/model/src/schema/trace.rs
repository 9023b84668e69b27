//! The tables of a trace.

use super::column::{self, Column};
use arrow::datatypes::SchemaRef;

/// A table of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Sums over waits.
    Totals,
    /// Single waits.
    Events,
    /// Sums over waits by task.
    Tasks,
    /// Sums over acquisitions and holds.
    Acquisitions,
    /// Single initialisations.
    Inits,
    /// Stacks as lists of addresses.
    Stacks,
    /// Addresses as symbols.
    Frames,
    /// Tenants.
    Tenants,
    /// Phases.
    Phases,
    /// Which object locks lie in.
    Instances,
    /// What each lock protects.
    Objects,
    /// Kernel addresses as places in the source.
    Lines,
    /// Addresses of processes as places in the source.
    UserLines,
}

impl Table {
    /// Every table.
    pub const ALL: &'static [Self] = &[
        Self::Totals,
        Self::Events,
        Self::Tasks,
        Self::Acquisitions,
        Self::Inits,
        Self::Stacks,
        Self::Frames,
        Self::Tenants,
        Self::Phases,
        Self::Instances,
        Self::Objects,
        Self::Lines,
        Self::UserLines,
    ];

    /// The name of the table, and of its folder in the trace.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Totals => "totals",
            Self::Events => "events",
            Self::Tasks => "tasks",
            Self::Acquisitions => "acquisitions",
            Self::Inits => "inits",
            Self::Stacks => "stacks",
            Self::Frames => "frames",
            Self::Tenants => "tenants",
            Self::Phases => "phases",
            Self::Instances => "instances",
            Self::Objects => "objects",
            Self::Lines => "lines",
            Self::UserLines => "user_lines",
        }
    }

    /// What a row is.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Totals => {
                "Sums over all waits that passed the filters. A row is one time bucket of one combination of lock, \
                 type, mode, context, stacks, waiter tenant, holder tenant and method. A wait stands in the bucket in \
                 which it ended. When tasks of several tenants held the lock during one wait, the wait is counted in \
                 the row of the one that held it longest, and the others have their share of `held_ns_total` in rows \
                 of their own with `waits` 0."
            }
            Self::Events => {
                "Single waits that lasted at least the threshold, one a row, in the order in which they ended."
            }
            Self::Tasks => "Sums over all waits that passed the filters, by waiting task, lock type and time bucket.",
            Self::Acquisitions => {
                "Sums over all acquisitions that passed the filters; only at the level `acquisitions`. A row is one time \
                 bucket of one combination of lock, life, type, mode, context, stack and tenant. An acquisition stands \
                 in the bucket in which it was made, a hold in that in which it ended, both in the row of the \
                 acquisition's site and tenant. The sleeping locks' own inner spinlocks are in rows of their own."
            }
            Self::Inits => {
                "Initialisations of locks, one a row; only at the level `acquisitions`. Of spinlocks, rwlocks and \
                 semaphores production kernels initialise, there is no function that could be traced."
            }
            Self::Stacks => "Stacks as lists of return addresses, innermost first, each stored once.",
            Self::Frames => {
                "What the addresses in stacks are called, as far as the running kernel told when the trace was recorded."
            }
            Self::Tenants => {
                "Tenants by number. 0, 1 and 2 are always there: `unknown`, `none` (nobody held the lock) and `kernel`."
            }
            Self::Phases => {
                "Parts of the recording. A time bucket ends where a phase begins, so each row of the other tables stands in \
                 one phase: the last that began at its time or before."
            }
            Self::Instances => {
                "Which object a lock lies in, as the kernel's memory had it at the end of the first time bucket in which the \
                 lock was seen. Memory is used again: where it is found to be another object at the end of a later bucket in \
                 which the lock is seen, a further row says so. Locks of which nothing certain was found have no row."
            }
            Self::Objects => {
                "What each lock protects, as `lima resolve` found with an index of the kernel: a row for each combination of \
                 lock, life and stack in `totals`, `events` and `acquisitions`. Memory is used again, so the same address \
                 may be another object's on another stack. A recorder writes none of these rows."
            }
            Self::Lines => {
                "Kernel addresses of `stacks` as places in the source, inlined functions included, as `lima resolve` found; \
                 those of which nothing more than `frames` says is known have no row."
            }
            Self::UserLines => {
                "Addresses of processes as places in the source, as `lima resolve` found in debug information with the build id that \
                 `frames` tells; those without it have no row."
            }
        }
    }

    /// Its columns, in order.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Totals => TOTALS,
            Self::Events => EVENTS,
            Self::Tasks => TASKS,
            Self::Acquisitions => ACQUISITIONS,
            Self::Inits => INITS,
            Self::Stacks => STACKS,
            Self::Frames => FRAMES,
            Self::Tenants => TENANTS,
            Self::Phases => PHASES,
            Self::Instances => INSTANCES,
            Self::Objects => OBJECTS,
            Self::Lines => LINES,
            Self::UserLines => USER_LINES,
        }
    }

    /// Its schema in Arrow.
    pub fn schema(self) -> SchemaRef {
        column::schema(self.columns())
    }
}

const TOTALS: &[Column] = columns! {
    time_ns: U64 = "Start of the time bucket, nanoseconds since the start of the trace.",
    lock: U64 = "Address of the lock.",
    lock_type: Text = "`mutex`, `rwsem`, `spinlock`, `rwlock`, `rtmutex`, `percpu_rwsem`, `semaphore` or `rwlock_rt`.",
    mode: Text = "`read` or `write` for locks that have both, else `exclusive`.",
    context: Text = "Where the wait took place: `task`, `softirq`, `hardirq`, `nmi`, or `interrupt` when it is not known which.",
    stack_id: U64 = "Kernel stack of the waiter, in `stacks`; 0: missing.",
    user_stack_id: U64 = "User stack of the waiter, in `stacks`; 0: not recorded or missing.",
    waiter_tenant: U32 = "Tenant that waited, in `tenants`.",
    holder_tenant: U32 = "Tenant that held the lock, in `tenants`; 0 unknown, 1 nobody.",
    method: Text = "How the holder was found: `owner_word`, `owner_word+waker`, `last_reader`, `acquirer`, `free`, `exact` or `unknown`.",
    slab_cache: Text null = "Slab cache that the lock lies in, when the kernel could tell.",
    slab_offset: U32 null = "Offset of the lock in its slab object, bytes, when the kernel could tell.",
    waits: U64 = "How many waits.",
    failed_waits: U64 = "How many of them ended without the lock (interrupted, timed out).",
    wait_ns_total: U64 = "Time waited, nanoseconds.",
    wait_ns_min: U64 = "Shortest wait, nanoseconds; 0 when `waits` is 0.",
    wait_ns_max: U64 = "Longest wait, nanoseconds.",
    spin_ns_total: U64 = "Part of `wait_ns_total` spent spinning.",
    sleep_ns_total: U64 = "Part of `wait_ns_total` spent asleep or waiting to run; with `spin_ns_total` it makes up the whole.",
    held_ns_total: U64 = "Part of the waits during which a task of `holder_tenant` held the lock.",
    free_ns_total: U64 = "Part of the waits during which nobody held it: the waiter was waiting to be woken or scheduled.",
    unknown_ns_total: U64 = "Part of the waits during which it is not known who held it.",
    hist_buckets: ListU16 = "Histogram of wait times: numbers of the buckets that hold waits, ascending. Bucket 0 is 0-63 ns; \
        bucket 1+4(k-6)+q is the q-th quarter (from 0) of [2^k, 2^(k+1)) ns, k from 6 to 37.",
    hist_waits: ListU64 = "How many waits are in each of `hist_buckets`.",
};

const EVENTS: &[Column] = columns! {
    begin_ns: U64 = "Begin of the wait, nanoseconds since the start of the trace; 0 when it began before.",
    wait_ns: U64 = "Its length, nanoseconds.",
    spin_ns: U64 = "Part spent spinning.",
    sleep_ns: U64 = "Part spent asleep or waiting to run.",
    held_ns: U64 = "Part during which the holder held the lock.",
    free_ns: U64 = "Part during which nobody held it.",
    other_held_ns: U64 = "Part during which tasks of tenants other than `holder_tenant` held it.",
    unknown_ns: U64 = "Part during which it is not known who held it.",
    result: I32 = "0 when the lock was acquired, else the negative errno.",
    lock: U64 = "Address of the lock.",
    lock_type: Text = "As in `totals`.",
    mode: Text = "As in `totals`.",
    context: Text = "As in `totals`.",
    cpu: U32 = "CPU on which the wait ended.",
    tid: U32 = "Waiting thread; in an interrupt, the thread that was interrupted.",
    tgid: U32 = "Its process.",
    comm: Text = "Its name.",
    waiter_tenant: U32 = "Tenant that waited, in `tenants`.",
    stack_id: U64 = "Kernel stack of the waiter, in `stacks`; 0: missing.",
    user_stack_id: U64 = "User stack of the waiter, in `stacks`; 0: not recorded or missing.",
    slab_cache: Text null = "As in `totals`.",
    slab_offset: U32 null = "As in `totals`.",
    holder_tid: U32 null = "Thread of that tenant that held the lock longest at a stretch.",
    holder_tgid: U32 null = "Its process.",
    holder_comm: Text null = "Its name.",
    holder_tenant: U32 = "Its tenant, in `tenants`; 0 unknown, 1 nobody.",
    holder_stack_id: U64 = "Where the holder slept while it held the lock, in `stacks`; 0: not known.",
    holder_site_id: U64 = "Where the holder acquired the lock, in `stacks`, as in `acquisitions`; 0: not known. Like the next two \
        only with the method `exact`, for the holder at the begin of the wait.",
    holder_cpu: U32 null = "CPU on which it acquired it.",
    holder_mode: Text null = "How it held it, as `mode`.",
    release_stack_id: U64 = "Where the waker let the lock go, in `stacks`; 0: not known.",
    method: Text = "How the holder was found, as in `totals`.",
};

const TASKS: &[Column] = columns! {
    time_ns: U64 = "Start of the time bucket, nanoseconds since the start of the trace.",
    tid: U32 = "Waiting thread; in an interrupt, the thread that was interrupted.",
    tgid: U32 = "Its process.",
    comm: Text = "Its name when it was last seen.",
    tenant: U32 = "Its tenant, in `tenants`; waits in interrupts stand under `kernel`.",
    lock_type: Text = "As in `totals`.",
    waits: U64 = "How many waits.",
    wait_ns_total: U64 = "Time waited, nanoseconds.",
    wait_ns_max: U64 = "Longest wait, nanoseconds.",
    spin_ns_total: U64 = "Part of `wait_ns_total` spent spinning.",
    sleep_ns_total: U64 = "Part of `wait_ns_total` spent asleep or waiting to run.",
};

const ACQUISITIONS: &[Column] = columns! {
    time_ns: U64 = "Start of the time bucket, nanoseconds since the start of the trace.",
    lock: U64 = "Address of the lock.",
    life: U32 = "Which lock at this address, counted by its initialisations since the recording began; 0: the one that was \
        there before, or that was initialised where no program can see it.",
    lock_type: Text = "As in `totals`, and `ww_mutex`.",
    mode: Text = "As in `totals`.",
    context: Text = "Where the lock was acquired: `task`, `softirq`, `hardirq` or `nmi`.",
    stack_id: U64 = "Where it was acquired, in `stacks`: a stack of the site alone, of a site in a function that takes locks for \
        others and its caller, or, when stacks were asked for, the whole; 0: not known.",
    slab_cache: Text null = "As in `totals`.",
    slab_offset: U32 null = "As in `totals`.",
    tenant: U32 = "Tenant that acquired it, in `tenants`; in interrupts `kernel`.",
    acquisitions: U64 = "How often the lock was acquired.",
    failed: U64 = "How many attempts did not get it: a try that found it taken, a wait that was interrupted or timed out.",
    waits: U64 = "How many of the attempts had to wait.",
    wait_ns_total: U64 = "Time they waited, nanoseconds.",
    wait_ns_min: U64 = "Shortest wait, nanoseconds; 0 when `waits` is 0.",
    wait_ns_max: U64 = "Longest wait, nanoseconds.",
    holds: U64 = "How many holds ended.",
    hold_ns_total: U64 = "Time from acquiring to letting go, of the holds that ended, nanoseconds.",
    hold_ns_min: U64 = "Shortest hold that ended, nanoseconds; 0 when `holds` is 0.",
    hold_ns_max: U64 = "Longest hold that ended, nanoseconds.",
    cross_cpu: U64 = "Acquisitions after one by another CPU. This and the next four are 0 unless asked for (`--stats`).",
    cross_cpu_waits: U64 = "How many of these had waited.",
    cross_node: U64 = "Acquisitions after one on another NUMA node.",
    mode_changes: U64 = "Acquisitions for reading after one for writing, and the other way round.",
    longest_run: U32 = "Most acquisitions in a row by one CPU.",
    hold_octaves: ListU16 = "Histogram of hold times: numbers of the buckets that have holds, ascending. Bucket 0 is 0-63 ns, \
        bucket b is [2^(b+5), 2^(b+6)) ns, bucket 31 all above.",
    hold_counts: ListU64 = "How many holds are in each of `hold_octaves`.",
    wait_octaves: ListU16 = "Histogram of waits, as `hold_octaves`; empty unless asked for (`--stats`).",
    wait_counts: ListU64 = "How many waits are in each of `wait_octaves`.",
    hold_max_tid: U32 null = "Thread of the longest hold: the one that acquired the lock; in an interrupt, the one that was \
        interrupted. Missing when `holds` is 0.",
    hold_max_end_ns: U64 null = "When the longest hold ended, nanoseconds since the start of the trace.",
    wait_max_tid: U32 null = "Thread of the longest wait. Missing when its time is not known.",
    wait_max_end_ns: U64 null = "When the longest wait ended.",
};

const INITS: &[Column] = columns! {
    time_ns: U64 = "When, nanoseconds since the start of the trace.",
    lock: U64 = "Address of the lock.",
    life: U32 = "Which lock at this address it is from then on, as in `acquisitions`.",
    lock_type: Text = "As in `acquisitions`.",
    context: Text = "As in `acquisitions`.",
    stack_id: U64 = "Where it was initialised, as in `acquisitions`.",
    tenant: U32 = "Tenant that did it, in `tenants`.",
    tid: U32 = "Thread that did it; in an interrupt, the thread that was interrupted.",
    name: Text = "The text of the initialised expression in the source (`&inode->i_rwsem`), as the kernel keeps it; at most 39 \
        bytes.",
};

const STACKS: &[Column] = columns! {
    stack_id: U64 = "The stack's number in this trace, from 1.",
    kind: Text = "`kernel` or `user`.",
    tgid: U32 null = "Process whose addresses these are; user stacks only.",
    addresses: ListU64 = "Return addresses, innermost first, without the tracing machinery.",
    truncated: U16 = "1 when the stack was deeper than 127 frames, else 0.",
};

const FRAMES: &[Column] = columns! {
    tgid: U32 = "Process whose address this is; 0: the kernel.",
    address: U64 = "The address as it stands in `stacks`.",
    symbol: Text null = "Function that the address lies in; missing when none is known.",
    offset: U64 = "Offset of the address in the function, or in the file `module` when no function is known.",
    module: Text null = "Kernel module or user-space file; missing for the kernel image.",
    build_id: Text null = "Build id of the file in hex; user frames only.",
    file_address: U64 null = "The address as the symbols and the debug information of the file count it; user frames only.",
};

const TENANTS: &[Column] = columns! {
    tenant: U32 = "The tenant's number in this trace.",
    name: Text = "Its name, as short as it can be told apart.",
    kind: Text = "`unknown`, `none`, `kernel`, `cgroup`, `container`, `sandbox`, `vm`, `pidns`, `comm` or `user`.",
    id: U64 = "What the kernel knows it by: cgroup id, pid of the sandbox or VM, inode of the pid namespace, user id.",
    path: Text null = "Path of its cgroup.",
    runtime: Text null = "What runs it: `docker`, `containerd`, `cri-o`, `podman`, `runc`, `systemd`, `kubepods`, `gvisor`, `firecracker`, `qemu`, `cloud-hypervisor`.",
    container_id: Text null = "Its container id.",
};

const PHASES: &[Column] = columns! {
    begin_ns: U64 = "When it began, nanoseconds since the start of the trace.",
    phase: Text = "Its name, as `lima mark` gave it; `start` for what was before the first.",
};

const INSTANCES: &[Column] = columns! {
    time_ns: U64 = "Start of the time bucket at whose end it was read, nanoseconds since the start of the trace.",
    lock: U64 = "Address of the lock.",
    life: U32 = "As in `acquisitions`; of `totals` 0.",
    kind: Text = "What it is: `inode`, `dentry`, `file`, `super_block`, `mm`, `task`, `process`, `socket`, `netns`, `netdev`, `cgroup` or `stack`.",
    name: Text = "As people would say it: `inode 1234 of ext4 8:1`.",
    filesystem: Text null = "Type of the file system; of what belongs to one.",
    device: Text null = "Its device number, `major:minor`.",
    volume: Text null = "What the kernel calls the file system's instance: the name of its device, or of its type.",
    number: U64 null = "Inode number, also of network namespaces; of cgroups their id, of sockets the local port, of network devices \
        their ifindex.",
    netns: U64 null = "Inode number of the network namespace; of sockets and network devices.",
    pid: U32 null = "Thread, or the process of `process` and `mm`.",
    text: Text null = "Its own name: of a dentry, a cgroup, a task or a network device.",
    path: Text null = "Path from the root of its file system (`/` is that root itself): of inodes, dentries and open files. Of a file \
        with several names it is one of them; a file that was deleted has none, nor one that the kernel keeps no name of.",
};

const OBJECTS: &[Column] = columns! {
    lock: U64 = "Address of the lock.",
    life: U32 = "As in `acquisitions`; of `totals` and `events` 0.",
    stack_id: U64 = "As in `acquisitions`, `totals` and `events`.",
    object: Text = "What the lock protects: `TYPE.path`, `symbol` or `symbol.path`; `unknown` without evidence, `conflict` where \
        the evidence contradicts itself.",
    declared: Text null = "What the index calls the lock: `TYPE.path` from the innermost named struct that declares it. Another \
        word than `object` where that struct is a part that many have, such as a queue.",
    container: Text null = "Path of the lock from the widest struct that it is known to lie in.",
    instance: Text null = "Which one of these objects it is: the variable that it lies in.",
    method: Text = "The evidence that decided: `symbol`, `per_cpu`, `init`, `site`, `slab`, `class`, `other_sites`, `kin`, `pointer`, \
        `conflict` or `unknown`.",
    confidence: Text = "`certain`, `strong`, `inferred` or `none`.",
    candidates: ListText = "Of a conflict the answers that contradict each other; of an unknown one what it could be.",
    subsystem: Text null = "Part of the kernel that the object belongs to: `mm`, `fs`, `net` and so on.",
};

const LINES: &[Column] = columns! {
    address: U64 = "The address as it stands in `stacks`.",
    functions: ListText = "The chain of inlined functions that the call before it is in, innermost first, down to the function \
        itself.",
    files: ListText = "The file of each, relative to the kernel's source.",
    lines: ListU32 = "The line in each; in all but the first, where the one before was inlined.",
    subsystem: Text null = "Part of the kernel that the function itself is in.",
};

const USER_LINES: &[Column] = columns! {
    tgid: U32 = "Process whose address this is.",
    address: U64 = "The address as it stands in `stacks`.",
    functions: ListText = "The chain of inlined functions that it is in, innermost first, down to the function itself.",
    files: ListText = "The file of each, as its debug information says; empty where it says nothing.",
    lines: ListU32 = "The line in each; 0 where it is not known.",
};
