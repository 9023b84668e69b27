//! From source to a module for one kernel.

use super::source::{FILES, NAME, fingerprint};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where built modules are kept: a folder for each kernel and version of the source.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The user's: `~/.cache/lima/modules`.
    pub fn of_user() -> Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let cache = cache.or_else(|| set("HOME").map(|home| home.join(".cache")));
        let cache = cache.context("neither XDG_CACHE_HOME nor HOME is set: there is no place for modules")?;
        Ok(Self::at(cache.join("lima/modules")))
    }

    /// Another folder.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the module for a kernel (`uname -r`) is, or will be.
    pub fn place(&self, release: &str) -> PathBuf {
        self.folder_of(release).join(format!("{NAME}.ko"))
    }

    fn folder_of(&self, release: &str) -> PathBuf {
        self.folder.join(format!("{release}-{:016x}", fingerprint()))
    }
}

/// Builds the module against a kernel's headers or build tree, unless that was done; returns where it is. Needs make and
/// the compiler of the kernel.
pub fn build(store: &Store, release: &str, tree: &Path) -> Result<PathBuf> {
    let place = store.place(release);
    if place.exists() {
        return Ok(place);
    }
    fs::create_dir_all(&store.folder).with_context(|| format!("cannot make the folder {}", store.folder.display()))?;
    let work = tempfile::Builder::new().prefix("build.").tempdir_in(&store.folder)?;
    for (name, text) in FILES {
        fs::write(work.path().join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    make(tree, work.path())?;
    keep(work.path(), &store.folder_of(release))?;
    Ok(place)
}

/// The release of the kernel that a build tree is of.
pub fn release_of(tree: &Path) -> Result<String> {
    let path = tree.join("include/generated/utsrelease.h");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{} is no build tree of a kernel: cannot read {}", tree.display(), path.display()))?;
    let release = text.split('"').nth(1).filter(|release| !release.is_empty() && !release.contains('/'));
    release.map(str::to_owned).with_context(|| format!("{} names no release", path.display()))
}

fn make(tree: &Path, work: &Path) -> Result<()> {
    // The kernel's makefiles split paths at blanks.
    for path in [tree, work] {
        if path.as_os_str().as_encoded_bytes().iter().any(u8::is_ascii_whitespace) {
            bail!("{} has a blank in its name, which the kernel's makefiles cannot cope with", path.display());
        }
    }
    let tree = fs::canonicalize(tree).with_context(|| format!("there is no build tree {}", tree.display()))?;
    let mut option = OsString::from("M=");
    option.push(fs::canonicalize(work)?);
    let mut command = Command::new("make");
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    command.arg("--silent").arg(format!("-j{jobs}")).arg("-C").arg(&tree);
    if let Some(makefile) = common_makefile(&tree) {
        command.arg("-f").arg(makefile);
    }
    command.arg(option).arg("modules").env("LC_ALL", "C").env_remove("MAKEFLAGS");
    let output = command.output().context("cannot run make: is it installed?")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if !output.status.success() {
        let lines: Vec<&str> = said.lines().rev().take(15).collect();
        bail!(
            "the module does not build against {} ({}):\n{}",
            tree.display(),
            output.status,
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        );
    }
    let warnings: Vec<&str> = said.lines().filter(|line| line.contains("warning:")).collect();
    if !warnings.is_empty() {
        bail!("the module builds against {} with warnings:\n{}", tree.display(), warnings.join("\n"));
    }
    Ok(())
}

/// Debian's headers are in two parts, and the one names the other by the place where it would be installed.
fn common_makefile(tree: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(tree.join("Makefile")).ok()?;
    let included = Path::new(text.lines().find_map(|line| line.strip_prefix("include "))?.trim());
    if included.exists() {
        return None;
    }
    let common = included.parent()?.file_name()?;
    let makefile = tree.parent()?.join(common).join("Makefile");
    makefile.exists().then_some(makefile)
}

/// Puts the module into its place as a whole. Who comes second leaves it at what is there.
fn keep(work: &Path, folder: &Path) -> Result<()> {
    let fails = || format!("cannot put the module into {}", folder.display());
    let whole = tempfile::Builder::new().prefix("done.").tempdir_in(folder.parent().unwrap_or(work))?;
    let module = format!("{NAME}.ko");
    fs::rename(work.join(&module), whole.path().join(&module)).with_context(fails)?;
    match fs::rename(whole.path(), folder) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
            Err(error).with_context(fails)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_part_of_headers_is_found_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, common) = (folder.path().join("headers-6.9-cloud"), folder.path().join("headers-6.9-common"));
        fs::create_dir_all(&tree).unwrap();
        fs::create_dir_all(&common).unwrap();
        fs::write(tree.join("Makefile"), "include /no/such/folder/headers-6.9-common/Makefile\n").unwrap();
        assert_eq!(common_makefile(&tree), None);
        fs::write(common.join("Makefile"), "").unwrap();
        assert_eq!(common_makefile(&tree), Some(common.join("Makefile")));
        fs::write(tree.join("Makefile"), "include $(dir $(lastword $(MAKEFILE_LIST)))../x/Makefile\n").unwrap();
        assert_eq!(common_makefile(&tree), None);
    }

    #[test]
    fn what_does_not_build_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("modules"));
        let error = build(&store, "6.9", &folder.path().join("absent")).unwrap_err();
        assert!(format!("{error:#}").contains("there is no build tree"), "{error:#}");
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("Makefile"), "modules:\n\t@echo 'x.c:1: error: no' >&2; exit 1\n").unwrap();
        let error = build(&store, "6.9", &tree).unwrap_err();
        assert!(format!("{error:#}").contains("error: no"), "{error:#}");
        fs::write(tree.join("Makefile"), "modules:\n\t@echo 'x.c:1: warning: hm' >&2\n").unwrap();
        let error = build(&store, "6.9", &tree).unwrap_err();
        assert!(format!("{error:#}").contains("warning: hm"), "{error:#}");
        assert!(!store.place("6.9").exists());
    }

    #[test]
    fn what_was_built_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path().join("modules"));
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("Makefile"), "modules:\n\t@test -e $(M)/main.c && echo built >$(M)/lima_locks.ko\n")
            .unwrap();
        let place = build(&store, "6.9", &tree).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "built\n");
        fs::remove_dir_all(&tree).unwrap();
        assert_eq!(build(&store, "6.9", &tree).unwrap(), place);
        assert_eq!(fs::read_dir(folder.path().join("modules")).unwrap().count(), 1, "something is left behind");
    }
}
