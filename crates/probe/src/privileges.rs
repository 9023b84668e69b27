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

/// Drops all capabilities of this thread but those. A command that root starts later has root's capabilities again, as
/// the kernel gives them at exec.
///
/// # Errors
/// What the kernel says.
pub fn drop_unneeded() -> std::io::Result<()> {
    let now = capabilities(None)?;
    let kept = CapabilitySets {
        effective: now.effective & NEEDED,
        permitted: now.permitted & NEEDED,
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
            drop_unneeded().unwrap();
            capabilities(None).unwrap()
        });
        let left = left.join().unwrap();
        assert_eq!(left.permitted & !NEEDED, CapabilitySet::empty());
        assert_eq!(left.effective & !NEEDED, CapabilitySet::empty());
    }
}
