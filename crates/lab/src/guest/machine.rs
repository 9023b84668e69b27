//! What a guest is made of, and QEMU's command line for it.

use super::acceleration::Acceleration;
use super::cache::Kernel;
use super::child::{Files, Tied};
use super::counting::{self, Counting};
use super::emulator::Emulator;
use super::share::Share;
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

/// The guest's hardware.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// Among how many NUMA nodes CPUs and memory are shared out.
    pub nodes: u32,
    /// Where the guest's root comes from.
    pub root: Root,
    /// Parameters for the kernel, after ours.
    pub parameters: Vec<String>,
    /// Whether instructions are counted, and how.
    pub counting: Option<Counting>,
}

/// Where a guest's root file system comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The machine's own files by virtiofs, read-only, under an overlay in memory.
    Virtiofs,
    /// A disk of its own with a Debian on an ext4, as it was made at every start.
    Ext4,
}

/// QEMU, while it runs, and the ends of the guest's ports.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) qemu: Tied,
    pub(super) console: UnixStream,
    pub(super) control: UnixStream,
    pub(super) output: UnixStream,
    pub(super) errors: UnixStream,
    pub(super) shares: Vec<Share>,
}

impl Machine {
    /// What suits a machine with so many CPUs and so much memory.
    pub fn of_size(host_cpus: u32, host_memory_mib: u64) -> Self {
        Self {
            cpus: host_cpus.clamp(2, 4),
            memory_mib: (host_memory_mib / 2).clamp(1024, 4096),
            nodes: 1,
            root: Root::Virtiofs,
            parameters: Vec::new(),
            counting: None,
        }
    }

    /// Whether CPUs and memory can be shared out as wished.
    pub fn check(&self) -> Result<()> {
        ensure!((1..=255).contains(&self.cpus), "a guest has between 1 and 255 CPUs, not {}", self.cpus);
        ensure!(self.memory_mib >= 512, "{} MiB are too little for a guest: it needs 512", self.memory_mib);
        ensure!(
            self.nodes >= 1 && self.cpus.is_multiple_of(self.nodes),
            "{} CPUs cannot be shared out evenly among {} NUMA nodes",
            self.cpus,
            self.nodes
        );
        ensure!(self.counting.is_none() || self.cpus == 1, "instructions are counted with one CPU, not {}", self.cpus);
        Ok(())
    }

    /// Starts QEMU. The shares belong to it from then on.
    pub(super) fn start(
        &self,
        kernel: &Kernel,
        initramfs: &OwnedFd,
        shares: Vec<Share>,
        disk: Option<&Path>,
        acceleration: Acceleration,
    ) -> Result<Running> {
        let ports = [Port::new("console")?, Port::new("control")?, Port::new("output")?, Port::new("errors")?];
        let emulator = if self.counting.is_some() { Emulator::of_system() } else { Emulator::of(kernel)? };
        let mut command = emulator.command();
        command.args(["-M", "q35", "-nodefaults", "-no-reboot", "-no-user-config", "-display", "none"]);
        // Without the hypervisor bit the kernel uses its real queued spinlocks, as on hardware. A fifth level of page tables
        // would only make each walk longer, which nested machines feel most.
        command.args(["-cpu", "max,-hypervisor,-la57"]);
        match &self.counting {
            Some(counting) => counting.arguments(&mut command),
            None => drop(command.args(["-accel", acceleration.argument()])),
        }
        command.arg("-smp").arg(format!("{},sockets={}", self.cpus, self.nodes));
        self.memory(&mut command);
        command
            .arg("-kernel")
            .arg(kernel.image())
            .arg("-initrd")
            .arg(format!("/proc/self/fd/{}", initramfs.as_raw_fd()));
        command.arg("-append").arg(self.parameters());
        for port in &ports {
            command.arg("-chardev").arg(format!("socket,id={},fd={}", port.name, port.theirs.as_raw_fd()));
        }
        command.args(["-serial", "chardev:console", "-device", "virtio-serial-pci"]);
        for port in &ports[1..] {
            command.arg("-device").arg(format!("virtserialport,chardev={0},name={0}", port.name));
        }
        for share in &shares {
            let tag = share.tag;
            command.arg("-chardev").arg(format!("socket,id={tag},fd={}", share.connection.as_raw_fd()));
            command.arg("-device").arg(format!("vhost-user-fs-pci,chardev={tag},tag={tag},queue-size=1024"));
        }
        if let Some(disk) = disk {
            command.arg("-drive").arg(format!("if=virtio,format=raw,snapshot=on,cache=unsafe,file={}", escaped(disk)));
        }
        let mut keep: Vec<&OwnedFd> = ports.iter().map(|port| &port.theirs).collect();
        keep.push(initramfs);
        keep.extend(shares.iter().map(|share| &share.connection));
        let qemu = Tied::start(command, &keep, Files::AsHere)
            .context("QEMU does not start; on Debian it is in the package qemu-system-x86")?;
        let [console, control, output, errors] = ports.map(|port| port.ours);
        Ok(Running { qemu, console, control, output, errors, shares })
    }

    /// Memory that the processes behind virtiofs can see, too.
    fn memory(&self, command: &mut Command) {
        let nodes = u64::from(self.nodes);
        command.arg("-m").arg(format!("{}M", self.memory_mib));
        for node in 0..nodes {
            let size = self.memory_mib / nodes + if node == 0 { self.memory_mib % nodes } else { 0 };
            let each = self.cpus / self.nodes;
            let first = u64::from(each) * node;
            let last = first + u64::from(each) - 1;
            command.arg("-object").arg(format!("memory-backend-memfd,id=memory{node},size={size}M,share=on"));
            command.arg("-numa").arg(format!("node,nodeid={node},memdev=memory{node},cpus={first}-{last}"));
        }
    }

    fn parameters(&self) -> String {
        let mut text = "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check".to_owned();
        if self.counting.is_some() {
            let _ = write!(text, " {}", counting::PARAMETERS);
        }
        for parameter in &self.parameters {
            let _ = write!(text, " {parameter}");
        }
        text
    }
}

/// A path in QEMU's option syntax, in which a comma is doubled.
pub(super) fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// Both ends of a connection with QEMU.
struct Port {
    name: &'static str,
    ours: UnixStream,
    theirs: OwnedFd,
}

impl Port {
    fn new(name: &'static str) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok(Self { name, ours, theirs: theirs.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_and_memory_are_shared_out_among_nodes() {
        let machine = Machine { nodes: 2, memory_mib: 1025, ..Machine::of_size(4, 64 << 10) };
        machine.check().unwrap();
        let mut command = Command::new("x");
        machine.memory(&mut command);
        let text = format!("{command:?}");
        assert!(text.contains("cpus=0-1") && text.contains("cpus=2-3"), "{text}");
        assert!(text.contains("size=513M") && text.contains("size=512M"), "{text}");
        assert!(Machine { nodes: 3, ..machine.clone() }.check().is_err());
        assert!(Machine { cpus: 0, ..machine }.check().is_err());
    }
}
