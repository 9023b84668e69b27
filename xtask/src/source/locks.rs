//! The kernel's lock functions by their names in the source.

/// What a lock function is, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The family of lock functions: `spin`, `read`, `write`, `mutex`, `down_read` ...
    pub family: &'static str,
    /// `acquire`, `try`, `release` or `init`.
    pub operation: &'static str,
    /// Which argument is the lock.
    pub argument: usize,
    /// A try that has an acquiring function of the same effect behind it, and the other way round.
    pub variant: &'static str,
}

/// Beginnings of names, the family that they mean, and what they do. The first that fits counts.
const FORMS: [(&str, &str, &str); 61] = [
    ("spin_lock_init", "spin", "init"),
    ("spin_trylock", "spin", "try"),
    ("spin_lock", "spin", "acquire"),
    ("spin_unlock", "spin", "release"),
    ("read_trylock", "read", "try"),
    ("read_lock", "read", "acquire"),
    ("read_unlock", "read", "release"),
    ("write_trylock", "write", "try"),
    ("write_lock", "write", "acquire"),
    ("write_unlock", "write", "release"),
    ("rwlock_init", "read", "init"),
    ("read_seqbegin_or_lock", "spin", "acquire"),
    ("done_seqretry", "spin", "release"),
    ("write_seqlock", "spin", "acquire"),
    ("write_sequnlock", "spin", "release"),
    ("read_seqlock_excl", "spin", "acquire"),
    ("read_sequnlock_excl", "spin", "release"),
    ("seqlock_init", "spin", "init"),
    ("mutex_trylock", "mutex", "try"),
    ("mutex_lock", "mutex", "acquire"),
    ("mutex_unlock", "mutex", "release"),
    ("mutex_init", "mutex", "init"),
    ("ww_mutex_trylock", "ww", "try"),
    ("ww_mutex_lock", "ww", "acquire"),
    ("ww_mutex_unlock", "ww", "release"),
    ("ww_mutex_init", "ww", "init"),
    ("rt_mutex_trylock", "rt", "try"),
    ("rt_mutex_lock", "rt", "acquire"),
    ("rt_mutex_unlock", "rt", "release"),
    ("percpu_down_read_trylock", "percpu_read", "try"),
    ("percpu_down_read", "percpu_read", "acquire"),
    ("percpu_up_read", "percpu_read", "release"),
    ("percpu_down_write", "percpu_write", "acquire"),
    ("percpu_up_write", "percpu_write", "release"),
    ("percpu_init_rwsem", "percpu_write", "init"),
    ("down_read_trylock", "rwsem_read", "try"),
    ("down_read", "rwsem_read", "acquire"),
    ("up_read", "rwsem_read", "release"),
    ("down_write_trylock", "rwsem_write", "try"),
    ("down_write", "rwsem_write", "acquire"),
    ("downgrade_write", "rwsem_write", "release"),
    ("up_write", "rwsem_write", "release"),
    ("init_rwsem", "rwsem_read", "init"),
    ("down_trylock", "sem", "try"),
    ("down_interruptible", "sem", "acquire"),
    ("down_killable", "sem", "acquire"),
    ("down_timeout", "sem", "acquire"),
    ("down", "sem", "acquire"),
    ("up", "sem", "release"),
    ("sema_init", "sem", "init"),
    ("atomic_dec_and_raw_lock", "dec_spin", "try"),
    ("atomic_dec_and_lock", "dec_spin", "try"),
    ("refcount_dec_and_lock", "dec_spin", "try"),
    ("refcount_dec_and_mutex_lock", "dec_mutex", "try"),
    ("atomic_dec_and_mutex_lock", "dec_mutex", "try"),
    ("kref_put_lock", "dec_spin", "try"),
    ("kref_put_mutex", "dec_mutex", "try"),
    ("queued_spin_lock_slowpath", "spin", "acquire"),
    ("srcu_read_lock", "srcu", "acquire"),
    ("srcu_read_unlock", "srcu", "release"),
    ("init_srcu_struct", "srcu", "init"),
];

