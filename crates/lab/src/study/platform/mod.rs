//! Isolation platforms: what starts a tenant, and how its work is known in the trace. One small driver a file.

mod firecracker;
mod gvisor;
mod host;
mod microvm;
mod oci;
mod runc;

pub use microvm::Machinery;

use super::root::Files;
use anyhow::Result;
use lima_model::study::Helper;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// A cgroup on the machine itself.
    Host,
    /// A container of runc's.
    Runc,
    /// A container of crun's.
    Crun,
    /// A sandbox of gVisor's.
    Gvisor {
        /// Its system calls are intercepted by ptrace and not by systrap.
        ptrace: bool,
        /// Changes to files stay in the sandbox's memory.
        overlay: bool,
    },
    /// A virtual machine of QEMU's with as few devices as it takes.
    Microvm,
    /// A virtual machine of Firecracker's.
    Firecracker,
}

impl Platform {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Host,
        Self::Runc,
        Self::Crun,
        Self::Gvisor { ptrace: false, overlay: true },
        Self::Gvisor { ptrace: false, overlay: false },
        Self::Gvisor { ptrace: true, overlay: true },
        Self::Gvisor { ptrace: true, overlay: false },
        Self::Microvm,
        Self::Firecracker,
    ];

    /// Its name in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Runc => "runc",
            Self::Crun => "crun",
            Self::Gvisor { ptrace: false, overlay: true } => "gvisor",
            Self::Gvisor { ptrace: false, overlay: false } => "gvisor-no-overlay",
            Self::Gvisor { ptrace: true, overlay: true } => "gvisor-ptrace",
            Self::Gvisor { ptrace: true, overlay: false } => "gvisor-ptrace-no-overlay",
            Self::Microvm => "microvm",
            Self::Firecracker => "firecracker",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|platform| platform.name() == name)
    }

    /// The programs that it calls, and how to get each.
    pub const fn programs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Host => &[],
            Self::Runc => &[("runc", "apt-get install runc")],
            Self::Crun => &[("crun", "apt-get install crun")],
            Self::Gvisor { .. } => &[("runsc", "apt-get install -t bookworm-backports runsc, or https://gvisor.dev")],
            Self::Microvm => &[("qemu-system-x86_64", "apt-get install qemu-system-x86")],
            Self::Firecracker => {
                &[("firecracker", "a release of https://github.com/firecracker-microvm/firecracker, on the PATH")]
            }
        }
    }

    /// Whether its tenants have a kernel of their own, and a disk.
    pub const fn is_machine(self) -> bool {
        matches!(self, Self::Microvm | Self::Firecracker)
    }

    /// Makes everything ready that is not part of a tenant's start.
    ///
    /// # Errors
    /// When something is missing or cannot be made.
    pub fn prepare(self, site: &Site<'_>) -> Result<Prepared> {
        match self {
            Self::Host => host::prepare(site),
            Self::Runc => runc::prepare(site, "runc"),
            Self::Crun => runc::prepare(site, "crun"),
            Self::Gvisor { ptrace, overlay } => gvisor::prepare(site, ptrace, overlay),
            Self::Microvm => microvm::prepare(site),
            Self::Firecracker => firecracker::prepare(site),
        }
    }
}

/// What a tenant is set up with.
#[derive(Debug)]
pub struct Site<'a> {
    /// A name that no other tenant of this machine has.
    pub unique: &'a str,
    /// The path of its cgroup, from the root of the hierarchies.
    pub cgroup: &'a str,
    /// The path of the cgroup of what starts it.
    pub runtime_cgroup: &'a str,
    /// A folder for it alone; removed with everything in it.
    pub folder: &'a Path,
    /// The script that it runs, which wants a folder that it can make at [`WORK`].
    pub script: &'a str,
    /// The files that containers see.
    pub files: &'a Files,
    /// What virtual machines are made from.
    pub machinery: Option<&'a Machinery>,
}

/// A tenant that can be started.
#[derive(Debug)]
pub struct Prepared {
    /// What starts it. Its input and output are those of the tenant's script.
    pub command: Command,
    /// Whether it starts in the tenant's own cgroup, and not in that of the runtime.
    pub in_tenant: bool,
    /// The tenant's name in the trace.
    pub name: String,
    /// What works for it elsewhere.
    pub helpers: Vec<Helper>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// What removes what is left of it. That it fails does not matter.
    pub remove: Vec<Command>,
    /// Mounts that were made, in their order.
    pub mounts: Vec<PathBuf>,
}

impl Prepared {
    fn new(command: Command, name: &str) -> Self {
        let (helpers, notes, remove, mounts) = Default::default();
        Self { command, in_tenant: false, name: name.to_owned(), helpers, notes, remove, mounts }
    }

    /// Adds a tenant of the trace that works for this one.
    fn helped_by(&mut self, name: &str, role: &str, known_by: &str) {
        self.helpers.push(Helper {
            name: name.to_owned(),
            works_for: self.name.clone(),
            role: role.to_owned(),
            known_by: known_by.to_owned(),
        });
    }
}

/// A command that is given up when it takes long: what removes a sandbox must not keep a run from ending.
fn bounded(command: &Command) -> Command {
    let mut bounded = Command::new("timeout");
    bounded.args(["-k", "1", "20"]).arg(command.get_program()).args(command.get_args());
    bounded
}

/// Where the folder of a tenant's work is, for those that have a root of their own.
pub const WORK: &str = "/var/tmp/lima-work";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for platform in Platform::ALL {
            assert_eq!(Platform::from_name(platform.name()), Some(platform));
        }
    }
}
