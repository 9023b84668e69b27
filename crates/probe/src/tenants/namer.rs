//! Cgroup ids to tenants.

use super::called::{self, Ambiguous};
use super::{CgroupLayout, Recognised, Tenant, TenantKind, recognise};
use lima_model::escape;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An unknown id makes the namer walk the hierarchy again, but not more often than this.
const RESCAN: Duration = Duration::from_secs(1);

/// Resolves the kernel's cgroup ids (a cgroup's id is the inode number of its folder) to tenants.
///
/// It remembers the names of cgroups that are gone, for a trace still holds their waits.
#[derive(Debug)]
pub struct Namer {
    layout: CgroupLayout,
    paths: HashMap<u64, String>,
    ids: HashMap<String, u64>,
    tenants: HashMap<u64, Tenant>,
    /// The tenant (by its path, which it keeps when it is started again) that has taken a name: of two that would be
    /// called the same, the second is its path.
    taken: HashMap<String, String>,
    scanned: Option<Instant>,
}

impl Namer {
    /// A namer for this hierarchy. It reads nothing until it is asked.
    pub fn new(layout: CgroupLayout) -> Self {
        let (paths, ids, tenants, taken) = Default::default();
        Self { layout, paths, ids, tenants, taken, scanned: None }
    }

    /// The hierarchy that names are read from.
    pub fn layout(&self) -> &CgroupLayout {
        &self.layout
    }

    /// Takes in a cgroup that the kernel announced (its path from the root of the hierarchy): one that lives for a
    /// moment is gone before a scan.
    pub fn learn(&mut self, id: u64, path: &[u8]) {
        self.remember(id, escape::text(path));
    }

    /// The tenant that this cgroup belongs to. A container's inner cgroups are the container. A cgroup whose name
    /// could not be found out (it lived for too short a time, or is out of sight) is called `cgroup:ID` until it can.
    pub fn tenant(&mut self, id: u64) -> Tenant {
        if let Some(tenant) = self.tenants.get(&id) {
            return tenant.clone();
        }
        let Some(path) = self.path(id).map(str::to_owned) else {
            let (path, runtime, container_id) = Default::default();
            return Tenant { name: format!("cgroup:{id}"), kind: TenantKind::Cgroup, id, path, runtime, container_id };
        };
        let found = recognise(&path);
        let own = &path[..found.own];
        let own_id = self.ids.get(own).copied().unwrap_or(id);
        let tenant = match self.tenants.get(&own_id) {
            Some(tenant) => tenant.clone(),
            None => self.christen(own_id, own, found.clone()),
        };
        self.tenants.insert(own_id, tenant.clone());
        self.tenants.insert(id, tenant.clone());
        tenant
    }

    /// The path of a cgroup from the root of the hierarchy.
    pub fn path(&mut self, id: u64) -> Option<&str> {
        if !self.paths.contains_key(&id) && self.scanned.is_none_or(|at| at.elapsed() >= RESCAN) {
            self.scan();
        }
        self.paths.get(&id).map(String::as_str)
    }

