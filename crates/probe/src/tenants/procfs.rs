//! The few files of `/proc` that naming needs. A process may end at any moment: every answer is an option.

use lima_model::escape;
use std::fs;
use std::path::Path;

/// The pids of all processes that are visible, ascending.
pub fn pids(proc_root: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(proc_root) else { return Vec::new() };
    let mut pids: Vec<u32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

/// `/proc/PID/comm`, without its newline.
pub fn comm(proc_root: &Path, pid: u32) -> Option<String> {
    let bytes = fs::read(proc_root.join(pid.to_string()).join("comm")).ok()?;
    Some(escape::text(bytes.strip_suffix(b"\n").unwrap_or(&bytes)))
}

/// `/proc/PID/cmdline`, word by word; empty for kernel threads and zombies.
pub fn command_line(proc_root: &Path, pid: u32) -> Vec<String> {
    let bytes = fs::read(proc_root.join(pid.to_string()).join("cmdline")).unwrap_or_default();
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if bytes.is_empty() { Vec::new() } else { bytes.split(|&byte| byte == 0).map(escape::text).collect() }
}

/// The parent, from `/proc/PID/stat`: the second field after the name, which may itself hold blanks and brackets.
pub fn parent(proc_root: &Path, pid: u32) -> Option<u32> {
    let bytes = fs::read(proc_root.join(pid.to_string()).join("stat")).ok()?;
    let after = bytes.iter().rposition(|&byte| byte == b')')? + 1;
    std::str::from_utf8(&bytes[after..]).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The cgroups of a process: hierarchy number, controllers (empty: v2) and path, from `/proc/PID/cgroup`.
pub fn cgroups(proc_root: &Path, pid: u32) -> Vec<(u32, String, String)> {
    let bytes = fs::read(proc_root.join(pid.to_string()).join("cgroup")).unwrap_or_default();
    let line = |line: &[u8]| {
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let hierarchy = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        Some((hierarchy, escape::text(fields.next()?), escape::text(fields.next()?)))
    };
    bytes.split(|&byte| byte == b'\n').filter_map(line).collect()
}
