//! What files containers and virtual machines see: the machine's own, or a minimal Debian with all workloads, made once.

mod debian;

pub use debian::{Debian, make};

use super::file::Root;
use anyhow::{Context, Result, ensure};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The files that are below the changes of each container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    lower: PathBuf,
    /// Whether changes go to memory, and not to the disk.
    in_memory: bool,
}

/// The root of containers on the lab's disk (of [`debian`]), beside its own root: hard links to the same files, for a folder
/// cannot lie both above and below an overlay.
const ON_DISK: &str = "/srv/lima-root";

impl Files {
    /// The files that were asked for.
    ///
    /// # Errors
    /// When the Debian has not been made.
    pub fn find(root: Root) -> Result<Self> {
        if root == Root::Machine {
            return Ok(Self::of_machine());
        }
        let on_disk = PathBuf::from(ON_DISK);
        let lower = if on_disk.is_dir() { on_disk } else { Debian::of_user()?.folder };
        ensure!(lower.is_dir(), "the minimal Debian is not made yet: lima study check --prepare makes it");
        Ok(Self { lower, in_memory: false })
    }

    /// The machine's own, with changes in memory.
    pub fn of_machine() -> Self {
        Self { lower: "/".into(), in_memory: true }
    }

    /// The folder below all changes.
    pub fn lower(&self) -> &Path {
        &self.lower
    }

    /// Mounts them, with changes of their own, in a folder.
    pub(super) fn overlay(&self, folder: &Path) -> Result<Overlay> {
        let mut overlay = Overlay { merged: folder.join("root"), mounts: Vec::new() };
        let changes = folder.join("changes");
        for part in [&changes, &overlay.merged] {
            fs::create_dir_all(part).with_context(|| format!("cannot make {}", part.display()))?;
        }
        if self.in_memory {
            mount("tmpfs", &changes, "tmpfs", "mode=755,size=50%")?;
            overlay.mounts.push(changes.clone());
        }
        let (upper, work) = (changes.join("upper"), changes.join("work"));
        fs::create_dir_all(&upper)?;
        fs::create_dir_all(&work)?;
        let options = format!("lowerdir={},upperdir={},workdir={}", plain(&self.lower)?, plain(&upper)?, plain(&work)?);
        mount("overlay", &overlay.merged, "overlay", &options)?;
        overlay.mounts.push(overlay.merged.clone());
        Ok(overlay)
    }
}

/// A root with changes of its own.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) merged: PathBuf,
    pub(super) mounts: Vec<PathBuf>,
}

/// A path that means the same in the options of a mount.
fn plain(path: &Path) -> Result<&str> {
    let text = path.to_str().context("a path of bytes that are no text")?;
    ensure!(!text.contains([',', ':', '\\']), "{text}: the kernel takes no `,`, `:` or `\\` in a path of an overlay");
    Ok(text)
}

/// Mounts a file system.
fn mount(source: &str, target: &Path, kind: &str, options: &str) -> Result<()> {
    let (source, kind_c) = (CString::new(source)?, CString::new(kind)?);
    let (target_c, options) = (CString::new(target.as_os_str().as_bytes())?, CString::new(options)?);
    // SAFETY: all four strings end with a zero and live until the call returns.
    let result =
        unsafe { libc::mount(source.as_ptr(), target_c.as_ptr(), kind_c.as_ptr(), 0, options.as_ptr().cast()) };
    ensure!(
        result == 0,
        "cannot mount a {kind} at {} with {options:?}: {}",
        target.display(),
        std::io::Error::last_os_error()
    );
    Ok(())
}

/// Takes a mount away; what is still used goes with its last user.
pub(super) fn unmount(target: &Path) -> Result<()> {
    let path = CString::new(target.as_os_str().as_bytes())?;
    // SAFETY: the string ends with a zero and lives until the call returns.
    let result = unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    ensure!(result == 0, "cannot unmount {}: {}", target.display(), std::io::Error::last_os_error());
    Ok(())
}

/// Gives this process mounts of its own: they end with it and its children, however these end. To be called while the
/// process has one thread.
pub(super) fn own_mounts() -> Result<()> {
    // SAFETY: unshare has no memory to break.
    let unshared = unsafe { libc::unshare(libc::CLONE_NEWNS) };
    ensure!(unshared == 0, "cannot have mounts of its own: {}", std::io::Error::last_os_error());
    let (nothing, all) = (std::ptr::null(), c"/".as_ptr());
    // SAFETY: the string ends with a zero; the kernel takes null for what it does not use here.
    let made = unsafe { libc::mount(nothing, all, nothing, libc::MS_REC | libc::MS_PRIVATE, std::ptr::null()) };
    ensure!(made == 0, "cannot make its mounts its own: {}", std::io::Error::last_os_error());
    Ok(())
}
