//! Virtual machines by QEMU, with a serial line, a disk and nothing else; with KVM where that works.
//!
//! The machine type is q35: where KVM is itself emulated, a kernel comes up on it in half the time that it takes on QEMU's
//! `microvm`.

use super::{Prepared, Site};
use crate::guest::{self, Acceleration, Cache, Initramfs, Kernel};
use crate::study::root::Debian;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What virtual machines are made from.
#[derive(Clone, Debug)]
pub struct Machinery {
    /// The kernel that they boot.
    pub kernel: Kernel,
    /// An image of an ext4 with a Debian and the workloads.
    pub disk: PathBuf,
    /// How their instructions are run.
    pub acceleration: Acceleration,
    /// Why.
    pub reason: String,
}

/// Of the kernel in the machine.
pub(super) const PARAMETERS: &str = "console=ttyS0 quiet loglevel=0 panic=-1 reboot=k mitigations=off";
/// Of the machine.
pub(super) const MEMORY_MIB: u64 = 384;

const INIT: &str = include_str!("init.sh");

impl Machinery {
    /// What there is on this machine, or in a guest of the lab on the machine around it.
    ///
    /// # Errors
    /// When the kernel or the disk is missing.
    pub fn find(kernel: &str) -> Result<Self> {
        let cache = Cache::of_user()?;
        let around = Cache::at(crate::study::seen(cache.folder()));
        let found = cache.find(kernel).or_else(|| around.find(kernel));
        let kernel = found.with_context(|| format!("the kernel {kernel} is missing: lima lab fetch {kernel}"))?;
        let disk = Debian::disk()?;
        let (acceleration, reason) = if std::env::var_os("LIMA_LAB").is_some() {
            nested_kvm()
        } else {
            let choice = guest::choose(&cache, &kernel, &|_: &str| {})?;
            (choice.acceleration, choice.reason)
        };
        Ok(Self { kernel, disk, acceleration, reason })
    }

    /// The first files of the machine: what it takes to find the disk, and the tenant's script.
    pub(super) fn initramfs(&self, script: &str) -> Result<Vec<u8>> {
        let mut archive = Initramfs::with_modules(&self.kernel)?;
        archive.file("init", 0o755, INIT.as_bytes());
        archive.file("lima/script", 0o755, script.as_bytes());
        Ok(archive.finish())
    }
}

pub(super) fn prepare(site: &Site<'_>) -> Result<Prepared> {
    let machinery = site.machinery.context("a virtual machine needs a kernel and a disk")?;
    let initramfs = site.folder.join("initramfs");
    fs::write(&initramfs, machinery.initramfs(site.script)?).context("cannot write the initramfs")?;
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-name", site.unique, "-M", "q35", "-nodefaults", "-no-user-config", "-no-reboot"]);
    command.args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-smp", "1"]);
    command.arg("-m").arg(format!("{MEMORY_MIB}M"));
    match machinery.acceleration {
        Acceleration::Kvm => command.args(["-accel", "kvm", "-cpu", "host"]),
        Acceleration::Tcg | Acceleration::TcgSingle => command.args(["-accel", "tcg", "-cpu", "max"]),
    };
    command.arg("-kernel").arg(machinery.kernel.image()).arg("-initrd").arg(&initramfs);
    command.args(["-append", PARAMETERS]);
    let disk = machinery.disk.display().to_string().replace(',', ",,");
    command.arg("-drive").arg(format!("if=virtio,format=raw,snapshot=on,cache=unsafe,file={disk}"));
    let mut prepared = Prepared::new(command, &format!("qemu:{}", site.unique));
    prepared.in_tenant = true;
    prepared.notes.push(format!("virtual machines by {}", machinery.reason));
    prepared.helped_by(site.cgroup, "vmm", "its cgroup, before the recorder knows the machine by its command line");
    Ok(prepared)
}

/// In a guest of the lab: the KVM of the processor that it sees, which QEMU emulates, works where the modules are there.
fn nested_kvm() -> (Acceleration, String) {
    for module in ["kvm_amd", "kvm_intel"] {
        // Of the two, at most one fits.
        let _ = Command::new("modprobe").arg("-q").arg(module).output();
    }
    match fs::File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => (Acceleration::Kvm, "KVM, nested in the guest".to_owned()),
        Err(error) => (Acceleration::Tcg, format!("software emulation: /dev/kvm cannot be opened ({error})")),
    }
}
