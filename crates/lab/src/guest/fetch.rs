//! Kernels from Debian's archive into the cache.

use super::archive::{Archive, unpack};
use super::cache::{Cache, Kernel, compare, is_version};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// What is wanted besides the image and its modules.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras {
    /// Debug information (280 MB to download, 3 GB on disk).
    pub debug: bool,
    /// What modules are built against.
    pub headers: bool,
}

/// Kernels that tests and scripts know by a short name (`scripts/fetch-kernel.sh`).
const NAMES: [(&str, &str); 2] = [("6.1.0-50-cloud-amd64", "d61"), ("6.12.117+deb12-cloud-amd64", "d612")];

/// Sees to it that a kernel is in the cache: a version (`6.1`: the newest that is cached, or else the newest that there
/// is), a release, or a name. What is there is not fetched again.
pub fn fetch(cache: &Cache, wanted: &str, extras: Extras, say: super::Say<'_>) -> Result<Kernel> {
    let cached = cache.find(wanted);
    if let Some(kernel) = &cached
        && (!extras.debug || kernel.debug_image().is_some())
        && (!extras.headers || kernel.headers().is_some())
    {
        if extras.headers {
            relocate(&kernel.folder)?;
        }
        return Ok(kernel.clone());
    }
    fs::create_dir_all(cache.folder())
        .with_context(|| format!("cannot make the folder {}", cache.folder().display()))?;
    let wanted = cached.as_ref().map_or(wanted, |kernel| kernel.release.as_str());
    let wanted = NAMES.iter().find(|(_, name)| *name == wanted).map_or(wanted, |(release, _)| *release);

    // The lists that the system has may be old and name what is gone; ours are made anew.
    match from(&Archive::of_system(), cache, cached.as_ref(), wanted, extras, say) {
        Ok(Some(kernel)) => Ok(kernel),
        _ => {
            let ours = Archive::of_our_own(&cache.folder().join("apt"), say)?;
            let kernel = from(&ours, cache, cached.as_ref(), wanted, extras, say)?;
            kernel.with_context(|| {
                format!(
                    "Debian's archive has no kernel {wanted} for clouds: `lima lab kernels --all` lists what there is"
                )
            })
        }
    }
}

/// The releases that can be fetched, by the lists at hand; the oldest first.
pub fn available(cache: &Cache, say: super::Say<'_>) -> Result<Vec<String>> {
    let known = releases(&Archive::of_system()).unwrap_or_default();
    if !known.is_empty() {
        return Ok(known);
    }
    releases(&Archive::of_our_own(&cache.folder().join("apt"), say)?)
}

/// The cloud kernels: small, quick to boot, with BTF and everything that the lab needs.
fn releases(archive: &Archive) -> Result<Vec<String>> {
    let names = archive.names("^linux-image-[0-9].*-cloud-amd64$")?;
    let names = names.iter().filter_map(|name| name.strip_prefix("linux-image-"));
    // Without the packages that only point to the newest of a series (`6.12-cloud-amd64`).
    let mut releases: Vec<String> = names
        .filter(|name| name.split('-').next().is_some_and(|version| version.matches('.').count() >= 2))
        .map(str::to_owned)
        .collect();
    releases.sort_by(|left, right| compare(left, right));
    Ok(releases)
}

