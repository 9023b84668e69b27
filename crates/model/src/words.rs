//! The closed sets of words that appear in tables and reports.
//!
//! Each set is an enum whose `name` is the text in the tables; codes are what the kernel side writes
//! (`crates/probe/src/bpf/records.h`).

/// A set of words with a code for the kernel side and a name for the tables.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $code,)* }

        impl $name {
            /// Every word of the set, in order of its code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word as it stands in tables and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The word for a code of the kernel side; `None` for a code that this version does not know.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// The word with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.name() == name)
            }
        }
    };
}

words! {
    /// The kernel's own names of its lock types, and what `lock:contention_begin` tells apart
    /// of them (`include/trace/events/lock.h`, the `LCB_F_*` flags): the first eight.
    LockType {
        /// A lock without any flag: `down()` and its kin.
        Semaphore = 0 "semaphore",
        /// `spinlock_t` and `raw_spinlock_t`.
        Spinlock = 1 "spinlock",
        /// `rwlock_t`.
        Rwlock = 2 "rwlock",
        /// `struct rw_semaphore`.
        Rwsem = 3 "rwsem",
        /// `struct mutex` and `struct ww_mutex`.
        Mutex = 4 "mutex",
        /// `struct rt_mutex`, and the sleeping spinlocks of PREEMPT_RT.
        Rtmutex = 5 "rtmutex",
        /// `struct percpu_rw_semaphore`.
        PercpuRwsem = 6 "percpu_rwsem",
        /// The reader-writer locks of PREEMPT_RT (`rwbase_rt`).
        RwlockRt = 7 "rwlock_rt",
        /// `raw_spinlock_t`. The tracepoints do not tell it from a spinlock; an index does.
        RawSpinlock = 8 "raw_spinlock",
        /// `seqlock_t`: a spinlock for the writers, a sequence for the readers.
        Seqlock = 9 "seqlock",
        /// `struct ww_mutex`. The tracepoints do not tell it from a mutex; an index does.
        WwMutex = 10 "ww_mutex",
        /// `local_lock_t`: keeps one CPU's data from whoever else may run there.
        LocalLock = 11 "local_lock",
        /// `socket_lock_t`: who owns a socket. Its spinlock is a lock of its own, for interrupts.
        SocketLock = 12 "socket_lock",
        /// `struct srcu_struct`, as its readers take it. They never wait; who waits for them is `synchronize_srcu`.
        Srcu = 13 "srcu",
        /// A bit of some word, with a queue for those who wait for it: locks of pages and of buffers.
        BitLock = 14 "bit_lock",
        /// Read sections of RCU. There is no lock that tells one from another.
        Rcu = 15 "rcu",
    }
}

impl LockType {
    /// Those that the tracepoints of the contention level tell apart.
    pub const TRACED: &'static [Self] = &[
        Self::Semaphore,
        Self::Spinlock,
        Self::Rwlock,
        Self::Rwsem,
        Self::Mutex,
        Self::Rtmutex,
        Self::PercpuRwsem,
        Self::RwlockRt,
    ];

    /// Those that the acquisitions level can trace, but not unless they are asked for: they are taken all the time, or
    /// seen only when they have to be waited for.
    pub const ON_REQUEST: &'static [Self] = &[Self::SocketLock, Self::Srcu, Self::BitLock, Self::Rcu];

    /// The type whose functions serve its locks, too: the tracing side tells no more apart.
    #[must_use]
    pub const fn family(self) -> Self {
        match self {
            // The writers of a sequence lock take the spinlock in it.
            Self::RawSpinlock | Self::Seqlock => Self::Spinlock,
            Self::WwMutex => Self::Mutex,
            other => other,
        }
    }

    /// Whether the locks inside of it are not only its own: others take them for themselves.
    pub const fn is_compound(self) -> bool {
        matches!(self, Self::SocketLock | Self::Srcu)
    }
}

words! {
    /// What a site does with its lock.
    Operation {
        /// Waits until it has the lock.
        Acquire = 0 "acquire",
        /// Takes the lock if that is possible at once.
        Try = 1 "try",
        /// Lets it go.
        Release = 2 "release",
        /// Makes it a lock.
        Init = 3 "init",
    }
}

