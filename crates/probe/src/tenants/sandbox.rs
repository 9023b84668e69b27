//! gVisor sandboxes and virtual machines among the running processes.
//!
//! Their kernel work is done by host processes that may share a cgroup with others, or be spread over several; to the
//! host each is one tenant. What they are called stands on their command lines.

use super::recognise::short;
use super::{Runtime, Tenant, TenantKind, procfs, recognise};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

/// A sandbox or virtual machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// Its main process.
    pub tgid: u32,
    /// All processes that belong to it, its main process and their descendants, ascending.
    pub members: Vec<u32>,
    /// The tenant that it is; its id is `tgid`.
    pub tenant: Tenant,
}

/// The sandboxes and virtual machines that are visible in `proc_root`, by their main process, ascending.
///
/// Processes that one of them starts later are not in `members`: whoever keeps the map must let children inherit.
pub fn scan_sandboxes(proc_root: &Path) -> Vec<Sandbox> {
    let processes = read(proc_root);
    let children = children(&processes);
    let mut claimed: HashSet<u32> = HashSet::new();
    let mut names: HashSet<String> = HashSet::new();
    let mut sandboxes = Vec::new();
    for (&tgid, process) in &processes {
        let Some(runtime) = process.runtime() else { continue };
        // A process of a sandbox may carry the sandbox's name again: the outermost is the sandbox.
        if claimed.contains(&tgid) || has_ancestor(&processes, tgid, runtime) {
            continue;
        }
        let mut roots = vec![tgid];
        if runtime == Runtime::Gvisor {
            roots.extend(gofers(&processes, process));
        }
        let mut members = descendants(&children, roots);
        members.retain(|member| claimed.insert(*member));
        let mut tenant = tenant(proc_root, tgid, runtime, process);
        if !names.insert(tenant.name.clone()) {
            tenant.name = format!("{}@{tgid}", tenant.name);
            names.insert(tenant.name.clone());
        }
        sandboxes.push(Sandbox { tgid, members, tenant });
    }
    sandboxes
}

/// What of a process matters here.
struct Process {
    comm: String,
    arguments: Vec<String>,
    parent: u32,
}

impl Process {
    /// The sandbox or hypervisor that this process is by name: its own, or that of its command (the kernel cuts a
    /// process name at 15 characters, runsc starts its sandbox as `exe`, QEMU can rename itself).
    fn runtime(&self) -> Option<Runtime> {
        // Without a command line it is a kernel thread, or a stub that gVisor keeps for its guests' memory.
        let command = self.arguments.first()?.rsplit('/').next()?;
        [self.comm.as_str(), command].into_iter().find_map(|name| match name {
            "runsc-sandbox" => Some(Runtime::Gvisor),
            "firecracker" => Some(Runtime::Firecracker),
            "cloud-hypervisor" | "cloud-hyperviso" => Some(Runtime::CloudHypervisor),
            "qemu-kvm" => Some(Runtime::Qemu),
            _ if name.starts_with("qemu-system-") => Some(Runtime::Qemu),
            _ => None,
        })
    }

    /// The value of an option, spelled `--NAME VALUE`, `--NAME=VALUE` or with one hyphen.
    fn option(&self, name: &str) -> Option<&str> {
        let mut words = self.arguments.iter().skip(1);
        while let Some(word) = words.next() {
            let Some(word) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { continue };
            match word.strip_prefix(name) {
                Some("") => return words.next().map(String::as_str),
                Some(rest) if rest.starts_with('=') => return rest.get(1..),
                _ => {}
            }
        }
        None
    }
}

fn read(proc_root: &Path) -> BTreeMap<u32, Process> {
    let process = |pid| {
        let comm = procfs::comm(proc_root, pid)?;
        let parent = procfs::parent(proc_root, pid)?;
        Some((pid, Process { comm, arguments: procfs::command_line(proc_root, pid), parent }))
    };
    procfs::pids(proc_root).into_iter().filter_map(process).collect()
}

