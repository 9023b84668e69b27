//! `lima lab run`: a command in a guest.

use super::{load, say};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use lima_lab::guest::{self, Acceleration, Cache, Choice, Counting, End, Machine, Outcome, Plan};
use lima_model::escape::terminal;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The arguments.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// The kernel: a version (6.1: the newest of it that is cached, else the newest there is), a release, or a name
    /// that `lima lab kernels` shows
    #[arg(long, value_name = "KERNEL", default_value = "6.1")]
    kernel: String,
    /// How many CPUs the guest has [default: as many as here, between 2 and 4]
    #[arg(long, value_name = "N")]
    cpus: Option<u32>,
    /// How much memory it has, as 512M or 4G [default: half of what is here, between 1G and 4G]
    #[arg(long, value_name = "SIZE", value_parser = mebibytes)]
    memory: Option<u64>,
    /// Share CPUs and memory out among so many NUMA nodes
    #[arg(long, value_name = "N", default_value_t = 1)]
    numa: u32,
    /// Where its files come from
    #[arg(long, value_enum, default_value_t = Root::Virtiofs)]
    root: Root,
    /// End it when the command takes longer (90s, 10m, 2h; 0s: never)
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = timeout)]
    timeout: Duration,
    /// A folder that the command may write to and that is kept, under the same path there and here; made when it is not
    /// there
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Run it with KVM or in software
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    accel: Accel,
    /// Another parameter for the kernel's command line; several times for several
    #[arg(long = "append", value_name = "PARAMETER")]
    parameters: Vec<String>,
    /// Count the guest's instructions between marks (docs/lab.md), on one CPU in software; the counts go to this file
    #[arg(long, value_name = "FILE")]
    count: Option<PathBuf>,
    /// Count them by address, too
    #[arg(long, requires = "count")]
    addresses: bool,
    /// Show the guest's console on standard error
    #[arg(long)]
    console: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const AFTER_HELP: &str = "\
The command runs as root, in the same folder, with the same environment and the same files as here. What it writes is
written to the guest's memory and gone afterwards, except in --out (also in $LIMA_OUT). There is no network.

Exit status: the command's own; 124 when it took longer than --timeout; 125 when the guest ended before the command
did (a panic, say), or did not come up; 2 when the command line is wrong or something is missing.

Examples:
  lima lab run -- uname -a
  lima lab run --numa 2 --cpus 4 -- lscpu
  lima lab run --out /tmp/results -- sh -c 'cat /proc/slabinfo >/tmp/results/slabinfo'";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Root {
    /// This machine's files, read-only, with the guest's own changes in memory
    Virtiofs,
    /// A disk with a small Debian (made once, by debootstrap), as it was made, for loads with many files
    Ext4,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Accel {
    /// KVM when it boots this kernel (tried once), software otherwise
    Auto,
    /// KVM, untried
    Kvm,
    /// Software
    Tcg,
    /// Software, one CPU at a time: where programs are attached to busy functions again and again
    TcgSingle,
}

/// `512M` or `4G`.
fn mebibytes(text: &str) -> Result<u64> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'M' | b'm') => (&text[..text.len() - 1], 1),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 1024),
        _ => bail!("wants a unit: M or G"),
    };
    let number: u64 = digits.parse().context("not a number with a unit")?;
    number.checked_mul(factor).filter(|&size| size <= 1 << 24).context("out of range")
}

