//! Which modules a guest needs before it sees its files, and in which order.

use super::cache::Kernel;
use anyhow::{Context, Result, bail};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the first minute of a guest needs. What a kernel has built in is in none of its modules, and taken to be there.
pub(super) const NEEDED: [&str; 6] = ["virtio_pci", "virtio_console", "virtiofs", "overlay", "virtio_blk", "ext4"];

/// The files to load, each after those that it depends on.
pub(super) fn in_order(kernel: &Kernel, busybox: &Path) -> Result<Vec<PathBuf>> {
    let folder = kernel.modules();
    if !folder.join("kernel").exists() {
        return Ok(Vec::new());
    }
    let list = folder.join("modules.dep");
    // Another guest may be starting at the same time.
    let lock = fs::File::open(&folder).with_context(|| format!("cannot open {}", folder.display()))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    if !list.exists() {
        make_list(kernel, busybox)?;
    }
    let text = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    Ok(order(&text, &NEEDED).into_iter().map(|path| folder.join(path)).collect())
}

/// Makes `modules.dep`, which Debian's packages leave to the installation.
fn make_list(kernel: &Kernel, busybox: &Path) -> Result<()> {
    let mut command = Command::new(busybox);
    command.arg("depmod").arg("-b").arg(&kernel.folder).arg(&kernel.release);
    let output = command.output().with_context(|| format!("cannot run {}", busybox.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("cannot list the modules of {}: depmod says {}", kernel.release, said.trim());
    }
    Ok(())
}

/// By the text of `modules.dep`: `module.ko: needed.ko needed.ko`, the paths relative to its folder.
fn order<'a>(text: &'a str, needed: &[&str]) -> Vec<&'a str> {
    let lines: Lines<'_> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needs)| (path, needs.split_whitespace().collect()))
        .collect();
    let by_name: HashMap<String, &str> = lines.keys().map(|path| (name(path), *path)).collect();
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for module in needed {
        if let Some(path) = by_name.get(*module) {
            put(path, &lines, &mut seen, &mut found);
        }
    }
    found
}

/// What each needs.
type Lines<'a> = HashMap<&'a str, Vec<&'a str>>;

fn put<'a>(path: &'a str, lines: &Lines<'a>, seen: &mut HashSet<&'a str>, found: &mut Vec<&'a str>) {
    if !seen.insert(path) {
        return;
    }
    if let Some(needs) = lines.get(path) {
        needs.iter().for_each(|needed| put(needed, lines, seen, found));
    }
    found.push(path);
}

/// `kernel/fs/fuse/virtio-fs.ko.xz` is the module `virtio_fs`.
fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first_and_once() {
        let text = "kernel/a-b.ko.xz: kernel/c.ko kernel/d.ko\nkernel/c.ko: kernel/d.ko\nkernel/d.ko:\nkernel/e.ko: kernel/d.ko\n";
        assert_eq!(
            order(text, &["a_b", "e", "built_in"]),
            ["kernel/d.ko", "kernel/c.ko", "kernel/a-b.ko.xz", "kernel/e.ko"]
        );
        assert_eq!(order("a.ko: b.ko\nb.ko: a.ko\n", &["a"]), ["b.ko", "a.ko"]);
    }
}
