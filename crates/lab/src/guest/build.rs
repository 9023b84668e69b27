//! Kernels that are built here, from Debian's source package and a configuration of ours.

use super::archive::{Archive, unpack};
use super::cache::{Cache, Kernel, is_version};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A configuration: what is set, and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// What the kernel is called.
    pub name: &'static str,
    /// What is in it, for people.
    pub purpose: &'static str,
    options: &'static str,
}

/// The configurations there are.
pub const CONFIGURATIONS: [Configuration; 1] = [Configuration {
    name: "lockdep",
    purpose: "LOCKDEP, LOCK_STAT, BTF, the ORC unwinder: the kernel that LIMA's method was published with",
    options: include_str!("../../../../lab/kernels/lockdep.config"),
}];

/// What is to be built.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Of which version of Linux: `6.1`.
    pub version: &'a str,
    /// How it is configured.
    pub configuration: Configuration,
    /// How many processes of the compiler at a time.
    pub jobs: usize,
}

/// What our configuration is called in the tree that is built.
const WISH: &str = "lima.config";

/// Builds a kernel into the cache, where it has the name of its configuration. One that is there is not built again, and what an
/// earlier, interrupted run has built is used.
pub fn build(cache: &Cache, order: &Order<'_>, say: super::Say<'_>) -> Result<Kernel> {
    let name = order.configuration.name;
    if let Some(kernel) = built(cache, order) {
        return Ok(kernel);
    }
    needs_tools()?;
    let work = cache.folder().join(format!("build.{name}"));
    let source = source(cache, &work, order.version, say)?;
    let wish = source.join(WISH);
    if fs::read_to_string(&wish).ok().as_deref() != Some(order.configuration.options) {
        fs::write(&wish, order.configuration.options).with_context(|| format!("cannot write {}", wish.display()))?;
        make(&source, &[&format!("KCONFIG_ALLCONFIG={WISH}"), "allnoconfig"], say)?;
    }
    ensure_taken(order.configuration.options, &source.join(".config"))?;
    say(&format!(
        "building (about {} minutes; it goes on where it was interrupted)",
        20_usize.div_ceil(order.jobs).max(2)
    ));
    make(&source, &[&format!("-j{}", order.jobs), "bzImage", "modules"], say)?;
    install(cache, name, &work, &source)
}

/// The kernel that is wanted, when it was built before: this version, with this configuration.
fn built(cache: &Cache, order: &Order<'_>) -> Option<Kernel> {
    let kernel = Kernel::in_folder(&cache.folder().join(order.configuration.name))?;
    let same = fs::read_to_string(kernel.headers()?.join(WISH)).is_ok_and(|wish| wish == order.configuration.options);
    (same && is_version(&kernel.release, order.version)).then_some(kernel)
}

/// The source, unpacked.
fn source(cache: &Cache, work: &Path, version: &str, say: super::Say<'_>) -> Result<PathBuf> {
    let package = format!("linux-source-{version}");
    let folder = work.join(&package);
    if folder.join("Makefile").exists() && !work.join("unpacking").exists() {
        return Ok(folder);
    }
    fs::create_dir_all(work).with_context(|| format!("cannot make the folder {}", work.display()))?;
    // There while the source is incomplete.
    fs::write(work.join("unpacking"), "").with_context(|| format!("cannot write to {}", work.display()))?;
    say(&format!("downloading {package} (140 MB)"));
    let packages = [package.clone()];
    if Archive::of_system().download(&packages, work).is_err() {
        Archive::of_our_own(&cache.folder().join("apt"), say)?.download(&packages, work)?;
    }
    say("unpacking it (1.5 GB)");
    unpack(work, work)?;
    let archive = format!("usr/src/{package}.tar.xz");
    let status = Command::new("tar").arg("-xf").arg(&archive).current_dir(work).status().context("cannot run tar")?;
    ensure!(status.success(), "tar cannot unpack {} (above)", work.join(archive).display());
    fs::remove_dir_all(work.join("usr"))?;
    fs::remove_file(work.join("unpacking"))?;
    Ok(folder)
}

/// What the kernel's build calls, and the packages of Debian that have it.
fn needs_tools() -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    let programs = [
        ("make", "make"),
        ("gcc", "gcc"),
        ("bison", "bison"),
        ("flex", "flex"),
        ("bc", "bc"),
        ("xz", "xz-utils"),
        ("pahole", "pahole"),
    ];
    let headers = [("/usr/include/gelf.h", "libelf-dev"), ("/usr/include/openssl/opensslv.h", "libssl-dev")];
    let missing = programs.iter().filter(|(name, _)| !there(name)).map(|(_, package)| *package);
    let missing = missing.chain(headers.iter().filter(|(path, _)| !Path::new(path).exists()).map(|(_, name)| *name));
    let missing: Vec<&str> = missing.collect();
    ensure!(missing.is_empty(), "building a kernel needs more here: apt-get install {}", missing.join(" "));
    Ok(())
}

