//! The first files of a guest: a static busybox, the modules it needs to reach the rest, and what it is to do.
//!
//! An archive in the format of `cpio -H newc`, in memory; nothing of it is ever in a file.

use super::cache::Kernel;
use super::machine::Root;
use super::modules;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the guest is told.
#[derive(Debug)]
pub(super) struct Orders<'a> {
    /// Only say that the kernel has come up.
    pub(super) trial: bool,
    pub(super) root: Root,
    /// Printed after everything that the command prints.
    pub(super) mark: &'a str,
    pub(super) command: &'a [std::ffi::OsString],
    /// The folder for results.
    pub(super) out: Option<&'a Path>,
}

/// Makes the archive.
pub(super) fn make(kernel: &Kernel, orders: &Orders<'_>) -> Result<OwnedFd> {
    let mut archive = Archive::with_modules(kernel)?;
    // Every program that a guest need not start in its first second is one that nobody waits for: so folders and links
    // are in the archive, and what goes on to the guest's root is in one folder.
    for folder in ["lima/bin", "lima/dev", "machine", "scratch", "sys"] {
        archive.folder(folder);
    }
    archive.file("init", 0o755, include_bytes!("init.sh"));
    for program in ["insmod", "lsmod", "modprobe", "poweroff", "rmmod"] {
        archive.link(&format!("lima/bin/{program}"), "../busybox");
    }
    for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
        archive.link(&format!("lima/dev/{name}"), &format!("/proc/self/fd{target}"));
    }
    archive.file("lima/mounts", 0o644, include_bytes!("mounts"));
    archive.file("lima/inside", 0o755, include_bytes!("inside.sh"));
    archive.file("lima/settings", 0o644, &settings(kernel, orders)?);
    archive.file("lima/command", 0o600, &command(orders)?);
    let memory = rustix::fs::memfd_create("initramfs", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    file.write_all(&archive.finish())?;
    Ok(file.into())
}

/// 16 digits that nobody else knows.
pub(super) fn random_word() -> Result<String> {
    let mut bytes = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A busybox that needs no library.
fn busybox() -> Result<PathBuf> {
    let places = ["/bin/busybox", "/usr/bin/busybox", "/usr/lib/initramfs-tools/bin/busybox"];
    for place in places.iter().map(Path::new) {
        if place.exists() {
            let program = read(place)?;
            // A dynamic program names its interpreter.
            if !program.windows(11).take(4096).any(|part| part == b"/ld-linux-x") {
                return Ok(place.to_owned());
            }
        }
    }
    bail!("a static busybox is missing (looked for it at {}): install busybox-static", places.join(", "))
}

/// Variables of the guest's scripts.
fn settings(kernel: &Kernel, orders: &Orders<'_>) -> Result<Vec<u8>> {
    let folder = fs::canonicalize(&kernel.folder).context("the kernel's folder")?;
    let root = match orders.root {
        Root::Virtiofs => "virtiofs",
        Root::Ext4 => "ext4",
    };
    let mut text = Vec::new();
    set(&mut text, "trial", OsStr::new(if orders.trial { "yes" } else { "" }));
    set(&mut text, "root", OsStr::new(root));
    set(&mut text, "mark", OsStr::new(orders.mark));
    set(&mut text, "release", OsStr::new(&kernel.release));
    set(&mut text, "kernel_folder", folder.as_os_str());
    let program = std::env::current_exe().ok();
    let (here, program) = (std::env::current_dir().unwrap_or_default(), program.as_deref().and_then(Path::parent));
    set(&mut text, "here", here.as_os_str());
    set(&mut text, "programs", program.map(Path::as_os_str).unwrap_or_default());
    set(&mut text, "out", orders.out.map(Path::as_os_str).unwrap_or_default());
    Ok(text)
}

/// The script that becomes the command: the caller's environment and folder, then the command itself.
fn command(orders: &Orders<'_>) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for (name, value) in std::env::vars_os() {
        let mut letters = name.as_bytes().iter();
        let named = letters.next().is_some_and(|&first| first.is_ascii_alphabetic() || first == b'_')
            && letters.all(|&letter| letter.is_ascii_alphanumeric() || letter == b'_');
        // Sockets of the caller's session lead nowhere here.
        if named && !name.as_bytes().starts_with(b"XDG_RUNTIME") && !name.as_bytes().starts_with(b"DBUS_") {
            text.extend_from_slice(b"export ");
            set(&mut text, &name.to_string_lossy(), &value);
        }
    }
    // The lab's own `modprobe` comes first: that of a Debian wants `modules.dep.bin`, which only an installation makes.
    let mut path = b"/run/lima/bin:".to_vec();
    path.extend_from_slice(std::env::var_os("PATH").unwrap_or_default().as_bytes());
    path.extend_from_slice(b":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    text.extend_from_slice(b"export ");
    set(&mut text, "PATH", OsStr::from_bytes(&path));
    text.extend_from_slice(b"export LIMA_LAB=guest\n");
    if let Some(out) = orders.out {
        text.extend_from_slice(b"export ");
        set(&mut text, "LIMA_OUT", out.as_os_str());
    }
    if let Ok(folder) = std::env::current_dir() {
        text.extend_from_slice(b"cd ");
        quote(&mut text, folder.as_os_str());
        text.extend_from_slice(b" || cd /\n");
    }
    text.extend_from_slice(b"exec");
    for word in orders.command {
        text.push(b' ');
        quote(&mut text, word);
    }
    text.push(b'\n');
    Ok(text)
}

fn set(text: &mut Vec<u8>, name: &str, value: &OsStr) {
    text.extend_from_slice(name.as_bytes());
    text.push(b'=');
    quote(text, value);
    text.push(b'\n');
}

/// As one word of a shell, whatever is in it.
fn quote(text: &mut Vec<u8>, word: &OsStr) {
    text.push(b'\'');
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => text.extend_from_slice(b"'\\''"),
            _ => text.push(byte),
        }
    }
    text.push(b'\'');
}

