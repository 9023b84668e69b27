//! Of the programs that are loaded, whatever they collect.

use libbpf_rs::Object;
use lima_model::manifest::Program;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;
use std::{fs, thread};

/// The programs of an object and what they cost so far. Times are 0 unless `kernel.bpf_stats_enabled` is set.
pub fn programs(object: &Object) -> Vec<Program> {
    object
        .progs()
        .map(|program| {
            let info =
                fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_fd().as_raw_fd())).unwrap_or_default();
            let field = |name: &str| {
                let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
            };
            Program {
                name: program.name().to_string_lossy().into_owned(),
                attached_to: program.section().to_string_lossy().trim_start_matches("tp_btf/").to_owned(),
                runs: field("run_cnt"),
                run_ns: field("run_time_ns"),
                recursion_misses: field("recursion_misses"),
            }
        })
        .collect()
}

/// Blocks until every program that runs now has ended: programs run inside an RCU read section, and
/// MEMBARRIER_CMD_GLOBAL waits for all of these (kernel/sched/membarrier.c, membarrier(2)).
pub fn wait_for_programs() {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: a system call without pointers.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if result < 0 {
        // Kernels with nohz_full CPUs refuse it. A program runs for microseconds.
        thread::sleep(Duration::from_millis(20));
    }
}

/// Whether this kernel has the function by which programs ask for slab caches (since 6.13).
pub(crate) fn tells_slab_caches() -> bool {
    libbpf_rs::btf::Btf::from_vmlinux()
        .is_ok_and(|btf| btf.type_by_name::<libbpf_rs::btf::types::Func<'_>>("bpf_get_kmem_cache").is_some())
}
