//! Settings of the machine that matter, but are neither good nor bad.

use super::Setting;
use super::machine::Config;
use super::privileges::Privileges;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use rustix::process::{Resource, getrlimit};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

const UNKNOWN: &str = "unknown";

/// All of them.
pub fn settings(config: &Config) -> Vec<Setting> {
    let mut settings = vec![Setting {
        key: "user",
        value: Privileges::describe(),
        meaning: "who runs this, with which capabilities in effect".to_owned(),
    }];
    settings.push(lockdown());
    settings.extend(SYSCTLS.iter().map(sysctl));
    settings.push(memlock());
    settings.push(lockdep());
    settings.push(Setting {
        key: "kernel_config",
        value: config.source.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
        meaning: "where the kernel's configuration was read".to_owned(),
    });
    settings
}

/// Name, file below `/proc/sys`, meanings by value.
type Sysctl = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const SYSCTLS: &[Sysctl] = &[
    (
        "unprivileged_bpf_disabled",
        "kernel/unprivileged_bpf_disabled",
        &[
            ("0", "anyone may load some programs; tracing needs privileges all the same"),
            ("1", "programs need privileges, until the next boot"),
            ("2", "programs need privileges"),
        ],
    ),
    (
        "bpf_jit_enable",
        "net/core/bpf_jit_enable",
        &[
            ("0", "programs are interpreted: recording is much dearer (sysctl net.core.bpf_jit_enable=1)"),
            ("1", "programs run as machine code"),
            ("2", "programs run as machine code and are printed to the kernel log"),
        ],
    ),
    (
        "bpf_stats_enabled",
        "kernel/bpf_stats_enabled",
        &[
            ("0", "the kernel does not time programs (sysctl kernel.bpf_stats_enabled=1 makes it)"),
            ("1", "the kernel times programs, which costs some time itself"),
        ],
    ),
    (
        "perf_event_paranoid",
        "kernel/perf_event_paranoid",
        &[
            ("-1", "anyone may use perf events"),
            ("0", "anyone may use most perf events"),
            ("1", "anyone may measure own processes with kernel events"),
            ("2", "kernel events need CAP_PERFMON"),
            ("3", "perf events need CAP_PERFMON"),
        ],
    ),
    (
        "kptr_restrict",
        "kernel/kptr_restrict",
        &[
            ("0", "symbol addresses are shown with CAP_SYSLOG or where perf_event_paranoid permits"),
            ("1", "symbol addresses are shown with CAP_SYSLOG"),
            ("2", "symbol addresses are hidden from everyone: stacks have no names (sysctl kernel.kptr_restrict=1)"),
        ],
    ),
];

fn sysctl(&(key, file, meanings): &Sysctl) -> Setting {
    let value = fs::read_to_string(Path::new("/proc/sys").join(file));
    let value = value.map_or_else(|_| UNKNOWN.to_owned(), |value| value.trim().to_owned());
    let meaning = meanings.iter().find(|(known, _)| *known == value);
    let meaning = meaning.map_or("a value that this version does not know, or that may not be read", |(_, text)| *text);
    Setting { key, value, meaning: meaning.to_owned() }
}

fn lockdown() -> Setting {
    let value = lockdown_mode().unwrap_or_else(|| UNKNOWN.to_owned());
    let meaning = match value.as_str() {
        "none" => "the kernel is not locked down",
        "integrity" => "the kernel protects itself from root: it may refuse probes on functions",
        "confidentiality" => "the kernel hides its memory from root: tracing programs cannot read it",
        _ => "cannot be read: needs root, or this kernel cannot be locked down; the answers above tell what is refused",
    };
    Setting { key: "lockdown", value, meaning: meaning.to_owned() }
}

/// `none`, `integrity` or `confidentiality`, when it can be read.
pub fn lockdown_mode() -> Option<String> {
    chosen(&lockdown_text()?)
}

/// `/sys/kernel/security/lockdown`; where securityfs is not mounted, from a mount of it that nobody else sees and that
/// goes with its descriptor.
fn lockdown_text() -> Option<String> {
    if let Ok(text) = fs::read_to_string("/sys/kernel/security/lockdown") {
        return Some(text);
    }
    let context = fsopen("securityfs", FsOpenFlags::FSOPEN_CLOEXEC).ok()?;
    fsconfig_create(&context).ok()?;
    let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY).ok()?;
    let file = openat(mount, "lockdown", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut text = String::new();
    File::from(file).read_to_string(&mut text).ok()?;
    Some(text)
}

/// `none [integrity] confidentiality`.
fn chosen(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

fn memlock() -> Setting {
    let value =
        getrlimit(Resource::Memlock).current.map_or("unlimited".to_owned(), |bytes| format!("{} KiB", bytes / 1024));
    Setting {
        key: "memlock",
        value,
        meaning: "not needed since Linux 5.11: maps are accounted to the cgroup".to_owned(),
    }
}

/// Whether the kernel checks or counts its own locks. The files may be unreadable; that they are there says enough.
fn lockdep() -> Setting {
    let there = |path: &str| openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).is_ok();
    let (value, meaning) = match (there("/proc/lockdep"), there("/proc/lock_stat")) {
        (false, false) => ("none", "an ordinary kernel: it neither checks nor counts its own locks"),
        (true, false) => {
            ("lockdep", "the kernel checks its own locks: it is slower, and times are not those of others")
        }
        (false, true) => {
            ("lock_stat", "the kernel counts its own locks: it is slower, and /proc/lock_stat can be compared")
        }
        (true, true) => {
            ("lockdep and lock_stat", "the kernel checks and counts its own locks: it is slower than others")
        }
    };
    Setting { key: "lock_debugging", value: value.to_owned(), meaning: meaning.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_in_brackets() {
        assert_eq!(chosen("none [integrity] confidentiality\n").as_deref(), Some("integrity"));
        assert_eq!(chosen(""), None);
    }

    #[test]
    fn every_setting_has_a_value_and_a_meaning() {
        let settings = settings(&Config::default());
        assert!(settings.iter().all(|setting| !setting.value.is_empty() && !setting.meaning.is_empty()));
    }
}
