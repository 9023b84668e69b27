//! Tenants: from the kernel side's numbers to those of the trace, with names.

use super::rows::TenantRow;
use crate::contention::{TenantBy, codes};
use crate::tenants::{Namer, Tenant, TenantKind, Users, of_comm, pid_namespace, pid_namespaces, scan_sandboxes};
use lima_model::words::{TENANT_FIRST, TENANT_KERNEL, TENANT_NONE, TENANT_UNKNOWN};
use std::collections::HashMap;
use std::path::Path;

/// All tenants of a recording.
#[derive(Debug)]
pub struct Tenants {
    by: TenantBy,
    namer: Namer,
    users: Users,
    sandboxes: HashMap<u32, Tenant>,
    by_kernel: HashMap<u64, u32>,
    by_tenant: HashMap<Tenant, u32>,
    next: u32,
    rows: Vec<TenantRow>,
}

impl Tenants {
    /// The tenants that are always there.
    pub fn new(by: TenantBy, namer: Namer) -> Self {
        let fixed = |number, name: &str| TenantRow {
            number,
            name: name.to_owned(),
            kind: match number {
                TENANT_UNKNOWN => "unknown",
                TENANT_NONE => "none",
                _ => "kernel",
            },
            id: 0,
            path: None,
            runtime: None,
            container_id: None,
        };
        let rows = vec![fixed(TENANT_UNKNOWN, "unknown"), fixed(TENANT_NONE, "none"), fixed(TENANT_KERNEL, "kernel")];
        let by_kernel = HashMap::from([
            (codes::TENANT_UNKNOWN, TENANT_UNKNOWN),
            (codes::TENANT_NONE, TENANT_NONE),
            (codes::TENANT_KERNEL, TENANT_KERNEL),
        ]);
        let users = if by == TenantBy::User { Users::read(Path::new("/")) } else { Users::default() };
        let (sandboxes, by_tenant) = Default::default();
        Self { by, namer, users, sandboxes, by_kernel, by_tenant, next: TENANT_FIRST, rows }
    }

    /// Takes in a cgroup that the kernel announced.
    pub fn learn_cgroup(&mut self, hierarchy: u32, id: u64, path: &[u8]) {
        if matches!(self.by, TenantBy::Cgroup(_)) && self.namer.layout().hierarchy_id == hierarchy {
            self.namer.learn(id, path);
        }
    }

    /// Looks for sandboxes and virtual machines; gives the processes of those that are there, with the kernel side's
    /// number for their tenant.
    pub fn find_sandboxes(&mut self) -> Vec<(u32, u64)> {
        let mut members = Vec::new();
        for sandbox in scan_sandboxes(Path::new("/proc")) {
            let number = codes::TENANT_SANDBOX | u64::from(sandbox.tgid);
            members.extend(sandbox.members.iter().map(|&member| (member, number)));
            self.sandboxes.insert(sandbox.tgid, sandbox.tenant);
        }
        members
    }

    /// The number of a tenant in the trace. `comm` finds the name of tenants by name.
    pub fn number(&mut self, kernel: u64, comm: impl FnOnce() -> Option<Vec<u8>>) -> u32 {
        if let Some(&number) = self.by_kernel.get(&kernel) {
            return number;
        }
        let tenant = self.name(kernel, comm);
        let number = *self.by_tenant.entry(tenant.clone()).or_insert_with(|| {
            let number = self.next;
            self.next += 1;
            self.rows.push(row(number, tenant));
            number
        });
        self.by_kernel.insert(kernel, number);
        number
    }

    fn name(&mut self, kernel: u64, comm: impl FnOnce() -> Option<Vec<u8>>) -> Tenant {
        if let Some(tenant) = process(kernel, codes::TENANT_SANDBOX).and_then(|tgid| self.sandboxes.get(&tgid)) {
            return tenant.clone();
        }
        match self.by {
            TenantBy::Cgroup(_) => self.namer.tenant(kernel),
            TenantBy::Pidns => {
                let found = pid_namespaces(Path::new("/proc")).remove(&kernel);
                found.unwrap_or_else(|| pid_namespace(kernel, None))
            }
            TenantBy::Comm => match comm() {
                Some(comm) => of_comm(&comm),
                None => Tenant { name: format!("comm:{kernel:x}"), ..nameless(TenantKind::Comm, kernel) },
            },
            TenantBy::User => match process(kernel, codes::TENANT_USER) {
                Some(uid) => self.users.tenant(uid),
                None => Tenant { name: format!("uid:{kernel:x}"), ..nameless(TenantKind::User, kernel) },
            },
        }
    }

    /// Whether a tenant goes by one of these names, and no other does. [`lima_model::spelling`] says how it may be
    /// spelled.
    pub fn is_called(&mut self, kernel: u64, names: &[String]) -> bool {
        let tenant = self.name(kernel, || None);
        let in_cgroups = matches!(tenant.kind, TenantKind::Cgroup | TenantKind::Container);
        names.iter().filter(|called| tenant.fits(called).is_some()).any(|called| {
            // The namer knows the others, and which of them a short spelling means.
            !in_cgroups || self.namer.of_tenant(called).is_ok_and(|ids| ids.contains(&kernel))
        })
    }

    /// The rows that are new since the last call.
    pub fn take(&mut self) -> Vec<TenantRow> {
        std::mem::take(&mut self.rows)
    }
}

/// The number beside a mark.
fn process(kernel: u64, mark: u64) -> Option<u32> {
    u32::try_from(kernel ^ mark).ok()
}

fn nameless(kind: TenantKind, id: u64) -> Tenant {
    Tenant { name: String::new(), kind, id, path: None, runtime: None, container_id: None }
}

fn row(number: u32, tenant: Tenant) -> TenantRow {
    TenantRow {
        number,
        name: tenant.name,
        kind: tenant.kind.name(),
        id: tenant.id,
        path: tenant.path,
        runtime: tenant.runtime.map(|runtime| runtime.name()),
        container_id: tenant.container_id,
    }
}
