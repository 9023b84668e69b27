//! A minimal Debian with all workloads and platforms on it, as a folder and as a disk.

use crate::guest::{Cache, Say};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debian {
    /// As a folder.
    pub folder: PathBuf,
    /// As the image of a disk.
    pub image: PathBuf,
}

const SUITE: &str = "bookworm";
const MIRROR: &str = "http://deb.debian.org/debian";

/// What is on it besides the essential packages: what LIMA itself needs, the workloads, the platforms.
const PACKAGES: &str = "e2fsprogs,iproute2,kmod,libelf1,procps,zlib1g,ca-certificates,busybox-static,\
    stress-ng,fio,sysbench,python3-minimal,redis-server,redis-tools,memcached,libmemcached-tools,nginx-light,wrk,\
    postgresql,postgresql-contrib,runc,crun,qemu-system-x86";

/// As large as a guest may fill it; on the machine it takes what is in it, 1 GB.
const SIZE: &str = "8G";

const PREPARE: &str = include_str!("debian.sh");

impl Debian {
    /// The user's: in `~/.cache/lima/study`.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn of_user() -> Result<Self> {
        let cache = Cache::of_user()?;
        let folder = cache.folder().parent().context("a cache without a folder")?.join("study");
        Ok(Self { folder: folder.join("root"), image: folder.join("root.ext4") })
    }

    /// The image, also as a guest of the lab sees it, among the files of the machine.
    ///
    /// # Errors
    /// When it has not been made.
    pub fn disk() -> Result<PathBuf> {
        let image = Self::of_user()?.image;
        let there = [image.clone(), crate::study::seen(&image)].into_iter().find(|path| path.exists());
        there.with_context(|| format!("there is no {}: lima study check --prepare makes it", image.display()))
    }

    /// Whether it has been made.
    pub fn is_made(&self) -> bool {
        self.folder.is_dir() && self.image.exists()
    }
}

/// Makes it, unless it has been made. Two or three minutes, 2 GB of disk.
///
/// # Errors
/// When a tool is missing or fails.
pub fn make(say: Say<'_>) -> Result<Debian> {
    let debian = Debian::of_user()?;
    if debian.is_made() {
        return Ok(debian);
    }
    ensure!(rustix::process::geteuid().is_root(), "making the minimal Debian needs root, once: run this with sudo");
    let parent = debian.folder.parent().context("a folder without a parent")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let temporary = tempfile::Builder::new().prefix("make.").tempdir_in(parent)?;
    if !debian.folder.is_dir() {
        say("making a minimal Debian with the workloads (once; three minutes, 2 GB)");
        let files = temporary.path().join("root");
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE]).arg(&files).arg(MIRROR);
        run(debootstrap, "apt-get install debootstrap")?;
        let mut prepare = Command::new("sh");
        prepare.arg("-ec").arg(PREPARE).arg("sh").arg(&files).arg(MIRROR);
        run(prepare, "it is part of every system")?;
        fs::rename(&files, &debian.folder).with_context(|| format!("cannot make {}", debian.folder.display()))?;
    }
    say("making a disk of it");
    image(&debian, temporary.path())?;
    Ok(debian)
}

/// The disk: the root of guests, and beside it the same files as the root of containers.
fn image(debian: &Debian, temporary: &Path) -> Result<()> {
    let (staging, image) = (temporary.join("staging"), temporary.join("image"));
    link(&debian.folder, &staging)?;
    fs::create_dir_all(staging.join("srv"))?;
    link(&debian.folder, &staging.join("srv/lima-root"))?;
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-F", "-L", "lima-study", "-d"]).arg(&staging).arg(&image).arg(SIZE);
    run(mkfs, "apt-get install e2fsprogs")?;
    fs::rename(&image, &debian.image).with_context(|| format!("cannot make {}", debian.image.display()))
}

fn link(from: &Path, to: &Path) -> Result<()> {
    let mut copy = Command::new("cp");
    copy.arg("-al").arg(from).arg(to);
    run(copy, "it is part of every system")
}

/// Runs a command that is quiet unless it fails.
fn run(mut command: Command, remedy: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {program}: {remedy}"))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    ensure!(
        output.status.success(),
        "{program} failed ({}): {}",
        output.status,
        last.into_iter().rev().collect::<Vec<_>>().join("; ")
    );
    Ok(())
}
