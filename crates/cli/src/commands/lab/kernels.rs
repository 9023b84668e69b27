//! `lima lab kernels` and `lima lab fetch`: which kernels there are, and how they come here.

use super::say;
use anyhow::{Context, Result};
use clap::Args;
use lima_lab::guest::{self, Cache, Extras, Kernel};
use lima_model::escape::terminal;
use std::io::Write;
use std::process::ExitCode;

/// The arguments of `lima lab kernels`.
#[derive(Args, Debug)]
pub struct ListArguments {
    /// Every release that can be fetched, not only the newest of each version
    #[arg(long)]
    all: bool,
}

/// The arguments of `lima lab fetch`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  lima lab fetch 6.12                 the newest 6.12 (34 MB), unless one is cached
  lima lab fetch 6.1 --headers        with what modules are built against (13 MB more)
  lima lab fetch 6.1.0-50 --debug     with debug information (280 MB more, 3 GB on disk)")]
pub struct FetchArguments {
    /// A version (6.1, 6.12) or a release (6.1.0-50-cloud-amd64)
    #[arg(value_name = "VERSION")]
    kernel: String,
    /// Debug information, too, for `lima index`
    #[arg(long)]
    debug: bool,
    /// What modules are built against, too
    #[arg(long)]
    headers: bool,
}

/// Lists kernels.
pub fn list(arguments: &ListArguments) -> Result<ExitCode> {
    let cache = Cache::of_user()?;
    let mut out = std::io::stdout();
    let kernels = cache.kernels();
    writeln!(out, "cached in {}:", terminal(&cache.folder().display().to_string()))?;
    for kernel in &kernels {
        writeln!(out, "  {:<28}  {:<28}  {}", terminal(&kernel.name), terminal(&kernel.release), parts(kernel))?;
    }
    if kernels.is_empty() {
        writeln!(out, "  none yet: `lima lab fetch 6.1`, or just `lima lab run -- uname -r`")?;
    }
    let mut available = guest::available(&cache, &say)?;
    if !arguments.all {
        available = newest(&available);
    }
    writeln!(out, "can be fetched (lima lab fetch RELEASE):")?;
    for release in available {
        let cached = kernels.iter().any(|kernel| kernel.release == release);
        writeln!(out, "  {}{}", terminal(&release), if cached { "  (cached)" } else { "" })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What of a kernel is there.
fn parts(kernel: &Kernel) -> String {
    let mut parts = vec!["image"];
    parts.extend(kernel.modules().exists().then_some("modules"));
    parts.extend(kernel.debug_image().map(|_| "debug information"));
    parts.extend(kernel.headers().map(|_| "headers"));
    parts.join(", ")
}

/// The last of each version (`6.1`, `6.12`).
fn newest(releases: &[String]) -> Vec<String> {
    let version = |release: &String| release.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    let last = |index: &usize| releases.get(index + 1).is_none_or(|next| version(next) != version(&releases[*index]));
    (0..releases.len()).filter(last).map(|index| releases[index].clone()).collect()
}

/// Fetches a kernel; prints where it is.
pub fn fetch(arguments: &FetchArguments) -> Result<ExitCode> {
    let extras = Extras { debug: arguments.debug, headers: arguments.headers };
    let kernel = guest::fetch(&Cache::of_user()?, &arguments.kernel, extras, &say)?;
    say(&format!("{} is cached: {}", kernel.release, parts(&kernel)));
    writeln!(std::io::stdout(), "{}", terminal(&kernel.folder.display().to_string()))
        .context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// The kernel that a person named, fetched when it is not here.
pub(super) fn wanted(cache: &Cache, name: &str) -> Result<Kernel> {
    guest::fetch(cache, name, Extras::default(), &say)
}