    /// The ids of a cgroup and of all cgroups below it that exist now, for filters in the kernel. The path is the one
    /// from the root of the hierarchy, or that of the folder (`/sys/fs/cgroup/...`).
    pub fn below(&mut self, path: &str) -> Vec<u64> {
        self.scan();
        let mount = self.layout.mount.as_deref().and_then(Path::to_str).unwrap_or_default();
        let inside = path.strip_prefix(mount).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let path = inside.map_or_else(|| path.to_owned(), |rest| format!("{}{rest}", self.layout.mount_root));
        let path = format!("/{}", path.trim_matches('/'));
        let within = |other: &str| {
            path == "/" || other.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.select(|_, other| within(other))
    }

    /// The ids of all cgroups that exist now of the tenant that is called so, for filters in the kernel; none when
    /// nobody is. How a tenant can be spelled: [`lima_model::spelling`].
    ///
    /// # Errors
    /// When a short spelling fits several tenants.
    pub fn of_tenant(&mut self, called: &str) -> Result<Vec<u64>, Ambiguous> {
        self.scan();
        let known: Vec<u64> = self.paths.keys().copied().collect();
        let tenants: HashMap<u64, Tenant> = known.into_iter().map(|id| (id, self.tenant(id))).collect();
        let Some(path) = called::path(called, tenants.values())? else { return Ok(Vec::new()) };
        Ok(self.select(|id, _| tenants.get(&id).is_some_and(|tenant| tenant.path.as_deref() == Some(&*path))))
    }

    fn select(&self, wanted: impl Fn(u64, &str) -> bool) -> Vec<u64> {
        let mut ids: Vec<u64> =
            self.paths.iter().filter(|(id, path)| wanted(**id, path.as_str())).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    fn christen(&mut self, id: u64, path: &str, found: Recognised) -> Tenant {
        let holder = self.taken.entry(found.name.clone()).or_insert_with(|| path.to_owned());
        // Folders have the names that whoever may make folders gives them: no two tenants go by one name.
        let name = if holder == path { found.name } else { path.to_owned() };
        Tenant {
            name,
            kind: found.kind,
            id,
            path: Some(path.to_owned()),
            runtime: found.runtime,
            container_id: found.container_id,
        }
    }

    /// Walks the whole hierarchy. Cgroups that are gone keep their names.
    fn scan(&mut self) {
        self.scanned = Some(Instant::now());
        let Some(mount) = self.layout.mount.clone() else { return };
        let Ok(metadata) = fs::metadata(&mount) else { return };
        self.remember(metadata.ino(), self.layout.mount_root.clone());
        let mut folders: Vec<(PathBuf, String)> = vec![(mount, self.layout.mount_root.clone())];
        while let Some((folder, path)) = folders.pop() {
            // A folder that cannot be read was removed meanwhile.
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
                let name = escape::text(entry.file_name().as_encoded_bytes());
                let path = format!("{}/{name}", path.trim_end_matches('/'));
                self.remember(entry.ino(), path.clone());
                folders.push((entry.path(), path));
            }
        }
    }

    fn remember(&mut self, id: u64, path: String) {
        if self.paths.get(&id).is_some_and(|known| *known == path) {
            return;
        }
        self.ids.insert(path.clone(), id);
        self.paths.insert(id, path);
        self.tenants.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Machine;
    use super::*;

    const ID: &str = "3f4a5b6c7d8e9f00112233445566778899aabbccddeeff001122334455667788";

    fn machine() -> (Machine, Namer) {
        let machine = Machine::new(&["31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"]);
        let namer = Namer::new(CgroupLayout::detect(machine.root()));
        (machine, namer)
    }

    #[test]
    fn folders_become_tenants() {
        let (machine, mut namer) = machine();
        let root = machine.cgroup("");
        let demo = machine.cgroup("demo-a");
        let container = machine.cgroup(&format!("docker/{ID}"));
        let inner = machine.cgroup(&format!("docker/{ID}/init"));
        assert_eq!(namer.tenant(root).name, "/");
        assert_eq!(namer.tenant(demo).name, "/demo-a");
        let tenant = namer.tenant(inner);
        assert_eq!((tenant.name.as_str(), tenant.id), ("docker:3f4a5b6c7d8e", container));
        assert_eq!(tenant.path, Some(format!("/docker/{ID}")));
        assert_eq!(namer.tenant(container), tenant);
        assert_eq!(namer.below("/docker"), namer.below(&format!("{}/sys/fs/cgroup/docker/", machine.root().display())));
        assert_eq!(namer.below("/docker").len(), 3);
        assert!(namer.below("/dock").is_empty());
        let mut both = vec![container, inner];
        both.sort_unstable();
        for called in [ID, "docker:3f4a5b6c7d8e", "3f4a5b6c7d8e", &format!("docker/{ID}")] {
            assert_eq!(namer.of_tenant(called).unwrap(), both, "{called}");
        }
        assert_eq!([namer.of_tenant("/demo-a").unwrap(), namer.of_tenant("demo-a").unwrap()], [[demo], [demo]]);
        assert!(namer.of_tenant("demo").unwrap().is_empty());
    }

    #[test]
    fn a_container_that_is_started_again_keeps_its_name() {
        let (_machine, mut namer) = machine();
        for id in [10, 11] {
            namer.learn(id, format!("/docker/{ID}").as_bytes());
            assert_eq!(namer.tenant(id).name, "docker:3f4a5b6c7d8e");
        }
        assert_eq!(namer.of_tenant("docker:3f4a5b6c7d8e").unwrap(), [10, 11]);
        assert_eq!(namer.of_tenant(&ID[..20]).unwrap(), [10, 11]);
    }

    #[test]
    fn a_short_spelling_of_two_tenants_is_none_of_either() {
        let (_machine, mut namer) = machine();
        let other = format!("{}0000", &ID[..60]);
        namer.learn(10, format!("/docker/{ID}").as_bytes());
        namer.learn(11, format!("/docker/{other}").as_bytes());
        assert_eq!(namer.of_tenant(&other).unwrap(), [11]);
        // A name is a name, whoever else could be meant by it: the first comer's.
        let named = namer.of_tenant("docker:3f4a5b6c7d8e").unwrap();
        assert!(named == [10] || named == [11], "{named:?}");
        let error = namer.of_tenant("3f4a5b6c7d8e").unwrap_err();
        assert_eq!(error.0, [format!("/docker/{other}"), format!("/docker/{ID}")]);
    }

    #[test]
    fn unknown_ids_are_looked_up_once_a_second() {
        let (machine, mut namer) = machine();
        assert_eq!(namer.tenant(1).name, "cgroup:1");
        let late = machine.cgroup("late");
        assert_eq!(namer.tenant(late).name, format!("cgroup:{late}"));
        namer.scanned = namer.scanned.and_then(|at| at.checked_sub(RESCAN));
        assert_eq!(namer.tenant(late).name, "/late");
    }

    #[test]
    fn announced_cgroups_are_known_after_their_end() {
        let (_machine, mut namer) = machine();
        namer.learn(77, b"/gone\xff");
        assert_eq!(namer.tenant(77).name, "/gone\\xff");
        namer.learn(78, format!("/docker/{ID}").as_bytes());
        assert_eq!(namer.tenant(78).name, "docker:3f4a5b6c7d8e");
    }

    #[test]
    fn two_tenants_never_share_a_name() {
        let (_machine, mut namer) = machine();
        let path = format!("/user.slice/docker-{ID}.scope");
        namer.learn(10, format!("/docker/{ID}").as_bytes());
        namer.learn(11, path.as_bytes());
        assert_eq!(namer.tenant(10).name, "docker:3f4a5b6c7d8e");
        assert_eq!(namer.tenant(11).name, path);
    }

    #[test]
    fn a_cgroup_folder_of_the_running_machine_has_its_name() {
        let layout = CgroupLayout::detect(Path::new("/"));
        let Some(mount) = layout.mount.clone() else { return };
        let id = fs::metadata(&mount).expect("the mount point").ino();
        let mut namer = Namer::new(layout.clone());
        assert_eq!(namer.path(id), Some(layout.mount_root.as_str()));
        // Without the right to make one the rest cannot be shown.
        let name = format!("lima-namer-{}", std::process::id());
        let folder = mount.join(&name);
        if fs::create_dir(&folder).is_err() {
            return;
        }
        let id = fs::metadata(&folder).map(|metadata| metadata.ino()).unwrap_or_default();
        let ids = Namer::new(layout.clone()).below(&folder.display().to_string());
        let tenant = Namer::new(layout.clone()).tenant(id);
        fs::remove_dir(&folder).expect("an empty cgroup");
        assert_eq!(ids, [id]);
        assert_eq!(tenant.name, format!("{}/{name}", layout.mount_root.trim_end_matches('/')));
    }
}
