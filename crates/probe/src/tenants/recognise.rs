//! What the path of a cgroup says about what runs in it.
//!
//! A pure function on text that tenants may have chosen. The spellings are those of the cgroupfs and systemd drivers of
//! runc and crun under each engine; `docs/tenants.md` lists them.

use super::TenantKind;
use lima_model::spelling::SHORT_ID;

/// What runs a tenant: the column `runtime` of the table `tenants`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Runtime {
    /// Docker (and Moby).
    Docker,
    /// containerd, through CRI, ctr or nerdctl.
    Containerd,
    /// CRI-O.
    CriO,
    /// Podman.
    Podman,
    /// runc without an engine above it.
    Runc,
    /// systemd: a unit or a slice.
    Systemd,
    /// Kubernetes, when the path does not say which runtime it uses.
    Kubepods,
    /// gVisor.
    Gvisor,
    /// Firecracker.
    Firecracker,
    /// QEMU.
    Qemu,
    /// Cloud Hypervisor.
    CloudHypervisor,
}

impl Runtime {
    /// The word as it stands in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
            Self::Runc => "runc",
            Self::Systemd => "systemd",
            Self::Kubepods => "kubepods",
            Self::Gvisor => "gvisor",
            Self::Firecracker => "firecracker",
            Self::Qemu => "qemu",
            Self::CloudHypervisor => "cloud-hypervisor",
        }
    }
}

/// The quality-of-service class of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Qos {
    /// Requests equal limits.
    Guaranteed,
    /// Something is requested.
    Burstable,
    /// Nothing is.
    BestEffort,
}

/// A Kubernetes pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pod {
    /// Its uid, with hyphens however the path spelled it.
    pub uid: String,
    /// Its class.
    pub qos: Qos,
}

/// What a cgroup's path says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recognised {
    /// The tenant's name.
    pub name: String,
    /// [`TenantKind::Container`] or [`TenantKind::Cgroup`].
    pub kind: TenantKind,
    /// What runs it, when the path says so.
    pub runtime: Option<Runtime>,
    /// Its container id, in full.
    pub container_id: Option<String>,
    /// The pod it belongs to.
    pub pod: Option<Pod>,
    /// Length in bytes of the part of the path that is the tenant's own folder: all below belongs to it.
    pub own: usize,
}

/// What a cgroup's path, as in `/proc/PID/cgroup`, says about what runs in it.
///
/// The innermost container wins (Kubernetes in Docker), and what is below it belongs to it. Without a container, a
/// cgroup that is a systemd unit has the unit's name, and any other cgroup its path.
pub fn recognise(path: &str) -> Recognised {
    let parts: Vec<Part<'_>> = parts(path);
    let pod = parts.iter().rev().find_map(|part| pod(part, &parts));
    for (depth, part) in parts.iter().enumerate().rev() {
        let parents = &parts[..depth];
        if let Some((runtime, id)) = container(part.name, parents) {
            let shown = runtime.map_or("container", Runtime::name);
            return Recognised {
                name: format!("{shown}:{}", short(id)),
                kind: TenantKind::Container,
                runtime,
                container_id: Some(id.to_owned()),
                pod,
                own: part.end,
            };
        }
    }
    let (name, runtime) = match parts.last() {
        None => ("/".to_owned(), None),
        Some(_) if pod.is_some() => (pod_name(path, &parts, pod.as_ref()), Some(Runtime::Kubepods)),
        Some(last) if is_unit(last.name) => (unit_name(&parts), Some(Runtime::Systemd)),
        Some(_) => (path.to_owned(), None),
    };
    Recognised { name, kind: TenantKind::Cgroup, runtime, container_id: None, pod, own: path.len() }
}

/// One folder of the path, and where it ends.
struct Part<'a> {
    name: &'a str,
    end: usize,
}

fn parts(path: &str) -> Vec<Part<'_>> {
    let mut end = 0;
    path.split('/')
        .filter_map(|name| {
            let part = Part { name, end: end + name.len() };
            end = part.end + 1;
            (!name.is_empty()).then_some(part)
        })
        .collect()
}

/// Prefixes of a scope (`PREFIX-ID.scope`) and of a folder (`PREFIX-ID`), the longer before the shorter.
const PREFIXES: &[(&str, Runtime)] = &[
    ("cri-containerd", Runtime::Containerd),
    ("nerdctl", Runtime::Containerd),
    ("containerd", Runtime::Containerd),
    ("docker", Runtime::Docker),
    ("crio", Runtime::CriO),
    ("libpod-payload", Runtime::Podman),
    ("libpod", Runtime::Podman),
];

/// Folders whose children are containers by their bare id.
const FOLDERS: &[(&str, Runtime)] = &[
    ("docker", Runtime::Docker),
    ("k8s.io", Runtime::Containerd),
    ("containerd", Runtime::Containerd),
    ("crio", Runtime::CriO),
    ("libpod_parent", Runtime::Podman),
    ("runc", Runtime::Runc),
];

