//! A disk with a small Debian on an ext4, for guests whose files are to be as fast, and locked as, on a disk.

use super::cache::Cache;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The system on it, and what workloads of the lab call.
const SUITE: &str = "bookworm";
const PACKAGES: &str = "e2fsprogs,iproute2,kmod,libelf1,procps,runc,stress-ng,zlib1g";

/// As large as a guest may fill it; on the machine it takes what is in it, 350 MB.
const SIZE: &str = "8G";

/// The disk's image, made when it is not there. A guest's changes do not reach it.
pub fn root_disk(cache: &Cache, say: super::Say<'_>) -> Result<PathBuf> {
    let image = cache.folder().join(format!("{SUITE}.ext4"));
    if image.exists() {
        return Ok(image);
    }
    ensure!(rustix::process::geteuid().is_root(), "making the root's disk needs root, once: run this with sudo");
    fs::create_dir_all(cache.folder())?;
    let temporary = tempfile::Builder::new().prefix("fetch.").tempdir_in(cache.folder())?;
    let (files, made) = (temporary.path().join("files"), temporary.path().join("image"));
    say("making a disk with Debian's essential packages, stress-ng and runc (once; two minutes)");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE]).arg(&files);
    run(debootstrap, "debootstrap")?;
    fs::remove_dir_all(files.join("var/cache/apt/archives")).ok();
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-F", "-L", "lima-lab", "-d"]).arg(&files).arg(&made).arg(SIZE);
    run(mkfs, "e2fsprogs")?;
    fs::rename(&made, &image).with_context(|| format!("cannot move the disk to {}", image.display()))?;
    Ok(image)
}

/// Runs a command that is quiet unless it fails.
fn run(mut command: Command, package: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}: apt-get install {package}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    ensure!(
        output.status.success(),
        "{program} failed ({}): {}",
        output.status,
        last.into_iter().rev().collect::<Vec<_>>().join("; ")
    );
    Ok(())
}
