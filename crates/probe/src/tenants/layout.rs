//! Which cgroup hierarchy tells this machine's processes apart: v2's, or that of a v1 controller.

use super::procfs;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The v1 controllers that engines put every container into, the better known first.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// The hierarchy that tenants are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupLayout {
    /// Its name in the manifest: `v2`, or the v1 controller.
    pub hierarchy: String,
    /// The v1 controller whose cgroup the kernel side must read; `None`: the default hierarchy, v2.
    pub controller: Option<&'static str>,
    /// The kernel's number of the hierarchy, as in `/proc/PID/cgroup` and the cgroup tracepoints; v2: 0.
    pub hierarchy_id: u32,
    /// Where it is mounted; `None` when no mount of it is visible.
    pub mount: Option<PathBuf>,
    /// The cgroup that the mount shows as its root: `/` unless LIMA itself runs in a container.
    pub mount_root: String,
}

impl CgroupLayout {
    /// Looks at the mounts and running processes below `root` (`/`, or a fixture with `proc` and `sys`).
    ///
    /// Where v1 hierarchies are mounted, the one with the most distinct cgroups among the running processes is taken;
    /// at a tie memory, cpu, pids, v2, in this order. On such machines v2 is often there and empty.
    pub fn detect(root: &Path) -> Self {
        let proc_root = root.join("proc");
        let mounts = mounts(root, &proc_root);
        let (distinct, numbers) = census(&proc_root);
        let seen = |name: &str| distinct.get(name).map_or(0, HashSet::len);

        let mut best: Option<(usize, Self)> = None;
        for name in CONTROLLERS.into_iter().map(Some).chain([None]) {
            let key = name.unwrap_or_default();
            let Some(mount) = mounts.iter().find(|mount| mount.serves(key)) else { continue };
            if best.as_ref().is_some_and(|(most, _)| seen(key) <= *most) {
                continue;
            }
            let layout = Self {
                hierarchy: name.unwrap_or("v2").to_owned(),
                controller: name,
                hierarchy_id: numbers.get(key).copied().unwrap_or(0),
                mount: Some(mount.at.clone()),
                mount_root: mount.root.clone(),
            };
            best = Some((seen(key), layout));
        }
        best.map_or_else(Self::unmounted, |(_, layout)| layout)
    }

    fn unmounted() -> Self {
        let mount_root = "/".to_owned();
        Self { hierarchy: "v2".to_owned(), controller: None, hierarchy_id: 0, mount: None, mount_root }
    }
}

/// A mounted cgroup hierarchy.
struct Mount {
    root: String,
    at: PathBuf,
    /// v1's controllers; empty: v2.
    controllers: Vec<String>,
}

impl Mount {
    fn serves(&self, controller: &str) -> bool {
        if controller.is_empty() {
            self.controllers.is_empty()
        } else {
            self.controllers.iter().any(|c| c == controller)
        }
    }
}

/// The cgroup mounts, those of a whole hierarchy before those of a part.
fn mounts(root: &Path, proc_root: &Path) -> Vec<Mount> {
    let text = fs::read_to_string(proc_root.join("self/mountinfo")).unwrap_or_default();
    let mut mounts: Vec<Mount> = text.lines().filter_map(|line| mount(root, line)).collect();
    mounts.sort_by_key(|mount| mount.root != "/");
    mounts
}

/// A line of mountinfo: `ID PARENT DEV ROOT AT OPTIONS [TAGS...] - TYPE SOURCE SUPER-OPTIONS`.
fn mount(root: &Path, line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut fields = left.split(' ').skip(3);
    let (mount_root, at) = (unescape(fields.next()?), unescape(fields.next()?));
    let mut fields = right.split(' ');
    let controllers = match fields.next()? {
        "cgroup2" => Vec::new(),
        // A named hierarchy without controllers (`name=systemd`) keeps its name as its one option.
        "cgroup" => fields.nth(1)?.split(',').map(str::to_owned).collect(),
        _ => return None,
    };
    Some(Mount { root: mount_root, at: root.join(at.trim_start_matches('/')), controllers })
}