/// `None`: this view of the archive does not know the kernel.
fn from(
    archive: &Archive,
    cache: &Cache,
    cached: Option<&Kernel>,
    wanted: &str,
    extras: Extras,
    say: super::Say<'_>,
) -> Result<Option<Kernel>> {
    let known = releases(archive)?;
    let Some(release) = known.into_iter().rfind(|release| release == wanted || is_version(release, wanted)) else {
        return Ok(None);
    };
    let mut packages = Vec::new();
    if cached.is_none() {
        packages.push(format!("linux-image-{release}"));
    }
    if extras.debug && cached.is_none_or(|kernel| kernel.debug_image().is_none()) {
        packages.push(format!("linux-image-{release}-dbg"));
    }
    if extras.headers && cached.is_none_or(|kernel| kernel.headers().is_none()) {
        let headers = format!("linux-headers-{release}");
        let needs = archive.needs(&headers)?;
        packages.push(headers);
        packages.extend(needs.into_iter().filter(|name| {
            name.starts_with("linux-kbuild-") || (name.starts_with("linux-headers-") && name.ends_with("-common"))
        }));
    }

    let temporary = tempfile::Builder::new().prefix("fetch.").tempdir_in(cache.folder())?;
    let (downloads, files) = (temporary.path().join("packages"), temporary.path().join("files"));
    fs::create_dir(&downloads)?;
    fs::create_dir(&files)?;
    say(&format!("downloading {}", packages.join(", ")));
    archive.download(&packages, &downloads)?;
    say("unpacking");
    unpack(&downloads, &files)?;
    if extras.headers {
        relocate(&files)?;
    }

    let folder = match cached {
        Some(kernel) => kernel.folder.clone(),
        None => cache.folder().join(place(&release)),
    };
    merge(&files, &folder)?;
    let kernel = Kernel::in_folder(&folder);
    Ok(Some(kernel.with_context(|| format!("the packages of {release} hold no boot/vmlinuz-{release}"))?))
}

/// The name of the folder of a release.
fn place(release: &str) -> &str {
    NAMES.iter().find(|(known, _)| *known == release).map_or(release, |(_, name)| *name)
}

/// Moves what was unpacked to its place: a folder that is not there as a whole, the rest piece by piece.
fn merge(from: &Path, to: &Path) -> Result<()> {
    let fails = || format!("cannot move {} to {}", from.display(), to.display());
    if fs::symlink_metadata(to).is_err() {
        return fs::rename(from, to).with_context(fails);
    }
    if !from.is_dir() || fs::symlink_metadata(from)?.is_symlink() {
        fs::remove_file(to).with_context(fails)?;
        return fs::rename(from, to).with_context(fails);
    }
    for entry in fs::read_dir(from).with_context(fails)? {
        let entry = entry.with_context(fails)?;
        merge(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Headers name each other by absolute paths, which are right only where they are installed. Done once is done for good.
fn relocate(files: &Path) -> Result<()> {
    for entry in fs::read_dir(files.join("usr/src")).context("the headers hold no usr/src")? {
        let folder = entry?.path();
        let makefile = folder.join("Makefile");
        if let Ok(text) = fs::read_to_string(&makefile) {
            let here = "$(dir $(lastword $(MAKEFILE_LIST)))../";
            let moved = text.replace("include /usr/src/", &format!("include {here}"));
            ensure!(!moved.contains(" /usr/src/"), "{} names more paths than known", makefile.display());
            fs::write(&makefile, moved).with_context(|| format!("cannot write {}", makefile.display()))?;
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let Ok(target) = fs::read_link(&path) else { continue };
            if let Ok(inside) = target.strip_prefix("/usr") {
                fs::remove_file(&path)?;
                std::os::unix::fs::symlink(Path::new("../..").join(inside), &path)
                    .with_context(|| format!("cannot link {}", path.display()))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_unpacked_joins_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for file in ["from/usr/lib/debug/new", "from/usr/src/header", "to/usr/lib/old", "to/boot/image"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        fs::create_dir_all(to.join("usr/src")).unwrap();
        fs::write(to.join("usr/src/header"), "stale").unwrap();
        merge(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("usr/lib/debug/new")).unwrap(), "from/usr/lib/debug/new");
        assert_eq!(fs::read_to_string(to.join("usr/src/header")).unwrap(), "from/usr/src/header");
        assert!(to.join("usr/lib/old").exists() && to.join("boot/image").exists());
    }

    #[test]
    fn known_releases_have_short_places() {
        assert_eq!(place("6.1.0-50-cloud-amd64"), "d61");
        assert_eq!(place("6.1.0-51-cloud-amd64"), "6.1.0-51-cloud-amd64");
    }
}
