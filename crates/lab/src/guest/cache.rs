//! Kernels on this machine: folders that look like the root of a system on which the kernel's packages are installed.
//!
//! Whatever lies in the cache's folder with a `boot/vmlinuz-RELEASE` is a kernel; its name is the folder's.

use super::build::CONFIGURATIONS;
use anyhow::{Context, Result};
use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of all kernels.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// A kernel that can be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// What its folder is called.
    pub name: String,
    /// What `uname -r` says in it.
    pub release: String,
    /// Where its packages are unpacked.
    pub folder: PathBuf,
}

impl Cache {
    /// The user's: `~/.cache/lima/kernels`.
    pub fn of_user() -> Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let cache = cache.or_else(|| set("HOME").map(|home| home.join(".cache")));
        let cache = cache.context("neither XDG_CACHE_HOME nor HOME is set: there is no place for kernels")?;
        Ok(Self::at(cache.join("lima/kernels")))
    }

    /// Another folder.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All kernels in it, the oldest release first.
    pub fn kernels(&self) -> Vec<Kernel> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut kernels: Vec<Kernel> = entries.filter_map(|entry| Kernel::in_folder(&entry.path())).collect();
        kernels.sort_by(|left, right| compare(&left.release, &right.release));
        kernels
    }

    /// The kernel of this name, of this release, or the newest of this version (`6.1`).
    pub fn find(&self, wanted: &str) -> Option<Kernel> {
        let mut kernels = self.kernels();
        let exact = kernels.iter().position(|kernel| kernel.name == wanted || kernel.release == wanted);
        match exact {
            Some(place) => Some(kernels.swap_remove(place)),
            // One that was built here is asked for by its name: it is not what others run.
            None => kernels.into_iter().rfind(|kernel| !kernel.is_built() && is_version(&kernel.release, wanted)),
        }
    }
}

impl Kernel {
    /// The kernel that is unpacked in a folder. A folder still being filled (`fetch.*`) holds none.
    pub fn in_folder(folder: &Path) -> Option<Self> {
        let name = folder.file_name()?.to_str()?;
        if name.starts_with("fetch.") {
            return None;
        }
        let files = fs::read_dir(folder.join("boot")).ok()?.flatten();
        let names = files.filter_map(|entry| entry.file_name().into_string().ok());
        let release = names.filter_map(|name| Some(name.strip_prefix("vmlinuz-")?.to_owned())).min()?;
        Some(Self { name: name.to_owned(), release, folder: folder.to_owned() })
    }

    /// Whether it is one of our own configurations, and none of Debian's kernels.
    pub(super) fn is_built(&self) -> bool {
        CONFIGURATIONS.iter().any(|configuration| configuration.name == self.name)
    }

    /// The image that is booted.
    pub fn image(&self) -> PathBuf {
        self.folder.join("boot").join(format!("vmlinuz-{}", self.release))
    }

    /// The folder of its modules; a kernel without modules has none.
    pub fn modules(&self) -> PathBuf {
        self.folder.join("lib/modules").join(&self.release)
    }

    /// The image with debug information, when it is there.
    pub fn debug_image(&self) -> Option<PathBuf> {
        let path = self.folder.join("usr/lib/debug/boot").join(format!("vmlinux-{}", self.release));
        path.exists().then_some(path)
    }

    /// The folder that modules are built against, when it is there.
    pub fn headers(&self) -> Option<PathBuf> {
        let path = self.folder.join("usr/src").join(format!("linux-headers-{}", self.release));
        path.join("Makefile").exists().then_some(path)
    }
}

/// Whether a release is of a version: `6.1.0-50-cloud-amd64` is a `6.1` and a `6.1.0-50`, and not a `6`.`10`.
pub fn is_version(release: &str, version: &str) -> bool {
    !version.is_empty() && release.strip_prefix(version).is_some_and(|rest| rest.starts_with(['.', '-', '+', '~']))
}

/// Which release is older: numbers by their value, all else as text.
pub fn compare(left: &str, right: &str) -> Ordering {
    parts(left).cmp(&parts(right))
}

fn parts(release: &str) -> Vec<(u64, &str)> {
    let mut parts = Vec::new();
    let mut rest = release;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let text = after.find(|letter: char| letter.is_ascii_digit()).unwrap_or(after.len());
        parts.push((number.parse().unwrap_or(0), &after[..text]));
        rest = &after[text..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(cache: &Path, name: &str, release: &str) {
        fs::create_dir_all(cache.join(name).join("boot")).unwrap();
        fs::write(cache.join(name).join("boot").join(format!("vmlinuz-{release}")), "").unwrap();
    }

    #[test]
    fn kernels_are_found_by_name_release_and_version() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "d61", "6.1.0-50-cloud-amd64");
        put(folder.path(), "6.1.0-9-cloud-amd64", "6.1.0-9-cloud-amd64");
        put(folder.path(), "d612", "6.12.117+deb12-cloud-amd64");
        put(folder.path(), "lockdep", "6.1.192-lockdep");
        put(folder.path(), "fetch.x", "6.1.0-99-cloud-amd64");
        fs::create_dir(folder.path().join("src61")).unwrap();
        let cache = Cache::at(folder.path().to_owned());
        let found = |wanted: &str| cache.find(wanted).map(|kernel| kernel.name);
        assert_eq!(found("6.1").as_deref(), Some("d61"));
        assert_eq!(found("d61").as_deref(), Some("d61"));
        assert_eq!(found("lockdep").as_deref(), Some("lockdep"));
        assert_eq!(found("6.1.0-9").as_deref(), Some("6.1.0-9-cloud-amd64"));
        assert_eq!(found("6.12").as_deref(), Some("d612"));
        assert_eq!(found("6.12.117+deb12-cloud-amd64").as_deref(), Some("d612"));
        for absent in ["6", "6.", "6.10", "7.0", "", "src61", "fetch.x"] {
            let found = found(absent);
            assert!(found.is_none() || absent == "6", "{absent}: {found:?}");
        }
        assert_eq!(cache.kernels().len(), 4);
    }

    #[test]
    fn releases_are_compared_by_their_numbers() {
        assert_eq!(compare("6.1.0-9-cloud", "6.1.0-50-cloud"), Ordering::Less);
        assert_eq!(compare("6.12.1", "6.2.9"), Ordering::Greater);
        assert_eq!(compare("6.1", "6.1"), Ordering::Equal);
    }
}
