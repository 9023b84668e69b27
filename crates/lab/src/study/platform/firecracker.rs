//! Virtual machines by Firecracker: told over its API socket what they are made of, and started.

use super::{Prepared, Site};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

pub(super) fn prepare(site: &Site<'_>) -> Result<Prepared> {
    let machinery = site.machinery.context("a virtual machine needs a kernel and a disk")?;
    let kernel = machinery.kernel.debug_image().with_context(|| {
        format!(
            "Firecracker boots kernels that are not packed, which come with debug information: lima lab fetch {} --debug",
            machinery.kernel.release
        )
    })?;
    let initramfs = site.folder.join("initramfs");
    fs::write(&initramfs, machinery.initramfs(site.script)?).context("cannot write the initramfs")?;
    // Its own disk: Firecracker keeps no changes apart.
    let disk = site.folder.join("disk.ext4");
    fs::copy(&machinery.disk, &disk).with_context(|| format!("cannot copy {}", machinery.disk.display()))?;
    let path = site.folder.join("machine.json");
    fs::write(&path, configuration(&kernel, &initramfs, &disk).to_string())
        .with_context(|| format!("cannot write {}", path.display()))?;
    let mut command = Command::new("firecracker");
    command.args(["--id", site.unique, "--level", "Error", "--api-sock"]).arg(site.folder.join("api.sock"));
    command.arg("--config-file").arg(&path);
    let mut prepared = Prepared::new(command, &format!("firecracker:{}", site.unique));
    prepared.in_tenant = true;
    prepared.helped_by(site.cgroup, "vmm", "its cgroup, before the recorder knows the machine by its command line");
    Ok(prepared)
}

/// What Firecracker's API takes at `/boot-source`, `/drives` and `/machine-config`, as one file.
fn configuration(kernel: &Path, initramfs: &Path, disk: &Path) -> Value {
    json!({
        "boot-source": {
            "kernel_image_path": kernel,
            "initrd_path": initramfs,
            "boot_args": super::microvm::PARAMETERS,
        },
        "drives": [{
            "drive_id": "root",
            "path_on_host": disk,
            "is_root_device": false,
            "is_read_only": false,
        }],
        "machine-config": { "vcpu_count": 1, "mem_size_mib": super::microvm::MEMORY_MIB },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_what_firecracker_takes() {
        let all = configuration(Path::new("/k/vmlinux"), Path::new("/t/initramfs"), Path::new("/t/disk"));
        assert_eq!(all["boot-source"]["kernel_image_path"], "/k/vmlinux");
        assert_eq!(all["drives"][0]["path_on_host"], "/t/disk");
        // It knows no other keys, and says so of each.
        let keys: Vec<&String> = all.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["boot-source", "drives", "machine-config"]);
        assert!(all["machine-config"]["mem_size_mib"].as_u64().unwrap() >= 128);
    }
}
