//! What this process may do.

use super::{Answer, Finding, Group};
use std::fs;

/// The capabilities in effect (bits of `include/uapi/linux/capability.h`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Privileges(u64);

const CAP_DAC_READ_SEARCH: u32 = 2;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

impl Privileges {
    /// Those of this process; none when `/proc` does not say.
    pub fn read() -> Self {
        Self(effective(&fs::read_to_string("/proc/self/status").unwrap_or_default()).unwrap_or(0))
    }

    /// Whether tracing programs may be loaded, as far as capabilities go.
    pub fn suffice(self) -> bool {
        self.allows(CAP_BPF) && self.allows(CAP_PERFMON)
    }

    /// CAP_SYS_ADMIN includes what was split off from it in Linux 5.8.
    fn allows(self, capability: u32) -> bool {
        self.has(capability) || self.has(CAP_SYS_ADMIN)
    }

    fn has(self, capability: u32) -> bool {
        self.0 & (1 << capability) != 0
    }

    /// The findings.
    pub fn findings(self) -> Vec<Finding> {
        let finding = |key, what, capability, purpose: &str| {
            let found = match (self.has(capability), self.allows(capability)) {
                (true, _) => "in effect",
                (false, true) => "covered by CAP_SYS_ADMIN",
                (false, false) => "not in effect",
            };
            Finding {
                key,
                group: Group::Privileges,
                what,
                answer: Answer::of(self.allows(capability)),
                tried: "CapEff in /proc/self/status".to_owned(),
                found: found.to_owned(),
                remedy: (!self.allows(capability))
                    .then(|| format!("{purpose}: run lima as root, or `setcap cap_bpf,cap_perfmon+ep` on its file")),
            }
        };
        vec![
            finding("cap_bpf", "CAP_BPF", CAP_BPF, "needed to load programs"),
            finding("cap_perfmon", "CAP_PERFMON", CAP_PERFMON, "needed to trace the kernel"),
        ]
    }

    /// The user and the capabilities that matter, for people.
    pub fn describe() -> String {
        let uid = rustix::process::geteuid();
        let privileges = Self::read();
        let known = [
            (CAP_BPF, "CAP_BPF"),
            (CAP_PERFMON, "CAP_PERFMON"),
            (CAP_SYS_ADMIN, "CAP_SYS_ADMIN"),
            (CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"),
        ];
        let held: Vec<&str> = known.into_iter().filter(|&(bit, _)| privileges.has(bit)).map(|(_, name)| name).collect();
        let held = if held.is_empty() { "none of the capabilities that matter".to_owned() } else { held.join(", ") };
        format!("{} with {held}", if uid.is_root() { "root".to_owned() } else { format!("uid {uid}") })
    }
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_and_sys_admin_includes_its_parts() {
        assert_eq!(effective("Name:\tx\nCapEff:\t000000c000000000\n"), Some(0xc0_0000_0000));
        assert_eq!(effective("CapEff: zz"), None);
        assert!(Privileges(0xc0_0000_0000).suffice());
        assert!(Privileges(1 << CAP_SYS_ADMIN).suffice());
        assert!(!Privileges(1 << CAP_BPF).suffice());
        let findings = Privileges(1 << CAP_BPF).findings();
        assert_eq!(findings.iter().map(|finding| finding.answer).collect::<Vec<_>>(), [Answer::Yes, Answer::No]);
    }
}
