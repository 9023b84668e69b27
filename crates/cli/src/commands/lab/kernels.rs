//! `lima lab kernels`, `lima lab fetch` and `lima lab build-kernel`: which kernels there are, and how they come here.

use super::say;
use anyhow::{Context, Result};
use clap::Args;
use clap::builder::PossibleValuesParser;
use lima_lab::guest::{self, Cache, Extras, Kernel};
use lima_model::escape::terminal;
use std::io::Write;
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;

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

/// The arguments of `lima lab build-kernel`.
#[derive(Args, Debug)]
#[command(after_help = "Needs 4 GB of disk and about 20 minutes of one processor, at the lowest priority. When it is
interrupted, the same command goes on. Then: lima lab run --kernel lockdep -- cat /proc/lock_stat")]
pub struct BuildArguments {
    /// Of which version of Linux, as Debian has its source
    #[arg(long, value_name = "VERSION", default_value = "6.1")]
    version: String,
    /// How it is configured: lockdep (LOCKDEP, LOCK_STAT, BTF, ORC; lab/kernels/lockdep.config)
    #[arg(long, value_name = "NAME", default_value = "lockdep", value_parser = configurations())]
    config: String,
    /// How many processes of the compiler at a time [default: one for each processor]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

fn configurations() -> PossibleValuesParser {
    PossibleValuesParser::new(guest::CONFIGURATIONS.map(|configuration| configuration.name))
}

/// Builds a kernel; prints where it is.
pub fn build(arguments: &BuildArguments) -> Result<ExitCode> {
    let configuration = guest::CONFIGURATIONS.into_iter().find(|known| known.name == arguments.config);
    let configuration = configuration.with_context(|| format!("there is no configuration {:?}", arguments.config))?;
    let jobs = arguments.jobs.map_or_else(|| available_parallelism().map_or(1, NonZero::get), usize::from);
    let order = guest::Order { version: &arguments.version, configuration, jobs };
    let kernel = guest::build(&Cache::of_user()?, &order, &say)?;
    say(&format!("{} is built: lima lab run --kernel {} -- COMMAND", kernel.release, kernel.name));
    writeln!(std::io::stdout(), "{}", terminal(&kernel.folder.display().to_string()))
        .context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
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
    let mut available = match guest::available(&cache, &say) {
        Ok(available) => available,
        Err(error) => {
            say(&format!("what can be fetched is not known: {error:#}"));
            return Ok(ExitCode::SUCCESS);
        }
    };
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
