//! `lima lab load`: loads with known lock contention.

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use lima_lab::load::culprit::{self, Object, Scene, Victim};
use lima_lab::load::hammer;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The loads.
#[derive(Debug, Subcommand)]
pub enum Load {
    /// Let threads hammer one directory, one file and one pipe
    Hammer(HammerArguments),
    /// Let a known task hold a kernel lock for a known time while others wait for it
    Culprit(CulpritArguments),
}

/// Arguments of a load.
#[derive(Args, Debug)]
pub struct HammerArguments {
    /// The folder in which the directory entries, the file and the pipe are made; all who use the same one contend
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// How many threads; they take turns at directory, file and pipe
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// How long
    #[arg(long, value_name = "S", default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// Run one process in a tenant (a cgroup) of this name, made when it is not there; give it several times for
    /// several tenants at once
    #[arg(long = "tenant", value_name = "NAME")]
    tenants: Vec<PathBuf>,
}

/// Arguments of a load.
#[derive(Args, Debug)]
pub struct CulpritArguments {
    /// What they fight over: the mutex of a named pipe, the rwsem of a file (held in write mode) or the rwsem of a
    /// directory (held in read mode)
    #[arg(long, value_parser = objects())]
    object: String,
    /// The folder in which it is made
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// How long the holder holds the lock
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = time)]
    hold: Duration,
    /// How often
    #[arg(long, value_name = "N", default_value_t = 5)]
    times: u32,
    /// How long after the begin of the hold a victim comes; several, separated by commas, for several victims
    #[arg(long, value_name = "TIME", default_value = "20ms", value_delimiter = ',', value_parser = time)]
    enter: Vec<Duration>,
    /// How long each victim holds the lock in its turn (not with `directory`); 0s: not at all
    #[arg(long, value_name = "TIME", value_delimiter = ',', value_parser = time)]
    then_hold: Vec<Duration>,
    /// Run the holder in a tenant (a cgroup) of this name, made when it is not there
    #[arg(long, value_name = "NAME")]
    holder_tenant: Option<PathBuf>,
    /// Run the victims in tenants of these names; one for all, or give it once for each
    #[arg(long = "victim-tenant", value_name = "NAME")]
    victim_tenants: Vec<PathBuf>,
}

/// Arguments of a load.
#[derive(Args, Debug)]
pub struct RoleArguments {
    #[arg(long, value_parser = objects())]
    object: String,
    #[arg(long)]
    dir: PathBuf,
    #[arg(long)]
    name: String,
}

fn objects() -> PossibleValuesParser {
    PossibleValuesParser::new(Object::ALL.map(Object::name))
}

fn object(name: &str) -> Result<Object> {
    Object::from_name(name).with_context(|| format!("there is no object {name:?}"))
}

/// A number of seconds with an optional fraction.
fn seconds(text: &str) -> Result<Duration> {
    let seconds: f64 = text.parse().context("not a number of seconds")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(length) if length <= Duration::from_secs(86_400) => Ok(length),
        _ => bail!("must be between 0 and 86400 seconds"),
    }
}

/// A number with a unit: `100ms`.
pub(super) fn time(text: &str) -> Result<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        _ => bail!("wants a unit: s, ms, us or ns"),
    };
    let number: f64 = digits.parse().context("not a number with a unit")?;
    Duration::try_from_secs_f64(number * unit).context("out of range")
}

/// Runs a load.
pub fn run(load: &Load) -> Result<ExitCode> {
    match load {
        Load::Hammer(arguments) => run_hammer(arguments)?,
        Load::Culprit(arguments) => run_culprit(arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays one part.
pub fn play(role: &RoleArguments) -> Result<ExitCode> {
    culprit::play(object(&role.object)?, &role.dir, &role.name)?;
    Ok(ExitCode::SUCCESS)
}

fn run_hammer(arguments: &HammerArguments) -> Result<()> {
    let plan = hammer::Plan { folder: arguments.dir.clone(), threads: arguments.threads, length: arguments.seconds };
    let reports = if arguments.tenants.is_empty() {
        vec![hammer::run(&plan)?]
    } else {
        hammer::run_tenants(&plan, &arguments.tenants, &std::env::current_exe()?)?
    };
    reports.iter().try_for_each(|report| print(serde_json::to_value(report)?))
}

fn run_culprit(arguments: &CulpritArguments) -> Result<()> {
    let victims = arguments.enter.iter().enumerate().map(|(number, &enter)| Victim {
        enter,
        hold: arguments.then_hold.get(number).copied().unwrap_or_default(),
        tenant: arguments.victim_tenants.get(number).or(arguments.victim_tenants.last()).cloned(),
    });
    let scene = Scene {
        object: object(&arguments.object)?,
        folder: arguments.dir.clone(),
        hold: arguments.hold,
        holder_tenant: arguments.holder_tenant.clone(),
        victims: victims.collect(),
        times: arguments.times,
    };
    let report = culprit::run(&scene, &std::env::current_exe()?)?;
    print(serde_json::to_value(report)?)
}

/// One line of JSON.
fn print(value: Value) -> Result<()> {
    writeln!(std::io::stdout(), "{value}").context("cannot write to standard output")
}
