//! Debian's archive of packages, asked through apt. Nothing is installed, and the system's own lists are left alone.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A view of the archive: a set of lists of packages.
#[derive(Debug)]
pub(super) struct Archive {
    options: Vec<String>,
}

/// After that time our own lists are made again.
const FRESH: Duration = Duration::from_secs(24 * 3600);

impl Archive {
    /// By the lists that the system has.
    pub(super) fn of_system() -> Self {
        // As root apt would download as another user, who cannot write to the cache.
        let options = ["APT::Sandbox::User=root", "Acquire::http::Timeout=30", "Acquire::Retries=1"];
        Self { options: options.iter().flat_map(|option| ["-o".to_owned(), (*option).to_owned()]).collect() }
    }

    /// By lists of our own, made now or within the last day.
    pub(super) fn of_our_own(folder: &Path, say: super::Say<'_>) -> Result<Self> {
        let mut archive = Self::of_system();
        let lists = folder.join("lists");
        for needed in [lists.join("partial"), folder.join("cache/archives/partial")] {
            fs::create_dir_all(&needed).with_context(|| format!("cannot make the folder {}", needed.display()))?;
        }
        archive.set("Dir::State::lists", &lists);
        archive.set("Dir::Cache", &folder.join("cache"));
        if !is_bookworm() {
            let sources = folder.join("sources.list");
            fs::write(&sources, SOURCES).with_context(|| format!("cannot write {}", sources.display()))?;
            archive.set("Dir::Etc::sourcelist", &sources);
            archive.set("Dir::Etc::sourceparts", Path::new("-"));
        }
        let stamp = folder.join("updated");
        let age = fs::metadata(&stamp).and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        if age.is_none_or(|age| age > FRESH) {
            say("getting lists of Debian's packages");
            archive.run("apt-get", &["-qq".to_owned(), "update".to_owned()])?;
            fs::write(&stamp, "").with_context(|| format!("cannot write {}", stamp.display()))?;
        }
        Ok(archive)
    }

    /// The names of packages that match a regular expression.
    pub(super) fn names(&self, pattern: &str) -> Result<Vec<String>> {
        let text = self.ask(&["search", "--names-only", pattern])?;
        Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// The packages that one depends on directly.
    pub(super) fn needs(&self, package: &str) -> Result<Vec<String>> {
        let text = self.ask(&["depends", "--no-recommends", "--no-suggests", package])?;
        let needs = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(needs.map(|name| name.trim().to_owned()).collect())
    }

    /// Downloads packages into a folder.
    pub(super) fn download(&self, packages: &[String], into: &Path) -> Result<()> {
        let mut words = vec!["download".to_owned()];
        words.extend_from_slice(packages);
        let mut command = self.command("apt-get", &words);
        command.current_dir(into);
        // apt shows its own progress on a terminal.
        command.stdout(if stderr().is_terminal() { Stdio::from(stderr()) } else { Stdio::null() });
        let status = command.status().context("cannot run apt-get")?;
        ensure!(
            status.success(),
            "apt-get download of {} failed (above); kernels that Debian has no more are at snapshot.debian.org",
            packages.join(" ")
        );
        Ok(())
    }

    fn set(&mut self, option: &str, value: &Path) {
        self.options.extend(["-o".to_owned(), format!("{option}={}", value.display())]);
    }

    fn ask(&self, words: &[&str]) -> Result<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        self.run("apt-cache", &words)
    }

    fn run(&self, program: &str, words: &[String]) -> Result<String> {
        let output = self.command(program, words).output();
        let output = output.with_context(|| {
            format!("cannot run {program}: the lab's kernels are packages of Debian, and are fetched by its apt")
        })?;
        if !output.status.success() {
            bail!("{program} {} failed: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn command(&self, program: &str, words: &[String]) -> Command {
        let mut command = Command::new(program);
        // apt's words are read by us.
        command.env("LC_ALL", "C").args(&self.options).args(words).stdin(Stdio::null());
        command
    }
}

/// Unpacks all packages in a folder, and removes them.
pub(super) fn unpack(packages: &Path, into: &Path) -> Result<()> {
    let entries = fs::read_dir(packages).with_context(|| format!("cannot read {}", packages.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    let packages: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect();
    for package in packages {
        let status = Command::new("dpkg-deb").arg("-x").arg(&package).arg(into).status();
        let status = status.context("cannot run dpkg-deb; it comes with Debian's dpkg")?;
        ensure!(status.success(), "dpkg-deb cannot unpack {} (above)", package.display());
        fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))?;
    }
    Ok(())
}

/// Debian 12, whose kernels the lab takes.
fn is_bookworm() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    release.lines().any(|line| line == "VERSION_CODENAME=bookworm") && release.lines().any(|line| line == "ID=debian")
}

/// For systems that are not Debian 12. Its keys are in the package debian-archive-keyring.
const SOURCES: &str = "\
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm-backports main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian-security bookworm-security main
";