fn children(processes: &BTreeMap<u32, Process>) -> HashMap<u32, Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (&pid, process) in processes {
        children.entry(process.parent).or_default().push(pid);
    }
    children
}

fn descendants(children: &HashMap<u32, Vec<u32>>, roots: Vec<u32>) -> Vec<u32> {
    let mut found: HashSet<u32> = HashSet::new();
    let mut open = roots;
    // Numbers are used again while we read: what looks like a circle must not become one.
    while let Some(pid) = open.pop() {
        if found.insert(pid) {
            open.extend(children.get(&pid).into_iter().flatten());
        }
    }
    let mut found: Vec<u32> = found.into_iter().collect();
    found.sort_unstable();
    found
}

fn has_ancestor(processes: &BTreeMap<u32, Process>, pid: u32, runtime: Runtime) -> bool {
    let mut seen = HashSet::from([pid]);
    let mut parent = processes.get(&pid).map(|process| process.parent);
    while let Some(process) = parent.filter(|&pid| seen.insert(pid)).and_then(|pid| processes.get(&pid)) {
        if process.runtime() == Some(runtime) {
            return true;
        }
        parent = Some(process.parent);
    }
    false
}

/// gVisor's file servers of the same bundle: siblings of the sandbox that work for it alone.
fn gofers(processes: &BTreeMap<u32, Process>, sandbox: &Process) -> Vec<u32> {
    let Some(bundle) = sandbox.option("bundle") else { return Vec::new() };
    let is_gofer = |process: &Process| {
        process.arguments.first().is_some_and(|word| word == "runsc-gofer")
            && process.parent == sandbox.parent
            && process.option("bundle") == Some(bundle)
    };
    processes.iter().filter(|(_, process)| is_gofer(process)).map(|(&pid, _)| pid).collect()
}

fn tenant(proc_root: &Path, tgid: u32, runtime: Runtime, process: &Process) -> Tenant {
    let given = match runtime {
        Runtime::Gvisor => gvisor_id(process),
        Runtime::Firecracker => process.option("id").map(str::to_owned),
        Runtime::Qemu => process.option("name").and_then(qemu_name),
        _ => None,
    };
    let given = given.filter(|name| !name.is_empty());
    let shown = given.as_deref().map_or_else(|| format!("pid-{tgid}"), |id| short(id).to_owned());
    let paths = procfs::cgroups(proc_root, tgid);
    let longest = paths.into_iter().map(|(_, _, path)| path).max_by_key(String::len);
    // QEMU's names are machines' names, not ids.
    let id = given.filter(|_| runtime != Runtime::Qemu);
    Tenant {
        name: format!("{}:{shown}", runtime.name()),
        kind: if runtime == Runtime::Gvisor { TenantKind::Sandbox } else { TenantKind::Vm },
        id: u64::from(tgid),
        container_id: id.or_else(|| longest.as_deref().and_then(|path| recognise(path).container_id)),
        path: longest,
        runtime: Some(runtime),
    }
}

/// The container id is the last word of `runsc-sandbox [options] boot [options] ID`.
fn gvisor_id(process: &Process) -> Option<String> {
    let boot = process.arguments.iter().position(|word| word == "boot")?;
    let last = process.arguments.get(boot + 1..)?.last()?;
    (!last.starts_with('-')).then(|| last.clone())
}