/// Runs the kernel's make with the lowest priority. Its complaints are shown; the rest is not.
fn make(source: &Path, words: &[&str], say: super::Say<'_>) -> Result<()> {
    let mut command = Command::new("nice");
    command.args(["-n", "15", "make", "-s"]).args(words).current_dir(source).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot run nice and make")?;
    let errors = child.stderr.take().context("make without standard error")?;
    for line in BufReader::new(errors).lines() {
        say(&line?);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("make {} failed in {} (above)", words.join(" "), source.display());
    }
    Ok(())
}

/// An option that the kernel does not know, or that another one rules out, is dropped by its configuration in silence.
fn ensure_taken(wished: &str, configuration: &Path) -> Result<()> {
    let text = fs::read_to_string(configuration).with_context(|| format!("cannot read {}", configuration.display()))?;
    let lost = lost(wished, &text);
    ensure!(
        lost.is_empty(),
        "this version of Linux does not take these options together: {}; they are in lab/kernels of LIMA's source",
        lost.join(" ")
    );
    Ok(())
}

/// The options that are not as wished.
fn lost<'a>(wished: &'a str, taken: &str) -> Vec<&'a str> {
    let taken: Vec<&str> = taken.lines().collect();
    let wished = wished.lines().map(str::trim).filter(|line| line.starts_with("CONFIG_"));
    wished
        .filter(|line| match line.strip_suffix("=n") {
            // One that is off may be absent.
            Some(name) => taken.iter().any(|taken| taken.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))),
            None => !taken.contains(line),
        })
        .collect()
}

/// Puts what was built where the cache's kernels have it. The tree stays what modules are built against.
fn install(cache: &Cache, name: &str, work: &Path, source: &Path) -> Result<Kernel> {
    let output = Command::new("make").args(["-s", "kernelrelease"]).current_dir(source).output()?;
    let release = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(output.status.success() && !release.is_empty(), "the kernel's make does not tell its release");

    let temporary = tempfile::Builder::new().prefix("fetch.").tempdir_in(cache.folder())?;
    let files = temporary.path().join("files");
    let boot = files.join("boot");
    let debug = files.join("usr/lib/debug/boot");
    for folder in [&boot, &debug, &files.join("usr/src"), &files.join("lib/modules").join(&release)] {
        fs::create_dir_all(folder)?;
    }
    let take = |from: &str, to: PathBuf| {
        fs::copy(source.join(from), &to).with_context(|| format!("cannot copy {from} of the kernel's build"))
    };
    take("arch/x86/boot/bzImage", boot.join(format!("vmlinuz-{release}")))?;
    take("System.map", boot.join(format!("System.map-{release}")))?;
    take(".config", boot.join(format!("config-{release}")))?;
    fs::hard_link(source.join("vmlinux"), debug.join(format!("vmlinux-{release}")))
        .context("cannot link vmlinux of the kernel's build")?;
    remove_objects(source)?;
    let folder = cache.folder().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    fs::rename(source, files.join("usr/src").join(format!("linux-headers-{release}")))?;
    fs::rename(&files, &folder).with_context(|| format!("cannot move the kernel to {}", folder.display()))?;
    fs::remove_dir_all(work).with_context(|| format!("cannot remove {}", work.display()))?;
    Kernel::in_folder(&folder).context("the built kernel has no image")
}

/// Removes what only building the kernel itself again would need: two thirds of the tree.
fn remove_objects(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            remove_objects(&path)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "o" || end == "a") {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_is_known_by_its_version_and_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().to_owned());
        let order = |version| Order { version, configuration: CONFIGURATIONS[0], jobs: 1 };
        assert_eq!(built(&cache, &order("6.1")), None);
        let place = folder.path().join("lockdep");
        let tree = place.join("usr/src/linux-headers-6.1.9-lockdep");
        fs::create_dir_all(place.join("boot")).unwrap();
        fs::create_dir_all(&tree).unwrap();
        fs::write(place.join("boot/vmlinuz-6.1.9-lockdep"), "").unwrap();
        fs::write(tree.join("Makefile"), "").unwrap();
        fs::write(tree.join(WISH), CONFIGURATIONS[0].options).unwrap();
        assert_eq!(built(&cache, &order("6.1")).unwrap().release, "6.1.9-lockdep");
        assert_eq!(built(&cache, &order("6.12")), None);
        fs::write(tree.join(WISH), "CONFIG_64BIT=y").unwrap();
        assert_eq!(built(&cache, &order("6.1")), None);
    }

    #[test]
    fn options_that_were_not_taken_are_found() {
        let wished = "# a comment\nCONFIG_A=y\nCONFIG_B=y\nCONFIG_C=n\nCONFIG_D=n\nCONFIG_E=16\n";
        let taken = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D=y\nCONFIG_DD=y\nCONFIG_E=16\n";
        assert_eq!(lost(wished, taken), ["CONFIG_B=y", "CONFIG_D=n"]);
    }
}
