//! A tenant made by hand: a cgroup of the same name in every hierarchy by which tenants can be told apart.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The v1 controllers by which tenants can be told apart.
const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];

/// A tenant: one folder in the cgroup v2 hierarchy and one for each of the v1 controllers memory, cpu and pids, as
/// far as they are mounted. Dropping it removes the folders that it made; its processes must have ended by then.
#[derive(Debug)]
pub struct Tenant {
    folders: Vec<PathBuf>,
    made: Vec<PathBuf>,
}

impl Tenant {
    /// Makes the tenant, or joins the one of that name. A name may have several parts (`outer/inner`).
    pub fn create(name: impl AsRef<Path>) -> Result<Self> {
        let name = name.as_ref();
        if name.as_os_str().is_empty() || name.components().any(|part| !matches!(part, std::path::Component::Normal(_)))
        {
            bail!("{name:?} is no name for a tenant: it must be a relative path without `.` and `..`");
        }
        let mut tenant = Self { folders: Vec::new(), made: Vec::new() };
        let mut refusals = Vec::new();
        for root in hierarchies()? {
            match tenant.make_in(&root, name) {
                Ok(folder) => tenant.folders.push(folder),
                Err(error) => refusals.push(format!("{}: {error}", root.display())),
            }
        }
        if tenant.folders.is_empty() {
            bail!("cannot make a cgroup {name:?} in any hierarchy ({})", refusals.join("; "));
        }
        Ok(tenant)
    }

    /// Its folders.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Moves a process, with all its threads, into the tenant.
    pub fn add(&self, pid: u32) -> Result<()> {
        for folder in &self.folders {
            fs::write(folder.join("cgroup.procs"), pid.to_string())
                .with_context(|| format!("cannot move process {pid} into {}", folder.display()))?;
        }
        Ok(())
    }

    fn make_in(&mut self, root: &Path, name: &Path) -> io::Result<PathBuf> {
        let mut folder = root.to_owned();
        for part in name {
            folder.push(part);
            match fs::create_dir(&folder) {
                Ok(()) => self.made.push(folder.clone()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(folder)
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        // A process leaves its cgroup some moments after its parent has learned of its end, and v1 has no event for
        // that: all that can be done is to try again for a while.
        let until = Instant::now() + Duration::from_secs(5);
        for folder in self.made.iter().rev() {
            while let Err(error) = fs::remove_dir(folder) {
                if error.raw_os_error() != Some(libc::EBUSY) || Instant::now() > until {
                    // Not empty: somebody else has joined and made a folder inside. Gone: somebody else removed it.
                    if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) {
                        eprintln!("lima: cannot remove the cgroup {folder:?}: {error}");
                    }
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Where the hierarchies are mounted: v2 first.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = fs::read("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    let found = parse_mounts(&mounts);
    if found.is_empty() {
        bail!("no cgroup hierarchy is mounted");
    }
    Ok(found)
}

/// Where all hierarchies are mounted, those by which tenants are not told apart among them: runtimes use each.
pub(crate) fn every_hierarchy() -> Vec<PathBuf> {
    let mounts = fs::read("/proc/self/mounts").unwrap_or_default();
    let fields = mounts.split(|&byte| byte == b'\n').map(|line| line.split(|&byte| byte == b' ').skip(1));
    let found = fields.filter_map(|mut fields| {
        let (folder, kind) = (fields.next()?, fields.next()?);
        matches!(kind, b"cgroup" | b"cgroup2").then(|| unescape(folder))
    });
    found.collect()
}

fn parse_mounts(mounts: &[u8]) -> Vec<PathBuf> {
    let mut v2 = Vec::new();
    let mut v1: Vec<PathBuf> = Vec::new();
    for line in mounts.split(|&byte| byte == b'\n') {
        let mut fields = line.split(|&byte| byte == b' ').skip(1);
        let (Some(folder), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let options = String::from_utf8_lossy(options);
        match kind {
            b"cgroup2" => v2.push(unescape(folder)),
            b"cgroup" if options.split(',').any(|option| CONTROLLERS.contains(&option)) => v1.push(unescape(folder)),
            _ => {}
        }
    }
    v2.truncate(1);
    v2.extend(v1);
    v2
}

/// Undoes the `\040` of /proc/self/mounts.
fn unescape(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match (byte, octal) {
            (b'\\', Some(value)) => {
                bytes.push(value);
                rest = &after[3..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn finds_the_hierarchies_that_separate_tenants() {
        let mounts = b"cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu,cpuacct 0 0\n\
            cgroup /sys/fs/cgroup/freezer cgroup rw,relatime,freezer 0 0\n\
            cgroup /odd\\040name cgroup rw,memory 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n\
            tmpfs /tmp tmpfs rw 0 0\n";
        let expected = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/cpu", "/odd name"].map(PathBuf::from);
        assert_eq!(parse_mounts(mounts), expected);
    }

    #[test]
    fn refuses_names_that_lead_elsewhere() {
        for name in ["", "/", "..", "a/../../b", "/sys"] {
            assert!(Tenant::create(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn holds_a_process_and_is_gone_afterwards() {
        let name = format!("lima-lab-test-{}/inner", std::process::id());
        let tenant = match Tenant::create(&name) {
            Ok(tenant) => tenant,
            Err(error) => return eprintln!("skipped: {error:#}"),
        };
        let folders = tenant.folders().to_vec();
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        tenant.add(child.id()).unwrap();
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", child.id())).unwrap();
        assert_eq!(groups.matches(&name).count(), folders.len(), "{groups}");
        drop(child.stdin.take());
        child.wait().unwrap();
        drop(tenant);
        for folder in folders {
            assert!(!folder.exists() && !folder.parent().unwrap().exists(), "{folder:?} is left behind");
        }
    }
}