/// `-name NAME`, `-name guest=NAME,...`, `-name NAME,debug-threads=on`; a comma in the name is doubled.
fn qemu_name(value: &str) -> Option<String> {
    let value = value.replace(",,", "\0");
    let mut fields = value.split(',');
    let first = fields.next().filter(|field| !field.contains('='));
    let guest = first.or_else(|| value.split(',').find_map(|field| field.strip_prefix("guest=")))?;
    Some(guest.replace('\0', ","))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Machine;
    use super::*;

    const ID: &str = "3f4a5b6c7d8e9f00112233445566778899aabbccddeeff001122334455667788";

    fn scan(machine: &Machine) -> Vec<Sandbox> {
        scan_sandboxes(&machine.root().join("proc"))
    }

    #[test]
    fn a_gvisor_sandbox_with_its_gofer_and_stubs() {
        let machine = Machine::new(&[]);
        machine.process(100, "containerd-shim", &["containerd-shim-runsc-v1"], "");
        let boot = ["runsc-sandbox", "--root=/run/runsc", "boot", "--bundle=/b/1", "--io-fds=6", ID];
        machine.process(101, "exe", &boot, "4:memory:/\n0::/k8s.io/x\n");
        machine.process(102, "exe", &["runsc-gofer", "--root=/run/runsc", "gofer", "--bundle", "/b/1"], "");
        machine.process(103, "exe", &["runsc-gofer", "gofer", "--bundle", "/b/2"], "");
        machine.process(104, "exe (x) S 9", &[], "");
        machine.process(105, "exe", &boot, "");
        for (pid, parent) in [(101, 100), (102, 100), (103, 100), (104, 105), (105, 101)] {
            machine.parent(pid, "exe (x) S 9", parent);
        }
        let found = scan(&machine);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].tgid, found[0].members.as_slice()), (101, [101, 102, 104, 105].as_slice()));
        let tenant = &found[0].tenant;
        assert_eq!((tenant.name.as_str(), tenant.kind), ("gvisor:3f4a5b6c7d8e", TenantKind::Sandbox));
        assert_eq!((tenant.container_id.as_deref(), tenant.path.as_deref()), (Some(ID), Some("/k8s.io/x")));
    }

    #[test]
    fn virtual_machines() {
        let machine = Machine::new(&[]);
        machine.process(10, "firecracker", &["/usr/bin/firecracker", "--api-sock", "/x", "--id", "vm-7"], "");
        machine.process(11, "firecracker", &["firecracker", "--id=vm-7"], "");
        machine.process(12, "qemu-system-x86", &["qemu-system-x86_64", "-name", "guest=web,,1,debug-threads=on"], "");
        machine.process(13, "renamed", &["/usr/bin/qemu-system-aarch64", "-m", "1", "-name", "db,process=renamed"], "");
        machine.process(14, "qemu-kvm", &["/usr/libexec/qemu-kvm", "-name"], "");
        machine.process(15, "cloud-hyperviso", &["cloud-hypervisor"], &format!("0::/docker/{ID}\n"));
        machine.process(16, "sh", &["sh", "-c", "qemu-system-x86_64"], "");
        machine.process(17, "qemu-system-x86", &[], "");
        let found = scan(&machine);
        let names: Vec<&str> = found.iter().map(|sandbox| sandbox.tenant.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "firecracker:vm-7",
                "firecracker:vm-7@11",
                "qemu:web,1",
                "qemu:db",
                "qemu:pid-14",
                "cloud-hypervisor:pid-15"
            ]
        );
        assert_eq!(found[5].tenant.container_id.as_deref(), Some(ID));
        assert!(found.iter().all(|sandbox| sandbox.tenant.kind == TenantKind::Vm));
    }

    #[test]
    fn circles_and_garbage_end() {
        let machine = Machine::new(&[]);
        machine.process(20, "firecracker", &["firecracker", "--id"], "::\nx\n");
        machine.process(21, "x", &["x"], "");
        machine.parent(20, "firecracker", 21);
        machine.parent(21, "x", 20);
        machine.process(22, "firecracker", &["firecracker"], "");
        machine.file("proc/22/stat", b"22 firecracker");
        let found = scan(&machine);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].members.as_slice(), found[0].tenant.name.as_str()),
            ([20, 21].as_slice(), "firecracker:pid-20")
        );
    }

    #[test]
    fn the_running_machine_can_be_scanned() {
        for sandbox in scan_sandboxes(Path::new("/proc")) {
            assert!(sandbox.members.contains(&sandbox.tgid));
        }
    }
}