/// The runtime and id of the container whose own folder this is.
fn container<'a>(name: &'a str, parents: &[Part<'_>]) -> Option<(Option<Runtime>, &'a str)> {
    let scope = name.strip_suffix(".scope");
    let plain = scope.unwrap_or(name);
    for &(prefix, runtime) in PREFIXES {
        let id = plain.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
        if let Some(id) = id.filter(|id| is_id(id)) {
            return Some((Some(runtime), id));
        }
    }
    // The one runtime whose ids people choose: only where its own scope says so.
    if let Some(id) = scope.and_then(|scope| scope.strip_prefix("runc-")).filter(|id| !id.is_empty()) {
        return Some((Some(Runtime::Runc), id));
    }
    // The systemd driver's `SLICE:PREFIX:ID`, made a folder literally by a runtime that uses the cgroupfs driver.
    if let [_, prefix, id] = *name.split(':').collect::<Vec<_>>()
        && is_id(id)
    {
        let known = PREFIXES.iter().find(|(known, _)| *known == prefix).map(|&(_, runtime)| runtime);
        return Some((known.or((prefix == "runc").then_some(Runtime::Runc)), id));
    }
    if scope.is_none() && is_id(plain) {
        return Some((bare_runtime(parents), plain));
    }
    None
}

/// What runs a container whose folder is a bare id: what its parent folders say.
fn bare_runtime(parents: &[Part<'_>]) -> Option<Runtime> {
    let parent = parents.last()?.name;
    if let Some(&(_, runtime)) = FOLDERS.iter().find(|(folder, _)| *folder == parent) {
        return Some(runtime);
    }
    parents.iter().any(|part| is_kubepods(part.name)).then_some(Runtime::Kubepods)
}

/// Container ids of all engines but bare runc: 64 lower-case hex digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn short(id: &str) -> &str {
    if is_id(id) { &id[..SHORT_ID] } else { id }
}

fn is_kubepods(name: &str) -> bool {
    name == "kubepods" || name == "kubepods.slice" || name.starts_with("kubepods-")
}

/// The pod whose folder this is: `podUID` below `kubepods`, or `kubepods[-CLASS]-podUID.slice`.
fn pod(part: &Part<'_>, parts: &[Part<'_>]) -> Option<Pod> {
    let class = |name: &str| match name {
        "burstable" => Qos::Burstable,
        "besteffort" => Qos::BestEffort,
        _ => Qos::Guaranteed,
    };
    // A nested kubelet (kind) prefixes its slices: `kubelet-kubepods-...`.
    let name = part.name.split(':').next().unwrap_or_default();
    let slice = name.strip_suffix(".slice").and_then(|name| {
        let name = name.strip_prefix("kubelet-").unwrap_or(name).strip_prefix("kubepods-")?;
        let (qos, uid) = name.split_once("-pod").map_or_else(|| ("", name.strip_prefix("pod")), |(q, u)| (q, Some(u)));
        Some((class(qos), uid?))
    });
    let folder = || {
        let uid = part.name.strip_prefix("pod")?;
        let before = parts.iter().take_while(|other| other.end < part.end);
        let mut names = before.map(|other| other.name).skip_while(|name| *name != "kubepods");
        names.next()?;
        Some((class(names.last().unwrap_or_default()), uid))
    };
    let (qos, uid) = slice.or_else(folder)?;
    let valid = !uid.is_empty() && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'_'));
    valid.then(|| Pod { uid: uid.replace('_', "-"), qos })
}

/// The name of a pod's own cgroup, or the path of one below it that is no container.
fn pod_name(path: &str, parts: &[Part<'_>], known: Option<&Pod>) -> String {
    match (parts.last().and_then(|last| pod(last, parts)), known) {
        (Some(own), Some(known)) if own == *known => format!("pod:{}", own.uid),
        _ => path.to_owned(),
    }
}

fn is_unit(name: &str) -> bool {
    [".service", ".scope", ".slice"].iter().any(|suffix| name.strip_suffix(suffix).is_some_and(|name| !name.is_empty()))
}

/// A systemd unit's name; a unit of a user's own systemd carries the manager that runs it (`user@1000.service/...`),
/// for every user may have one of that name.
fn unit_name(parts: &[Part<'_>]) -> String {
    let (last, parents) = parts.split_last().map_or(("", parts), |(last, parents)| (last.name, parents));
    match parents.iter().rev().find(|part| part.name.starts_with("user@") && part.name.ends_with(".service")) {
        Some(manager) => format!("{}/{last}", manager.name.trim_end_matches(".service")),
        None => last.to_owned(),
    }
}

#[cfg(test)]
mod tests;
