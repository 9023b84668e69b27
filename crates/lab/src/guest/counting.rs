//! Counting a guest's instructions instead of timing them: the same run has the same count, on a busy machine too.
//!
//! QEMU's emulator runs the guest on one processor whose clock is the number of its instructions, with a plugin
//! (`lab/counter.c`) that counts between two marks in the code.

use super::machine::escaped;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The plugin's source, carried along so that it can be built where only the command is.
const SOURCE: &str = include_str!("../../../../lab/counter.c");

/// What else differs from boot to boot.
pub(super) const PARAMETERS: &str = "nokaslr norandmaps random.trust_cpu=off";

/// How instructions are counted.
#[derive(Clone, Debug)]
pub struct Counting {
    /// Where the counts go.
    results: PathBuf,
    /// Whether they are told by address, too.
    addresses: bool,
    plugin: PathBuf,
}

impl Counting {
    /// Makes the plugin, unless it is in the folder. The results are those of one guest.
    pub fn prepare(folder: &Path, results: &Path, addresses: bool) -> Result<Self> {
        let plugin = folder.join(format!("counter-{:016x}.so", fingerprint()));
        if !plugin.exists() {
            build(folder, &plugin)?;
        }
        // It is QEMU that writes there, in a folder of its own choice.
        let results = std::path::absolute(results)?;
        fs::write(&results, "").with_context(|| format!("cannot write {}", results.display()))?;
        Ok(Self { results, addresses, plugin })
    }

    /// QEMU's arguments.
    pub(super) fn arguments(&self, command: &mut Command) {
        command.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-seed", "1"]);
        command.args(["-rtc", "base=2026-01-01,clock=vm"]);
        let mut plugin = format!("{},out={}", escaped(&self.plugin), escaped(&self.results));
        if self.addresses {
            plugin.push_str(",addresses=on");
        }
        command.arg("-plugin").arg(plugin);
    }
}

fn fingerprint() -> u64 {
    // FNV-1a, which is enough to tell versions apart.
    SOURCE.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn build(folder: &Path, plugin: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let work = tempfile::Builder::new().prefix("build.").tempdir_in(folder)?;
    let (source, made) = (work.path().join("counter.c"), work.path().join("counter.so"));
    fs::write(&source, SOURCE).with_context(|| format!("cannot write {}", source.display()))?;
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-O2", "-fvisibility=hidden", "-o"]).arg(&made).arg(&source);
    let output = command.output().context("cannot run cc, the compiler of C: apt-get install gcc")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the plugin that counts instructions does not build:\n{said}");
    fs::rename(&made, plugin).with_context(|| format!("cannot put the plugin to {}", plugin.display()))
}