/// A time with a unit; minutes and hours, too.
fn timeout(text: &str) -> Result<Duration> {
    for (unit, seconds) in [("m", 60), ("h", 3600)] {
        if let Some(Ok(number)) = text.strip_suffix(unit).map(str::parse::<u32>) {
            return Ok(Duration::from_secs(u64::from(number) * seconds));
        }
    }
    load::time(text).context("a time is written 90s, 10m or 2h")
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let cache = Cache::of_user()?;
    let mut machine = machine(arguments)?;
    if let Some(results) = &arguments.count {
        machine.counting = Some(Counting::prepare(cache.folder(), results, arguments.addresses)?);
    }
    machine.check()?;
    let kernel = super::kernels::wanted(&cache, &arguments.kernel)?;
    let disk = match arguments.root {
        Root::Virtiofs => None,
        Root::Ext4 => Some(guest::root_disk(&cache, &say)?),
    };
    let choice = match arguments.accel {
        _ if arguments.count.is_some() => {
            Choice { acceleration: Acceleration::Tcg, reason: "software emulation that counts".to_owned() }
        }
        Accel::Auto => guest::choose(&cache, &kernel, &say)?,
        Accel::Kvm => Choice { acceleration: Acceleration::Kvm, reason: "KVM (as told)".to_owned() },
        Accel::TcgSingle => Choice {
            acceleration: Acceleration::TcgSingle,
            reason: "software emulation, one CPU at a time (as told)".to_owned(),
        },
        Accel::Tcg => Choice { acceleration: Acceleration::Tcg, reason: "software emulation (as told)".to_owned() },
    };
    say(&format!("Linux {}, {} CPUs, {} MiB, {}", kernel.release, machine.cpus, machine.memory_mib, choice.reason));
    let qemu = guest::Emulator::of(&kernel)?.version()?;
    if choice.acceleration == Acceleration::Tcg && machine.cpus > 1 && guest::may_hang(&qemu) {
        say(&format!(
            "{qemu} can hang when programs are attached (docs/lab.md: scripts/fetch-qemu.sh gets a newer one)"
        ));
    }
    let plan = Plan {
        kernel,
        machine,
        acceleration: choice.acceleration,
        disk,
        timeout: Some(arguments.timeout).filter(|length| !length.is_zero()),
        out: arguments.out.clone(),
        show_console: arguments.console,
        command: arguments.command.clone(),
    };
    Ok(told(&guest::run(&plan)?))
}

fn machine(arguments: &Arguments) -> Result<Machine> {
    let system = rustix::system::sysinfo();
    let memory_mib = (system.totalram * u64::from(system.mem_unit)) >> 20;
    let cpus = std::thread::available_parallelism().map_or(2, |number| u32::try_from(number.get()).unwrap_or(255));
    let mut machine = Machine::of_size(cpus, memory_mib);
    ensure!(arguments.numa >= 1, "--numa 0: a machine has at least one node");
    machine.nodes = arguments.numa;
    machine.cpus = arguments.cpus.unwrap_or_else(|| match arguments.count {
        Some(_) => 1,
        None => machine.cpus.next_multiple_of(arguments.numa),
    });
    machine.memory_mib = arguments.memory.unwrap_or(machine.memory_mib);
    machine.parameters.clone_from(&arguments.parameters);
    machine.root = match arguments.root {
        Root::Virtiofs => guest::Root::Virtiofs,
        Root::Ext4 => guest::Root::Ext4,
    };
    Ok(machine)
}

/// The exit status; what went wrong is said.
fn told(outcome: &Outcome) -> ExitCode {
    let (status, what) = match outcome.end {
        End::Status(status) => return ExitCode::from(status),
        End::TimedOut(length) => {
            (124, format!("the command was not done within {} s and was ended with its guest", length.as_secs_f64()))
        }
        End::NotUp(length) => (125, format!("the guest did not come up within {} s", length.as_secs())),
        End::Died => {
            let what = outcome.panic.as_deref().unwrap_or(match outcome.boot {
                Some(_) => "a power-off, perhaps",
                None => "it did not come up",
            });
            (125, format!("the guest ended before the command did: {}", terminal(what)))
        }
    };
    let lines: Vec<&str> = outcome.console.iter().map(String::as_str).chain(outcome.complaint.lines()).collect();
    if lines.is_empty() {
        eprintln!("lima lab: its console stayed empty");
    } else {
        eprintln!("lima lab: the end of its console:");
        lines.iter().for_each(|line| eprintln!("  {}", terminal(line)));
    }
    eprintln!("lima: {what}");
    ExitCode::from(status)
}
