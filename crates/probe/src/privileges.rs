//! Giving up what is not needed any more.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// What a recorder needs after its programs are attached: to read its maps and programs, to write a trace into any
/// folder that it may be told, to read the cgroups and mappings of others, and to pass signals on to the command.
const NEEDED: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::KILL);

/// To open what another process has mapped, `/proc/PID/map_files`.
const FOR_USER_STACKS: CapabilitySet = CapabilitySet::CHECKPOINT_RESTORE;

/// Drops all capabilities of this thread but those, and that for user stacks where they are recorded. A command that root
/// starts later has root's capabilities again, as the kernel gives them at exec.
///
/// # Errors
/// What the kernel says.
pub fn drop_unneeded(user_stacks: bool) -> std::io::Result<()> {
    let now = capabilities(None)?;
    let needed = if user_stacks { NEEDED.union(FOR_USER_STACKS) } else { NEEDED };
    let kept = CapabilitySets {
        effective: now.effective & needed,
        permitted: now.permitted & needed,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, kept)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_what_is_needed_is_left() {
        // In a thread of its own: capabilities belong to threads.
        let left = std::thread::spawn(|| {
            drop_unneeded(false).unwrap();
            capabilities(None).unwrap()
        });
        let left = left.join().unwrap();
        assert_eq!(left.permitted & !NEEDED, CapabilitySet::empty());
        assert_eq!(left.effective & !NEEDED, CapabilitySet::empty());
    }
}