words! {
    /// How the object that a site locks was found.
    SiteMethod {
        /// It was not, or the evidence conflicts.
        Unknown = 0 "unknown",
        /// The address is in the code: a variable.
        Address = 1 "address",
        /// DWARF says where a variable of the right type is kept, at the site.
        Variable = 2 "variable",
        /// Values were followed, and the evidence of their types agrees.
        Flow = 3 "flow",
        /// The offset lies beyond the known type, and only one type that embeds it has the right lock there.
        Container = 4 "container",
        /// A pointer to the lock was loaded from a field; the object is that field.
        Pointer = 5 "pointer",
        /// All callers hand over the same object.
        Callers = 6 "callers",
        /// The lock is on the stack of the function.
        Local = 7 "local",
        /// The lock function takes no other lock than this one: `lock_sock` that of a socket.
        Function = 8 "function",
    }
}

impl SiteMethod {
    /// How much an object found this way is worth, in one word.
    pub const fn confidence(self) -> &'static str {
        match self {
            Self::Unknown => "none",
            Self::Address | Self::Variable | Self::Local | Self::Function => "certain",
            Self::Flow | Self::Pointer => "strong",
            Self::Container | Self::Callers => "inferred",
        }
    }
}

words! {
    /// The evidence that decided which object a lock protects.
    Evidence {
        /// None.
        Unknown = 0 "unknown",
        /// The lock lies in a variable of the kernel or of a module.
        Symbol = 1 "symbol",
        /// The lock lies in a CPU's share of a per-CPU variable.
        PerCpu = 2 "per_cpu",
        /// The place that initialised it.
        Init = 3 "init",
        /// The place that took it.
        Site = 4 "site",
        /// The slab cache and the offset in its objects, whose type is known.
        Slab = 5 "slab",
        /// Other locks at the same offset in objects of the same slab cache.
        Class = 6 "class",
        /// Other places that took the same lock.
        OtherSites = 7 "other_sites",
        /// A pointer to the lock was loaded from a field; the object is that field.
        Pointer = 8 "pointer",
        /// Evidence that contradicts itself.
        Conflict = 9 "conflict",
        /// What the function takes in other kernels.
        Kin = 10 "kin",
        /// The lock lies on the stack of a thread in the kernel. It tells what does not speak for an object, and never decides.
        Stack = 11 "stack",
    }
}

words! {
    /// How the waiter wants the lock.
    Mode {
        /// The only mode that the lock has.
        Exclusive = 0 "exclusive",
        /// Shared with other readers.
        Read = 1 "read",
        /// Alone, on a lock that has readers.
        Write = 2 "write",
    }
}

words! {
    /// What the CPU was doing when the wait began.
    Context {
        /// A system call, a fault or a kernel thread.
        Task = 0 "task",
        /// A soft interrupt, on the interrupt stack or in ksoftirqd.
        Softirq = 1 "softirq",
        /// A hardware interrupt.
        Hardirq = 2 "hardirq",
        /// A non-maskable interrupt.
        Nmi = 3 "nmi",
        /// Not on the task's stack, and the stack does not say which kind of interrupt.
        Interrupt = 4 "interrupt",
    }
}

words! {
    /// How the holder of a lock was found.
    Method {
        /// The lock type keeps no owner, or the owner could not be read.
        Unknown = 0 "unknown",
        /// The lock's owner word named the task when the wait began or was looked at again.
        OwnerWord = 1 "owner_word",
        /// The task that woke the waiter is the one that the owner word had named.
        OwnerAndWaker = 2 "owner_word+waker",
        /// Readers held the lock; the last of them to leave woke the waiter.
        LastReader = 3 "last_reader",
        /// The waker acquired the lock, itself after waiting, at a time that was seen.
        Acquirer = 4 "acquirer",
        /// The owner word said that nobody held the lock.
        Free = 5 "free",
        /// Every acquisition and release was traced.
        Exact = 6 "exact",
    }
}

/// Tenant number 0: it could not be found out who.
pub const TENANT_UNKNOWN: u32 = 0;
/// Tenant number 1: nobody held the lock; the waiter was waiting to be woken or scheduled.
pub const TENANT_NONE: u32 = 1;
/// Tenant number 2: kernel threads and interrupts, work that no tenant asked for.
pub const TENANT_KERNEL: u32 = 2;
/// The first number of a real tenant.
pub const TENANT_FIRST: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_lead_back_to_the_word() {
        for &word in LockType::ALL {
            assert_eq!(LockType::from_code(word as u8), Some(word));
            assert_eq!(LockType::from_name(word.name()), Some(word));
        }
        for &word in Method::ALL {
            assert_eq!(Method::from_code(word as u8), Some(word));
            assert_eq!(Method::from_name(word.name()), Some(word));
        }
        assert_eq!(LockType::from_code(200), None);
        assert_eq!(Mode::from_name("shared"), None);
    }
}
