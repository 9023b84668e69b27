//! KVM where it works, software emulation where it does not.
//!
//! That `/dev/kvm` is there does not say that it boots a stock kernel: a nested one may stop at the first instruction
//! that it does not know. So a kernel is booted once on trial, for a bounded time, and the answer is kept for this machine,
//! this QEMU and this guest kernel.

use super::cache::{Cache, Kernel};
use super::emulator::Emulator;
use super::initramfs::{self, Orders};
use super::machine::{Machine, Root};
use anyhow::{Context, Result};
use serde_json::{Map, Value};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How the guest's instructions are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceleration {
    /// By the processor.
    Kvm,
    /// By QEMU.
    Tcg,
    /// By QEMU, one processor of the guest at a time.
    TcgSingle,
}

/// The acceleration, and why.
#[derive(Clone, Debug)]
pub struct Choice {
    /// How.
    pub acceleration: Acceleration,
    /// In a few words, for people.
    pub reason: String,
}

/// A working KVM comes up in less than two seconds.
const TRIAL: Duration = Duration::from_secs(10);

impl Acceleration {
    /// QEMU's `-accel`.
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg,thread=multi",
            Self::TcgSingle => "tcg,thread=single",
        }
    }
}

/// Finds out what works here.
pub fn choose(cache: &Cache, kernel: &Kernel, say: super::Say<'_>) -> Result<Choice> {
    let tcg = |reason: &str| Choice { acceleration: Acceleration::Tcg, reason: reason.to_owned() };
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
        return Ok(tcg(&format!("software emulation: /dev/kvm cannot be opened ({})", error.kind())));
    }
    let path = cache.folder().join("kvm.json");
    let key = format!("{} | {} | {}", machine()?, Emulator::of(kernel)?.version()?, kernel.release);
    let mut known = known(&path);
    let answer = match known.get(&key) {
        Some(answer) => answer.clone(),
        None => {
            say("trying whether KVM boots this kernel (once)");
            let answer = match trial(kernel) {
                Ok(()) => Value::Null,
                Err(error) => Value::String(format!("{error:#}")),
            };
            known.insert(key, answer.clone());
            // Without this file the trial is made again; that is all.
            let _ =
                fs::create_dir_all(cache.folder()).and_then(|()| fs::write(&path, Value::Object(known).to_string()));
            answer
        }
    };
    Ok(match answer {
        Value::Null => Choice { acceleration: Acceleration::Kvm, reason: "KVM".to_owned() },
        answer => tcg(&format!("software emulation: {}", answer.as_str().unwrap_or("KVM does not work"))),
    })
}

/// What is known of earlier trials; a damaged file knows nothing.
fn known(path: &Path) -> Map<String, Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// This machine and its kernel, which decide what KVM can do.
fn machine() -> Result<String> {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpus = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let model = cpus.lines().find(|line| line.starts_with("model name")).unwrap_or_default();
    let model = model.split_once(':').map_or(model, |(_, name)| name.trim());
    Ok(format!("{} | {model}", read("/proc/sys/kernel/osrelease".into())))
}

/// Boots with KVM until the first process speaks.
fn trial(kernel: &Kernel) -> Result<()> {
    let orders = Orders { trial: true, root: Root::Virtiofs, mark: "", command: &[], out: None };
    let initramfs = initramfs::make(kernel, &orders)?;
    let machine = Machine { cpus: 2, memory_mib: 512, ..Machine::of_size(2, 1024) };
    let running = machine.start(kernel, &initramfs, Vec::new(), None, Acceleration::Kvm)?;
    let start = Instant::now();
    running.control.set_read_timeout(Some(TRIAL))?;
    let mut line = String::new();
    let spoke = BufReader::new(&running.control).read_line(&mut line);
    let complaint = running.qemu.end();
    if spoke.is_ok() && line.trim() == "ready" {
        return Ok(());
    }
    let complaint = complaint.lines().find(|line| line.contains("KVM") || line.contains("kvm")).map(str::trim);
    anyhow::bail!(
        "/dev/kvm is there, but a kernel does not boot with it ({})",
        complaint.map_or_else(|| format!("nothing within {} s", start.elapsed().as_secs()), str::to_owned)
    )
}
