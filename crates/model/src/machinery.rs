//! The functions that make up a lock and not its use: what stands at the inner end of every waiter's stack.
//!
//! The first function outside them is the site of the wait. A list, because the kernel does not say it: since 6.16 the
//! sleeping locks are spread over several sections, and wrappers such as `lock_sock_nested` were never in one.

/// What a function on the stack of a waiter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Of the machinery of busy-waiting locks.
    Spinning,
    /// Of the machinery of sleeping locks; a spinlock waited for inside it is that machinery's own.
    Sleeping,
    /// Takes a lock that its caller hands over, of whatever object that is.
    Wrapper,
    /// Takes one lock of the kernel that it is the customary way to take: no site, but a good name for the lock.
    Named,
    /// Of the tracing machinery.
    Tracing,
    /// None of these: a user of locks.
    User,
}

/// Functions by name; `*` at the end stands for any ending. The first entry that fits decides.
const PARTS: &[(Part, &[&str])] = &[
    (
        Part::Tracing,
        &[
            "__traceiter_contention_*",
            "__bpf_trace_contention_*",
            "trace_contention_*",
            "bpf_trace_run*",
            "bpf_trampoline_*",
        ],
    ),
    (
        Part::Spinning,
        &[
            "native_queued_spin_lock_slowpath",
            "__pv_queued_spin_lock_slowpath",
            "queued_spin_lock_slowpath",
            "queued_read_lock_slowpath",
            "queued_write_lock_slowpath",
            "_raw_spin_lock*",
            "_raw_read_lock*",
            "_raw_write_lock*",
            "__raw_spin_lock*",
            "__raw_read_lock*",
            "__raw_write_lock*",
            "do_raw_spin_lock",
            "do_raw_read_lock",
            "do_raw_write_lock",
            "resilient_*",
            "bpf_res_spin_lock*",
        ],
    ),
    (
        Part::Sleeping,
        &[
            "__mutex_lock*",
            "mutex_lock*",
            "mutex_spin_on_owner",
            "mutex_optimistic_spin",
            "__ww_mutex_lock*",
            "ww_mutex_lock*",
            "osq_lock",
            "rwsem_*",
            "down",
            "down_interruptible",
            "down_killable",
            "down_timeout",
            "down_trylock",
            "down_read*",
            "down_write*",
            "__down",
            "__down_*",
            "percpu_down_*",
            "percpu_rwsem_*",
            "__percpu_down_*",
            "__percpu_rwsem_*",
            "rt_mutex_*",
            "__rt_mutex_*",
            "rt_spin_lock*",
            "__rt_spin_lock*",
            "rt_read_lock*",
            "rt_write_lock*",
            "rtlock_*",
            "rwbase_*",
        ],
    ),
    (
        Part::Wrapper,
        &[
            "lock_sock_nested",
            "lock_sock_fast",
            "__lock_sock",
            "__lock_sock_fast",
            "__lock_buffer",
            "raw_spin_rq_lock*",
            "_raw_spin_rq_lock*",
            "double_rq_lock",
            "task_rq_lock",
            "__task_rq_lock",
            "__lock_task_sighand",
            "lock_task_sighand",
            "lock_timer_base",
            "lock_hrtimer_base",
            "lockref_*",
            "_atomic_dec_and_lock*",
            "_atomic_dec_and_raw_lock*",
            "refcount_dec_and_lock*",
            "refcount_dec_and_mutex_lock",
            "atomic_dec_and_mutex_lock",
        ],
    ),
    (
        Part::Named,
        &[
            "rtnl_lock",
            "rtnl_lock_killable",
            "rtnl_net_lock",
            "console_lock",
            "cpus_read_lock",
            "cpus_write_lock",
            "cgroup_lock",
            "jump_label_lock",
            "lock_system_sleep",
            "nfnl_lock",
            "genl_lock",
        ],
    ),
];

/// What a function is, by its name in the kernel's symbol table.
pub fn part(function: &str) -> Part {
    let name = base(function);
    PARTS
        .iter()
        .find(|(_, names)| names.iter().any(|pattern| fits(pattern, name)))
        .map_or(Part::User, |&(part, _)| part)
}

/// A function's name without what the compiler appends to the copies that it makes: `.constprop.0`, `.isra.0`,
/// `.part.0`, `.cold`, `.llvm.123`.
pub fn base(function: &str) -> &str {
    match function.find('.') {
        Some(at) if at > 0 => &function[..at],
        _ => function,
    }
}

/// Whether a kernel symbol marks the border of a section of the image, and names no variable: kernels that keep the
/// names of their variables to themselves still tell these.
pub fn is_border(symbol: &str) -> bool {
    ["__start_", "__stop_", "__end_", "__begin_"].iter().any(|start| symbol.starts_with(start))
        || symbol.ends_with("_begin") && symbol.starts_with("__")
        || symbol.ends_with("_end") && symbol.starts_with("__")
        || matches!(symbol, "_stext" | "_etext" | "_sdata" | "_edata" | "_end" | "_brk_start" | "_brk_end")
        || matches!(symbol, "__bss_start" | "__bss_stop")
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_paths_of_every_lock_type_are_known() {
        for name in [
            "native_queued_spin_lock_slowpath",
            "__pv_queued_spin_lock_slowpath",
            "queued_write_lock_slowpath",
            "_raw_spin_lock_irqsave",
            "_raw_read_lock_bh",
            "resilient_queued_spin_lock_slowpath",
        ] {
            assert_eq!(part(name), Part::Spinning, "{name}");
        }
        for name in [
            "__mutex_lock.constprop.0",
            "__mutex_lock_killable_slowpath",
            "mutex_lock_interruptible",
            "__ww_mutex_lock.isra.0",
            "rwsem_down_write_slowpath",
            "down_read_killable",
            "__down_timeout",
            "down",
            "percpu_down_write",
            "__percpu_down_read",
            "percpu_rwsem_wait",
            "__rt_mutex_slowlock_locked.constprop.0",
            "rtlock_slowlock_locked",
            "rwbase_write_lock",
            "osq_lock",
        ] {
            assert_eq!(part(name), Part::Sleeping, "{name}");
        }
    }

    #[test]
    fn users_of_locks_are_not_primitives() {
        for name in ["do_renameat2", "futex_wake", "downgrade_something", "mutexed", "download", "unix_stream_sendmsg"]
        {
            assert_eq!(part(name), Part::User, "{name}");
        }
    }

    #[test]
    fn wrappers_are_told_from_locks_with_a_way_of_their_own() {
        assert_eq!(part("lock_sock_nested"), Part::Wrapper);
        assert_eq!(part("raw_spin_rq_lock_nested"), Part::Wrapper);
        assert_eq!(part("rtnl_lock"), Part::Named);
    }

    #[test]
    fn borders_of_sections_are_no_variables() {
        assert!(
            ["__start_init_stack", "__stop_runtime_ptr_USER_PTR_MAX", "__init_end", "_sdata"]
                .into_iter()
                .all(is_border)
        );
        assert!(!["tasklist_lock", "init_task", "rtnl_mutex", "__per_cpu_offset"].into_iter().any(is_border));
    }

    #[test]
    fn copies_made_by_the_compiler_count_as_the_function() {
        assert_eq!(base("__mutex_lock.constprop.0"), "__mutex_lock");
        assert_eq!(base("f.part.0.cold"), "f");
        assert_eq!(base(".text"), ".text");
    }
}