/// Ends of names that change nothing of what is locked.
const ENDS: [&str; 20] = [
    "_irqsave_nested",
    "_irqrestore",
    "_irqsave",
    "_irq",
    "_bh",
    "_interruptible_nested",
    "_interruptible",
    "_killable_nested",
    "_killable",
    "_io_nested",
    "_io",
    "_nested",
    "_nest_lock",
    "_non_owner",
    "_bh_nested",
    "_slow_interruptible",
    "_slow",
    "_nowarn",
    "_notrace",
    "_nmisafe",
];

/// What the function of this name does to locks; none when it is no lock function.
pub fn call(name: &str) -> Option<Call> {
    let bare = name.trim_start_matches('_');
    let bare = bare.strip_prefix("raw_").unwrap_or(bare);
    let bare = bare.strip_prefix("raw_").unwrap_or(bare);
    let (form, family, operation) = FORMS.iter().find(|(form, ..)| bare.starts_with(form))?;
    let rest = &bare[form.len()..];
    let end = ENDS.iter().find(|end| **end == rest).copied();
    if !rest.is_empty() && end.is_none() {
        return None;
    }
    let argument = match *family {
        "dec_spin" | "dec_mutex" if form.starts_with("kref") => 2,
        "dec_spin" | "dec_mutex" => 1,
        _ => 0,
    };
    Some(Call { family, operation, argument, variant: end.unwrap_or("") })
}

/// Whether the lock function that is called (`primitive`) can be what the source calls as `written`.
pub fn fits(primitive: &str, written: Call) -> bool {
    let Some(called) = call(primitive) else { return false };
    let ends = |operation| matches!(operation, "acquire" | "try");
    let same_operation = called.operation == written.operation || ends(called.operation) && ends(written.operation);
    same_operation
        && match (called.family, written.family) {
            (a, b) if a == b => true,
            // Spin locks of PREEMPT_RT aside, these are built on those.
            ("mutex", "ww") | ("rwsem_read", "percpu_read") => true,
            _ => false,
        }
}

/// Headers in which lock functions are made of others: what they lock is what their callers say.
pub fn is_lock_header(path: &str) -> bool {
    const HEADERS: [&str; 18] = [
        "include/linux/spinlock.h",
        "include/linux/spinlock_api_smp.h",
        "include/linux/rwlock.h",
        "include/linux/rwlock_api_smp.h",
        "include/linux/mutex.h",
        "include/linux/ww_mutex.h",
        "include/linux/rwsem.h",
        "include/linux/semaphore.h",
        "include/linux/percpu-rwsem.h",
        "include/linux/seqlock.h",
        "include/linux/rtmutex.h",
        "include/linux/local_lock.h",
        "include/linux/local_lock_internal.h",
        "include/linux/cleanup.h",
        "include/linux/lockdep.h",
        "include/linux/srcu.h",
        "include/asm-generic/qspinlock.h",
        "include/asm-generic/qrwlock.h",
    ];
    HEADERS.contains(&path)
}

/// Whether a word takes a lock until the end of the scope: `guard(mutex)(&lock)`, `scoped_guard(mutex, &lock)`.
pub fn is_guard(name: &str) -> bool {
    matches!(name, "guard" | "scoped_guard")
}

/// What a guard of this class does.
pub fn guard(class: &str) -> Option<Call> {
    let (family, operation) = match class.trim_end_matches("_try").trim_end_matches("_kill").trim_end_matches("_intr") {
        "mutex" => ("mutex", "acquire"),
        "spinlock"
        | "spinlock_irq"
        | "spinlock_irqsave"
        | "spinlock_bh"
        | "raw_spinlock"
        | "raw_spinlock_irq"
        | "raw_spinlock_irqsave"
        | "raw_spinlock_nested"
        | "raw_spinlock_bh" => ("spin", "acquire"),
        "rwsem_read" => ("rwsem_read", "acquire"),
        "rwsem_write" => ("rwsem_write", "acquire"),
        "read_lock" | "read_lock_irq" | "read_lock_irqsave" => ("read", "acquire"),
        "srcu" => ("srcu", "acquire"),
        "write_lock" | "write_lock_irq" | "write_lock_irqsave" => ("write", "acquire"),
        _ => return None,
    };
    Some(Call { family, operation, argument: 0, variant: "" })
}
