//! Folders of this machine that a guest sees, by virtiofs.

use super::child::{Files, Tied, VIEW};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder and the process that serves it.
#[derive(Debug)]
pub(super) struct Share {
    /// What the guest mounts it by.
    pub(super) tag: &'static str,
    /// The connection that QEMU takes over.
    pub(super) connection: OwnedFd,
    server: Tied,
}

impl Share {
    /// All of the machine's files, read-only. They are taken not to change while the guest runs.
    pub(super) fn of_everything() -> Result<Self> {
        Self::start(Path::new(VIEW), "machine", "cache=always", Files::ReadOnlyView)
    }

    /// A folder that the guest may write to.
    pub(super) fn of_results(folder: &Path) -> Result<Self> {
        Self::start(folder, "out", "cache=auto", Files::AsHere)
    }

    fn start(folder: &Path, tag: &'static str, cache: &str, files: Files) -> Result<Self> {
        let program = server()?;
        // A socket without a name in any file system: nothing to remove, and known to nobody else.
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(random_name(tag)?)?)?;
        let connection = UnixStream::connect_addr(&listener.local_addr()?)?;
        let listener = OwnedFd::from(listener);
        let mut source = OsString::from("source=");
        source.push(folder);
        let mut command = Command::new(program);
        command.arg(format!("--fd={}", listener.as_raw_fd())).arg("-o").arg(source).args([
            "-o",
            cache,
            "-o",
            "log_level=err",
        ]);
        let server = Tied::start(command, &[&listener], files)?;
        Ok(Self { tag, connection: connection.into(), server })
    }

    /// Ends it, and tells what it complained about.
    pub(super) fn end(self) -> String {
        self.server.end()
    }
}

fn random_name(tag: &str) -> Result<String> {
    Ok(format!("lima-lab-{}-{tag}-{}", std::process::id(), super::initramfs::random_word()?))
}

/// virtiofsd comes with QEMU up to 7.2, later in a package of its own, and never in the search path.
fn server() -> Result<PathBuf> {
    let places = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/bin/virtiofsd"];
    let found = places.iter().map(PathBuf::from).find(|place| place.exists());
    if found.is_none() {
        bail!(
            "virtiofsd is missing (looked for it at {}): on Debian 12 it comes with qemu-system-common, later with \
             virtiofsd",
            places.join(", ")
        );
    }
    found.context("no virtiofsd")
}
