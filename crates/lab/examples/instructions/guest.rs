//! A guest whose instructions are counted, and what its counts say.

use crate::variants::{KINDS, Variant};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Turns of a short and of a long run: what a run costs once is in both.
const SHORT: u64 = 1_000;
const LONG: u64 = 6_000;
/// Each is done this often, and the least of them counts: a tick or a recorder's own work may fall into one.
const REPEATS: usize = 5;
/// One run before them, and a while for the recorder to learn from it.
const RUNS: usize = 1 + 2 * REPEATS;
/// An acquisition and a release.
const EVENTS_A_TURN: u64 = 2;
const FILES: &str = "/sys/kernel/debug/lima_locks";

/// Whether guests with this kernel can be started without fetching or building it first.
pub fn has_kernel(name: &str) -> Result<bool> {
    Ok(lima_lab::guest::Cache::of_user()?.find(name).is_some())
}

/// Kernel instructions per event, for each kind. A table by function goes to a folder, if there is one.
pub fn measure(variant: &Variant, lima: &Path, functions: Option<&Path>) -> Result<Vec<f64>> {
    let built = Command::new(lima).args(["lab", "module", "build", "--kernel", variant.kernel]).output()?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("tell"), tell(functions.is_some()))?;
    let script = format!(
        "set -e; LIMA='{}'; SELF='{}'; $LIMA lab module load; {}",
        lima.display(),
        std::env::current_exe()?.display(),
        variant.script
    );
    let results = folder.path().join("counts");
    let mut command = Command::new(lima);
    command.args(["lab", "run", "--memory", "1G", "--timeout", "20m", "--kernel", variant.kernel, "--count"]);
    command.arg(&results).arg("--out").arg(folder.path());
    if functions.is_some() {
        command.arg("--addresses");
    }
    let output = command.args(["--", "sh", "-c", &script]).output().context("cannot run lima")?;
    ensure!(output.status.success(), "the guest fails:\n{}", String::from_utf8_lossy(&output.stderr));

    let counts = fs::read_to_string(&results)?;
    let stretches = stretches(&counts)?;
    ensure!(stretches.len() == KINDS.len() * RUNS, "{} stretches were counted", stretches.len());
    if let Some(to) = functions {
        let symbols = fs::read_to_string(folder.path().join("kallsyms"))?;
        write_functions(to, variant, &stretches, &symbols)?;
    }
    let kinds = stretches.chunks(RUNS).map(|runs| each(&runs[1..], SHORT, LONG) / EVENTS_A_TURN as f64);
    Ok(kinds.collect())
}

/// The script that has the module do it all.
fn tell(with_symbols: bool) -> String {
    let mut script = format!("set -e\ncd {FILES}\n");
    for (_, take) in KINDS {
        let _ = writeln!(script, "echo 'take {take} as=caller count={SHORT}' >run\nsleep 0.5");
        for count in [SHORT, LONG] {
            for _ in 0..REPEATS {
                let _ = writeln!(script, "echo 'take {take} as=caller count={count}' >run");
            }
        }
    }
    if with_symbols {
        script.push_str("cat /proc/kallsyms >$LIMA_OUT/kallsyms\n");
    }
    script
}

/// What was counted between two marks.
pub struct Stretch<'a> {
    kernel: u64,
    /// How often the instruction at an address was run.
    addresses: Vec<(u64, u64)>,
    line: &'a str,
}

/// What a turn takes, by runs of which the first half has `short` turns and the second `long`: what a run costs once is in
/// both. Of each half the least counts.
pub fn each(runs: &[Stretch<'_>], short: u64, long: u64) -> f64 {
    let (few, many) = runs.split_at(runs.len() / 2);
    let least = |runs: &[Stretch<'_>]| runs.iter().map(|run| run.kernel).min().unwrap_or_default();
    least(many).saturating_sub(least(few)) as f64 / (long - short) as f64
}

/// Reads what the plugin writes (lab/counter.c).
pub fn stretches(text: &str) -> Result<Vec<Stretch<'_>>> {
    let mut stretches: Vec<Stretch<'_>> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let mut next = || words.next().with_context(|| format!("a count that is none: {line}"));
        if line.starts_with('\t') {
            let (address, runs) = (u64::from_str_radix(next()?, 16)?, next()?.parse()?);
            stretches.last_mut().context("addresses before the first count")?.addresses.push((address, runs));
        } else {
            let (_, _, kernel) = (next()?, next()?, next()?.parse()?);
            stretches.push(Stretch { kernel, addresses: Vec::new(), line });
        }
    }
    Ok(stretches)
}

/// Of the long run with the least instructions of each kind, how many an event has in each function of the kernel.
fn write_functions(to: &Path, variant: &Variant, stretches: &[Stretch<'_>], symbols: &str) -> Result<()> {
    let mut names: Vec<(u64, &str)> = Vec::new();
    for line in symbols.lines() {
        let mut words = line.split_whitespace();
        if let (Some(address), _, Some(name)) = (words.next(), words.next(), words.next()) {
            names.push((u64::from_str_radix(address, 16)?, name));
        }
    }
    names.sort_unstable();
    let mut text = String::new();
    for ((kind, _), runs) in KINDS.iter().zip(stretches.chunks(RUNS)) {
        let run = runs[1 + REPEATS..].iter().min_by_key(|run| run.kernel).context("no run")?;
        let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
        for &(address, count) in &run.addresses {
            let after = names.partition_point(|&(begin, _)| begin <= address);
            let name = after.checked_sub(1).map_or("?", |at| names[at].1);
            *by_name.entry(name).or_default() += count;
        }
        let mut by_name: Vec<(u64, &str)> = by_name.into_iter().map(|(name, count)| (count, name)).collect();
        by_name.sort_unstable_by(|left, right| right.cmp(left));
        let _ = writeln!(text, "{kind} ({})", run.line);
        for (count, name) in by_name.iter().filter(|(count, _)| *count >= LONG / 2) {
            let _ = writeln!(text, "{:10.1}  {name}", *count as f64 / (LONG * EVENTS_A_TURN) as f64);
        }
    }
    fs::create_dir_all(to)?;
    let path = to.join(format!("{} on {}", variant.name, variant.kernel));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
