//! A bundle as the Open Container Initiative's runtimes want it: a root with changes of its own, and `config.json`.

use super::Site;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// A bundle on the disk.
pub(super) struct Bundle {
    pub(super) folder: PathBuf,
    /// The mounts that it needs.
    pub(super) mounts: Vec<PathBuf>,
}

/// Where a container finds its script.
const SCRIPT: &str = "/var/tmp/lima-script";

pub(super) fn bundle(site: &Site<'_>) -> Result<Bundle> {
    let folder = site.folder.join("bundle");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let overlay = site.files.overlay(site.folder)?;
    let script = overlay.merged.join(SCRIPT.trim_start_matches('/'));
    let path = folder.join("config.json");
    let config = config(site, &overlay.merged.display().to_string());
    let bundle = Bundle { folder, mounts: overlay.mounts };
    let written = fs::create_dir_all(overlay.merged.join("var/tmp")).and_then(|()| fs::write(&script, site.script));
    written.with_context(|| format!("cannot write {}", script.display()))?;
    fs::write(&path, config.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(bundle)
}

/// What engines give a container unless they are told otherwise, and what it takes to change to a service's user.
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

fn config(site: &Site<'_>, root: &str) -> Value {
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": kind, "options": options });
    // A network of its own has a loopback, and nothing else.
    let namespaces = ["pid", "ipc", "uts", "mount", "network"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 0, "gid": 0 },
            "args": ["/bin/sh", SCRIPT],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"],
            "cwd": "/",
            "capabilities": {
                "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES,
            },
            "noNewPrivileges": true,
        },
        "root": { "path": root, "readonly": false },
        "hostname": "tenant",
        "mounts": [
            mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
            mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
            mount("/dev/shm", "tmpfs", &["nosuid", "noexec", "nodev", "mode=1777", "size=262144k"]),
            mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/tmp", "tmpfs", &["nosuid", "nodev", "mode=1777"]),
            mount("/run", "tmpfs", &["nosuid", "nodev", "mode=755"]),
        ],
        "linux": {
            "cgroupsPath": site.cgroup,
            "namespaces": namespaces,
            "resources": {},
        },
    })
}
