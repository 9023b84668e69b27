//! `cargo xtask compare`: what indexing a kernel costs, next to the tools that read the same debug information.

use crate::measure::{Cost, run};
use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the command is used.
pub const USAGE: &str = "\
cargo xtask compare [--lima FILE] [--kernel DIR] [--rounds N] [--only WORD]

Runs `lima index build`, pahole and llvm-symbolizer on one kernel, in turns, and prints what each took (the least of
the rounds): CPU seconds, user and system; seconds; memory at most.
  --lima FILE   the lima command (default: the workspace's)
  --kernel DIR  an unpacked kernel package with its debug package (default: Debian's 6.1.0-50-cloud-amd64 in ~/.cache/lima)
  --rounds N    how often each is run (default 3)
  --only WORD   only what has this word in its name
";

/// One thing that is measured.
struct Candidate {
    name: &'static str,
    program: OsString,
    arguments: Vec<OsString>,
    input: Option<PathBuf>,
    /// CPU seconds and bytes that it may take.
    goal: (Option<f64>, Option<u64>),
    costs: Vec<Cost>,
}

struct Options {
    lima: PathBuf,
    kernel: PathBuf,
    rounds: usize,
    only: String,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self> {
        let home = PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?);
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
        let mut options = Self {
            lima: target.join("release/lima"),
            kernel: home.join(".cache/lima/kernels/d61"),
            rounds: 3,
            only: String::new(),
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let value = rest.next().with_context(|| format!("{name} needs a value\n\n{USAGE}"))?;
            match name.as_str() {
                "--lima" => options.lima = value.into(),
                "--kernel" => options.kernel = value.into(),
                "--rounds" => options.rounds = value.parse().context("--rounds needs a number")?,
                "--only" => options.only.clone_from(value),
                _ => bail!("no option {name}\n\n{USAGE}"),
            }
        }
        Ok(options)
    }
}

/// Runs the command; whether all goals are met.
pub fn run_all(arguments: &[String]) -> Result<bool> {
    let options = Options::read(arguments)?;
    let work = std::env::temp_dir().join(format!("lima-compare-{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot create {}", work.display()))?;
    let result = measure(&options, &work);
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))?;
    result
}

fn measure(options: &Options, work: &Path) -> Result<bool> {
    let mut candidates = candidates(options, work)?;
    candidates.retain(|candidate| candidate.name.contains(&options.only));
    for round in 0..options.rounds {
        for candidate in &mut candidates {
            eprintln!("round {}: {}", round + 1, candidate.name);
            let cost = run(&candidate.program, &candidate.arguments, candidate.input.as_deref())?;
            candidate.costs.push(cost);
        }
    }
    Ok(print(&candidates))
}

/// The file of the folder whose name begins so.
fn only_file(folder: &Path, begin: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin)));
    found.sort();
    found.pop().with_context(|| format!("{} has no {begin}*", folder.display()))
}

