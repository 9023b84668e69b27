//! Naming tenants from what the machine shows.
//!
//! The kernel side knows a tenant as a number: a cgroup id, a process, a pid namespace, a user. This room finds out
//! what people call it, and never more than the machine says: what cannot be named keeps its number as its name.
//!
//! - [`CgroupLayout`]: which cgroup hierarchy tells this machine's processes apart;
//! - [`Namer`]: cgroup ids to tenants;
//! - [`recognise`]: what a cgroup's path says about the container or unit in it;
//! - [`scan_sandboxes`]: gVisor sandboxes and virtual machines, each one tenant whatever cgroups it uses;
//! - [`Users`], [`pid_namespaces`], [`of_comm`]: the tenants of `--tenant-by user|pidns|comm`.
//!
//! All of it reads below a root folder (`/`, or a fixture in tests) and writes nothing.

mod called;
#[cfg(test)]
mod fixture;
mod layout;
mod namer;
mod others;
mod procfs;
mod recognise;
mod sandbox;

pub use called::Ambiguous;
pub use layout::CgroupLayout;
pub use namer::Namer;
pub use others::{Users, of_comm, pid_namespace, pid_namespaces};
pub use recognise::{Pod, Qos, Recognised, Runtime, recognise};
pub use sandbox::{Sandbox, scan_sandboxes};

/// What a tenant is: the column `kind` of the table `tenants`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TenantKind {
    /// A cgroup that is nothing more special: a systemd unit, a folder somebody made.
    Cgroup,
    /// A container; its inner cgroups belong to it.
    Container,
    /// A gVisor sandbox.
    Sandbox,
    /// A virtual machine.
    Vm,
    /// A pid namespace.
    Pidns,
    /// All processes of one name.
    Comm,
    /// All processes of one user.
    User,
}

impl TenantKind {
    /// The word as it stands in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Container => "container",
            Self::Sandbox => "sandbox",
            Self::Vm => "vm",
            Self::Pidns => "pidns",
            Self::Comm => "comm",
            Self::User => "user",
        }
    }
}

/// A tenant as the table `tenants` wants it, but for its number.
///
/// Two tenants are the same when `kind` and `id` are (for [`TenantKind::Comm`], which the kernel has no number for:
/// `kind` and `name`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// Its name, as short as it can be told apart. Chosen by tenants: escape it before showing it.
    pub name: String,
    /// What it is.
    pub kind: TenantKind,
    /// What the kernel knows it by: cgroup id, pid, inode of the namespace, user id; 0 for `Comm`.
    pub id: u64,
    /// Path of its cgroup.
    pub path: Option<String>,
    /// What runs it.
    pub runtime: Option<Runtime>,
    /// Its container id, in full.
    pub container_id: Option<String>,
}