/// Entries of a cpio archive.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// The busybox, the kernel's modules that it takes to find a root, in the order in which they are loaded, and the folders
    /// for both.
    pub(crate) fn with_modules(kernel: &Kernel) -> Result<Self> {
        let busybox = busybox()?;
        let mut archive = Self::default();
        for folder in ["dev", "lima", "modules", "root"] {
            archive.folder(folder);
        }
        archive.console();
        archive.file("lima/busybox", 0o755, &read(&busybox)?);
        let mut order = String::new();
        for path in modules::in_order(kernel, &busybox)? {
            let name = path.file_name().and_then(OsStr::to_str).context("a module without a name")?;
            archive.file(&format!("modules/{name}"), 0o644, &read(&path)?);
            order.push_str(name);
            order.push('\n');
        }
        archive.file("modules/order", 0o644, order.as_bytes());
        Ok(archive)
    }

    fn folder(&mut self, name: &str) {
        self.entry(name, 0o040_755, (0, 0), &[]);
    }

    pub(crate) fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.entry(name, 0o100_000 | mode, (0, 0), content);
    }

    fn link(&mut self, name: &str, target: &str) {
        self.entry(name, 0o120_777, (0, 0), target.as_bytes());
    }

    /// The device that the kernel gives the first process for its input and output.
    fn console(&mut self) {
        self.entry("dev/console", 0o020_600, (5, 1), &[]);
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
        self.bytes.extend_from_slice(b"070701");
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0];
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        let mut text = Vec::new();
        quote(&mut text, OsStr::new("it's $(here)\n"));
        assert_eq!(text, b"'it'\\''s $(here)\n'");
    }

    #[test]
    fn an_archive_is_aligned_and_ends() {
        let mut archive = Archive::default();
        archive.folder("a");
        archive.file("a/b", 0o644, b"12345");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.starts_with(b"070701"));
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("a/b\0"));
        assert!(text.trim_end_matches('\0').ends_with("TRAILER!!!"));
    }
}