fn candidates(options: &Options, work: &Path) -> Result<Vec<Candidate>> {
    let vmlinux = only_file(&options.kernel.join("usr/lib/debug/boot"), "vmlinux-")?;
    let modules = only_file(&options.kernel.join("lib/modules"), "")?;
    let addresses = work.join("addresses");
    fs::write(&addresses, ten_thousand(&vmlinux)?)?;
    let lima = |name, arguments: &[&OsStr], goal| Candidate {
        name,
        program: options.lima.clone().into(),
        // Never what the cache has from before.
        arguments: [OsStr::new("index"), OsStr::new("build"), OsStr::new("--rebuild")]
            .iter()
            .chain(arguments)
            .map(|argument| (*argument).to_owned())
            .collect(),
        input: None,
        goal,
        costs: Vec::new(),
    };
    let other = |name, program: &str, arguments: &[&OsStr], input| Candidate {
        name,
        program: program.into(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        input,
        goal: (None, None),
        costs: Vec::new(),
    };
    let image = [OsStr::new("--vmlinux"), vmlinux.as_os_str()];
    let bare = [image[0], image[1], OsStr::new("--bare")];
    let with_modules = [image[0], image[1], OsStr::new("--modules"), modules.as_os_str()];
    let mut all = vec![
        lima("lima index build", &image, (Some(6.0), Some(500_000_000))),
        lima("lima index build --bare", &bare, (None, None)),
        lima("lima index build, with all modules", &with_modules, (None, None)),
    ];
    let detached = OsString::from(format!("--btf_encode_detached={}", work.join("btf").display()));
    if available("pahole") {
        all.push(other(
            "pahole -F dwarf",
            "pahole",
            &[OsStr::new("-F"), OsStr::new("dwarf"), vmlinux.as_os_str()],
            None,
        ));
        all.push(other("pahole --btf_encode_detached", "pahole", &[&detached, vmlinux.as_os_str()], None));
    }
    if available("llvm-symbolizer") {
        let object = OsString::from(format!("--obj={}", vmlinux.display()));
        all.push(other(
            "llvm-symbolizer, 10,000 addresses",
            "llvm-symbolizer",
            &[OsStr::new("-i"), &object],
            Some(addresses),
        ));
    }
    Ok(all)
}

fn available(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("{program} is not installed: left out");
    }
    found
}

/// Ten thousand addresses of code, spread over all functions of the image.
fn ten_thousand(vmlinux: &Path) -> Result<String> {
    let output = Command::new("nm").arg(vmlinux).output().context("cannot start nm")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let code = text.lines().filter_map(|line| {
        let mut parts = line.split_whitespace();
        let (address, kind) = (parts.next()?, parts.next()?);
        matches!(kind, "t" | "T").then_some(address)
    });
    let mut code: Vec<&str> = code.collect();
    code.sort_unstable();
    if code.len() < 10_000 {
        bail!("{} has only {} functions", vmlinux.display(), code.len());
    }
    Ok((0..10_000).map(|at| format!("0x{}\n", code[at * code.len() / 10_000])).collect())
}

/// Prints the table; whether all goals are met.
fn print(candidates: &[Candidate]) -> bool {
    let least = |candidate: &Candidate| candidate.costs.iter().copied().min_by_key(|cost| cost.cpu);
    let base = candidates.first().and_then(least);
    let mut met = true;
    println!("| | CPU s | s | peak MB | CPU, times | memory, times | goal |");
    println!("|---|---|---|---|---|---|---|");
    for candidate in candidates {
        let Some(cost) = least(candidate) else { continue };
        let times = |own: f64, base: f64| if base > 0.0 { format!("{:.1}", own / base) } else { String::new() };
        let cpu = cost.cpu.as_secs_f64();
        let ratio_cpu = base.map_or(String::new(), |base| times(cpu, base.cpu.as_secs_f64()));
        let ratio_memory =
            base.map_or(String::new(), |base| times(megabytes(cost.peak_bytes), megabytes(base.peak_bytes)));
        let mut goal = Vec::new();
        if let Some(limit) = candidate.goal.0 {
            let kept = cpu <= limit;
            met &= kept;
            goal.push(format!("{limit} CPU s{}", if kept { "" } else { ": **missed**" }));
        }
        if let Some(limit) = candidate.goal.1 {
            let kept = cost.peak_bytes <= limit;
            met &= kept;
            goal.push(format!("{} MB{}", limit / 1_000_000, if kept { "" } else { ": **missed**" }));
        }
        println!(
            "| {} | {cpu:.2} | {:.2} | {:.0} | {ratio_cpu} | {ratio_memory} | {} |",
            candidate.name,
            cost.wall.as_secs_f64(),
            megabytes(cost.peak_bytes),
            goal.join(", ")
        );
    }
    met
}

#[expect(clippy::cast_precision_loss, reason = "shown with no decimals")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
