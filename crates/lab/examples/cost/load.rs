//! The load: stress-ng, because others measure with it too.

use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// What makes more than 20,000 contentions a second on two CPUs, of mutexes, rwsems and spinlocks, and about as many
/// every time: on the disk, or with fewer tasks that rename, the rate is five times higher at one time than at another.
const STRESSORS: [&str; 6] = ["--rename", "6", "--pipe", "1", "--futex", "1"];

/// What the load got done: operations a second by stressor.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    pub rate_per_s: BTreeMap<String, f64>,
}

impl Done {
    /// The mean of several runs.
    pub fn mean<'a>(runs: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let runs: Vec<_> = runs.collect();
        let mean = |name: &String| runs.iter().map(|run| run.rate_per_s[name]).sum::<f64>() / runs.len() as f64;
        let names = runs.first()?.rate_per_s.keys();
        Some(Self { rate_per_s: names.map(|name| (name.clone(), mean(name))).collect() })
    }

    /// How much slower this is than `other`, as a part of it: the mean over the stressors (the geometric one, as for
    /// all ratios).
    pub fn slowdown(&self, other: &Self) -> f64 {
        let ratios = other.rate_per_s.iter().map(|(name, rate)| (self.rate_per_s[name] / rate).ln());
        1.0 - (ratios.sum::<f64>() / other.rate_per_s.len() as f64).exp()
    }
}

/// The load as one line.
pub fn command_line() -> String {
    format!("stress-ng {}", STRESSORS.join(" "))
}

/// Whether the load can run here.
pub fn check() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("recording needs root");
    }
    let found = Command::new("stress-ng").arg("--version").stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        bail!("stress-ng is not installed (apt-get install stress-ng)");
    }
    Ok(())
}

/// Runs the load.
pub fn run(seconds: u32, folder: &Path) -> Result<Done> {
    let metrics = folder.join("metrics.yaml");
    let output = Command::new("stress-ng")
        .args(STRESSORS)
        .args(["--timeout", &format!("{seconds}s"), "--metrics", "--temp-path"])
        .arg(folder)
        .arg("--yaml")
        .arg(&metrics)
        .output()
        .context("cannot run stress-ng")?;
    if !output.status.success() {
        bail!("stress-ng failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let text = std::fs::read_to_string(&metrics).context("stress-ng wrote no metrics")?;
    let mut rate_per_s = BTreeMap::new();
    let mut stressor = String::new();
    for line in text.lines() {
        let Some((key, value)) = line.trim().trim_start_matches("- ").split_once(": ") else { continue };
        match key {
            "stressor" => value.clone_into(&mut stressor),
            "bogo-ops-per-second-real-time" => {
                rate_per_s.insert(stressor.clone(), value.parse().context("a rate that is no number")?);
            }
            _ => {}
        }
    }
    if rate_per_s.is_empty() {
        bail!("no rates in the metrics of stress-ng:\n{text}");
    }
    Ok(Done { rate_per_s })
}