/// mountinfo writes blanks, tabs, newlines and backslashes as three octal digits.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (code, character)| text.replace(code, character))
}

/// By controller (empty: v2): the distinct cgroups of all processes, and the number of the hierarchy.
fn census(proc_root: &Path) -> (HashMap<String, HashSet<String>>, HashMap<String, u32>) {
    let mut distinct: HashMap<String, HashSet<String>> = HashMap::new();
    let mut numbers = HashMap::new();
    for pid in procfs::pids(proc_root) {
        for (number, controllers, path) in procfs::cgroups(proc_root, pid) {
            for controller in controllers.split(',') {
                distinct.entry(controller.to_owned()).or_default().insert(path.clone());
                numbers.insert(controller.to_owned(), number);
            }
        }
    }
    (distinct, numbers)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Machine;
    use super::*;

    const V2: &str = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
    const MEMORY: &str = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
    const CPU: &str = "36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct";
    const UNIFIED: &str = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw";
    const SYSTEMD: &str = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd";

    #[test]
    fn v2_alone() {
        let machine = Machine::new(&[V2]);
        machine.process(1, "init", &[], "0::/init.scope\n");
        let layout = CgroupLayout::detect(machine.root());
        assert_eq!((layout.hierarchy.as_str(), layout.controller, layout.hierarchy_id), ("v2", None, 0));
        assert_eq!(layout.mount, Some(machine.root().join("sys/fs/cgroup")));
    }

    #[test]
    fn the_hierarchy_that_separates_best() {
        let machine = Machine::new(&[UNIFIED, SYSTEMD, MEMORY, CPU]);
        machine.process(1, "a", &[], "9:name=systemd:/x\n4:memory:/\n2:cpu,cpuacct:/\n0::/\n");
        machine.process(2, "b", &[], "9:name=systemd:/y\n4:memory:/\n2:cpu,cpuacct:/\n0::/\n");
        // A tie: memory. The named hierarchy separates, but no controller's cgroup leads there.
        assert_eq!(CgroupLayout::detect(machine.root()).hierarchy, "memory");
        machine.process(3, "c", &[], "9:name=systemd:/z\n4:memory:/\n2:cpu,cpuacct:/c:d\n0::/\n");
        let layout = CgroupLayout::detect(machine.root());
        assert_eq!((layout.controller, layout.hierarchy_id), (Some("cpu"), 2));
        assert_eq!(layout.mount, Some(machine.root().join("sys/fs/cgroup/cpu,cpuacct")));
        // Hybrid as systemd makes it: v2 holds the units.
        for (pid, path) in [(4, "/a"), (5, "/b")] {
            machine.process(pid, "d", &[], &format!("4:memory:/\n2:cpu,cpuacct:/\n0::{path}\n"));
        }
        assert_eq!(CgroupLayout::detect(machine.root()).hierarchy, "v2");
    }

    #[test]
    fn a_whole_hierarchy_is_preferred_and_blanks_are_unescaped() {
        let part = "50 31 0:32 /docker/x /mnt/in\\040part rw shared:1 - cgroup cgroup rw,memory";
        let machine = Machine::new(&[part, MEMORY]);
        assert_eq!(CgroupLayout::detect(machine.root()).mount_root, "/");
        let machine = Machine::new(&[part]);
        let layout = CgroupLayout::detect(machine.root());
        assert_eq!((layout.mount, layout.mount_root.as_str()), (Some(machine.root().join("mnt/in part")), "/docker/x"));
    }

    #[test]
    fn nothing_mounted_or_garbled() {
        let machine = Machine::new(&["", "garbage", "1 2 3 - cgroup", "- cgroup2"]);
        assert_eq!(CgroupLayout::detect(machine.root()), CgroupLayout::unmounted());
    }
}
