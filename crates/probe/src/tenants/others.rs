//! Tenants that are no cgroups: users, pid namespaces, process names.

use super::{Tenant, TenantKind, procfs};
use lima_model::escape;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// The names of users.
#[derive(Clone, Debug, Default)]
pub struct Users(HashMap<u32, String>);

impl Users {
    /// Reads `etc/passwd` below `root`. Users of other sources (LDAP) are called by their number.
    pub fn read(root: &Path) -> Self {
        let bytes = fs::read(root.join("etc/passwd")).unwrap_or_default();
        let mut names = HashMap::new();
        for line in bytes.split(|&byte| byte == b'\n') {
            let mut fields = line.split(|&byte| byte == b':');
            let (name, uid) = (fields.next().unwrap_or_default(), fields.nth(1).map(escape::text));
            if let Some(Ok(uid)) = uid.map(|uid| uid.parse())
                && !name.is_empty()
            {
                // As getpwuid does: the first line of a number names it.
                names.entry(uid).or_insert_with(|| escape::text(name));
            }
        }
        Self(names)
    }

    /// The id of the user of this name, or of `uid:NUMBER`.
    pub fn number(&self, name: &str) -> Option<u32> {
        let by_name = self.0.iter().find(|(_, known)| *known == name).map(|(uid, _)| *uid);
        by_name.or_else(|| name.strip_prefix("uid:")?.parse().ok())
    }

    /// The tenant that this user is: by name, or `uid:NUMBER`.
    pub fn tenant(&self, uid: u32) -> Tenant {
        let name = self.0.get(&uid).cloned().unwrap_or_else(|| format!("uid:{uid}"));
        bare(name, TenantKind::User, u64::from(uid))
    }
}

/// The tenant that all processes of this name are.
pub fn of_comm(comm: &[u8]) -> Tenant {
    bare(escape::c_text(comm), TenantKind::Comm, 0)
}

/// The pid namespaces of all processes that are visible, by inode number: `pidns:NUMBER`, and the name of its first
/// process where that is visible (`pidns:4026532208/nginx`).
pub fn pid_namespaces(proc_root: &Path) -> HashMap<u64, Tenant> {
    let mut inits: HashMap<u64, Option<String>> = HashMap::new();
    for pid in procfs::pids(proc_root) {
        let Some(namespace) = namespace_of(proc_root, pid) else { continue };
        let init = inits.entry(namespace).or_default();
        if init.is_none() && is_init(proc_root, pid) {
            *init = procfs::comm(proc_root, pid);
        }
    }
    inits.into_iter().map(|(namespace, init)| (namespace, pid_namespace(namespace, init.as_deref()))).collect()
}

/// The tenant that a pid namespace is, with the name of its first process.
pub fn pid_namespace(inode: u64, init: Option<&str>) -> Tenant {
    let init = init.map(|comm| format!("/{comm}")).unwrap_or_default();
    bare(format!("pidns:{inode}{init}"), TenantKind::Pidns, inode)
}

/// `/proc/PID/ns/pid` is a link to `pid:[INODE]`.
fn namespace_of(proc_root: &Path, pid: u32) -> Option<u64> {
    let link = fs::read_link(proc_root.join(pid.to_string()).join("ns/pid")).ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// Whether a process has number 1 in its own (the innermost) pid namespace.
fn is_init(proc_root: &Path, pid: u32) -> bool {
    let status = fs::read(proc_root.join(pid.to_string()).join("status")).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.and_then(|pids| pids.split_ascii_whitespace().last()) == Some("1")
}

fn bare(name: String, kind: TenantKind, id: u64) -> Tenant {
    Tenant { name, kind, id, path: None, runtime: None, container_id: None }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Machine;
    use super::*;

    #[test]
    fn users_have_the_names_of_passwd() {
        let machine = Machine::new(&[]);
        machine.file("etc/passwd", b"root:x:0:0::/:\nbad\n:x:5:\n\xff:x:7:7::/:\ntoor:x:0:0::/:\nx:y:z\n");
        let users = Users::read(machine.root());
        assert_eq!(users.tenant(0).name, "root");
        assert_eq!(users.tenant(5).name, "uid:5");
        assert_eq!(users.tenant(7).name, "\\xff");
        assert_eq!(users.tenant(1000).id, 1000);
    }

    #[test]
    fn pid_namespaces_are_called_by_their_first_process() {
        let machine = Machine::new(&[]);
        for (pid, namespace, inner) in [(10, "pid:[77]", "10\t1"), (11, "pid:[77]", "11\t2"), (12, "pid:[88]", "12\t9")]
        {
            machine.process(pid, "nginx", &[], "");
            machine.file(&format!("proc/{pid}/status"), format!("Name:\tx\nNSpid:\t{inner}\n").as_bytes());
            machine.link(&format!("proc/{pid}/ns/pid"), namespace);
        }
        let found = pid_namespaces(&machine.root().join("proc"));
        assert_eq!(found[&77].name, "pidns:77/nginx");
        assert_eq!(found[&88].name, "pidns:88");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn comms_end_at_the_first_nul() {
        assert_eq!(of_comm(b"a\xffb\0\0\0").name, "a\\xffb");
    }

    #[test]
    fn this_process_has_a_pid_namespace() {
        let own = namespace_of(Path::new("/proc"), std::process::id()).expect("/proc/self/ns/pid");
        assert!(pid_namespaces(Path::new("/proc")).contains_key(&own));
    }
}
