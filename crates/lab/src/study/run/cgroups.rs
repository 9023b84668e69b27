//! Cgroups of runs that are over: emptied and removed, in every hierarchy.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a process may take to be gone, and a cgroup to let go of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Removes those of the uppermost cgroups whose name is meant, with all processes in them.
pub(super) fn remove(meant: &dyn Fn(&str) -> bool) {
    for root in crate::tenant::every_hierarchy() {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(meant) {
                remove_tree(&entry.path(), Instant::now() + PATIENCE);
            }
        }
    }
}

fn remove_tree(folder: &Path, until: Instant) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path(), until);
        }
    }
    loop {
        let processes = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        // Those that fork meanwhile are found in the next turn.
        for process in processes.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
            let _ = kill_process(process, Signal::KILL);
        }
        match fs::remove_dir(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                if Instant::now() > until {
                    return eprintln!("lima study: cannot remove the cgroup {}: {error}", folder.display());
                }
            }
            _ => return,
        }
        // A process leaves its cgroup some moments after its end, and v1 has no event for that.
        std::thread::sleep(Duration::from_millis(2));
    }
}
