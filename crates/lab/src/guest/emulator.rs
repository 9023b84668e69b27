//! Which QEMU guests run under: one that was unpacked into the cache for them, else the system's.
//!
//! Up to version 8.0 QEMU can keep an outdated translation of code that one processor changes while another runs it, and the
//! guest then spins in it for good; attaching and detaching programs changes code all the time. Debian 12 comes with 7.2 and
//! has a newer one in its backports, which `scripts/fetch-qemu.sh` unpacks.
//!
//! Under that one (10.0.2), programs on kernels that were built here end with segmentation faults, one in some dozens; on Debian's
//! own kernels none does. Why is not known. So those kernels stay with the system's, and so does counting, whose plugin
//! speaks the interface of that version.

use super::cache::{Cache, Kernel};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// QEMU on this machine.
#[derive(Clone, Debug)]
pub struct Emulator {
    program: PathBuf,
    /// Where its firmware lies, if not where it would look.
    firmware: Vec<PathBuf>,
}

/// The package, for people who lack it.
const MISSING: &str = "qemu-system-x86_64 cannot be run; on Debian it is in the package qemu-system-x86";

impl Emulator {
    /// The one to boot this kernel with.
    ///
    /// # Errors
    /// When there is no folder for caches.
    pub fn of(kernel: &Kernel) -> Result<Self> {
        if kernel.is_built() {
            return Ok(Self::of_system());
        }
        Ok(Self::in_folder(&Cache::of_user()?.folder().with_file_name("qemu")))
    }

    /// The one on the search path.
    pub(super) fn of_system() -> Self {
        Self { program: "qemu-system-x86_64".into(), firmware: Vec::new() }
    }

    fn in_folder(folder: &Path) -> Self {
        let program = folder.join("usr/bin/qemu-system-x86_64");
        if program.exists() {
            let firmware = ["usr/share/qemu", "usr/share/seabios"].map(|path| folder.join(path)).to_vec();
            Self { program, firmware }
        } else {
            Self::of_system()
        }
    }

    /// Its command line, as far as it is the same for all guests.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for folder in &self.firmware {
            command.arg("-L").arg(folder);
        }
        command
    }

    /// What it calls itself: one line, such as `QEMU emulator version 10.0.2 (Debian ...)`.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn version(&self) -> Result<String> {
        let output = Command::new(&self.program).arg("--version").output().context(MISSING)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().next().unwrap_or_default().trim();
        ensure!(!line.is_empty(), "{MISSING}");
        Ok(line.to_owned())
    }
}

/// Whether a version (`QEMU emulator version 7.2.22 (...)`) is one whose guests can hang when they have several processors.
pub fn may_hang(version: &str) -> bool {
    let number = version.split_whitespace().find(|word| word.starts_with(|letter: char| letter.is_ascii_digit()));
    let mut parts = number.unwrap_or_default().split('.').map(str::parse::<u32>);
    matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < (8, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_in_the_cache_comes_first_and_brings_its_firmware() {
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(Emulator::in_folder(cache.path()).program, Path::new("qemu-system-x86_64"));
        let program = cache.path().join("usr/bin/qemu-system-x86_64");
        std::fs::create_dir_all(program.parent().unwrap()).unwrap();
        std::fs::write(&program, "").unwrap();
        let command = Emulator::in_folder(cache.path()).command();
        assert_eq!(command.get_program(), program);
        assert!(command.get_args().any(|argument| argument == cache.path().join("usr/share/seabios")), "{command:?}");
    }

    #[test]
    fn old_versions_are_known() {
        assert!(may_hang("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)"));
        assert!(may_hang("QEMU emulator version 8.0.0"));
        assert!(!may_hang("QEMU emulator version 8.1.0") && !may_hang("QEMU emulator version 10.0.2 (Debian)"));
        assert!(!may_hang("something else"));
    }
}
