//! Measures against interference through hardware, or against chance: taken where the machine can, and put back.

use super::file::Isolation;
use anyhow::{Context, Result, bail, ensure};
use lima_model::study::Measure;
use std::fs;
use std::path::{Path, PathBuf};

impl Isolation {
    /// Its name in files and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SmtOff => "smt_off",
            Self::Pinning => "pinning",
            Self::Resctrl => "resctrl",
            Self::AslrOff => "aslr_off",
        }
    }
}

const ASLR: &str = "/proc/sys/kernel/randomize_va_space";
const SMT: &str = "/sys/devices/system/cpu/smt/control";
const RESCTRL: &str = "/sys/fs/resctrl";
/// Where it is written what files held before, for the case that the process is killed; only root can write there.
const NOTES: &str = "/run";
const NOTE: &str = ".before";

/// Measures in force. Dropping it puts the machine back as it was.
#[derive(Debug, Default)]
pub struct InForce {
    /// What was done, and what was not possible.
    pub measures: Vec<Measure>,
    /// By tenant, the CPUs that it may use; empty: all.
    pub cpus: Vec<Vec<usize>>,
    /// By tenant, the file that takes its processes into its part of the cache.
    pub caches: Vec<PathBuf>,
    /// What files held before.
    before: Vec<(&'static str, String)>,
    /// Where that is written down.
    note: PathBuf,
    /// Folders that were made.
    made: Vec<PathBuf>,
}

/// Takes measures for so many tenants.
pub fn enforce(wanted: &[Isolation], tenants: usize, unique: &str) -> InForce {
    let mut force = InForce::default();
    force.note = Path::new(NOTES).join(format!("{unique}{NOTE}"));
    for &measure in wanted {
        let result = match measure {
            Isolation::SmtOff => force.smt_off(),
            Isolation::Pinning => force.pin(tenants),
            Isolation::Resctrl => force.share_cache(tenants, unique),
            Isolation::AslrOff => force.write(ASLR, "0").map(|()| format!("{ASLR} is 0")),
        };
        let (done, detail) = match result {
            Ok(detail) => (true, detail),
            Err(error) => (false, format!("not possible: {error:#}")),
        };
        force.measures.push(Measure { name: measure.name().to_owned(), done, detail });
    }
    force
}

impl InForce {
    /// Writes to a file of the kernel's, and keeps what it held.
    fn write(&mut self, path: &'static str, value: &str) -> Result<()> {
        let before = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        let before = before.trim().to_owned();
        if before != value {
            self.before.push((path, before));
            let lines: String = self.before.iter().map(|(path, value)| format!("{path} {value}\n")).collect();
            fs::write(&self.note, lines).with_context(|| format!("cannot write {}", self.note.display()))?;
            fs::write(path, value).with_context(|| format!("cannot write {value} to {path}"))?;
        }
        Ok(())
    }

    fn smt_off(&mut self) -> Result<String> {
        let state = fs::read_to_string(SMT).with_context(|| format!("this kernel does not control it (no {SMT})"))?;
        match state.trim() {
            "on" => {
                self.write(SMT, "off")?;
                Ok(format!("{SMT} is off"))
            }
            "off" | "forceoff" => Ok("it was off".to_owned()),
            "notsupported" => Ok("this processor has one thread a core".to_owned()),
            other => bail!("{SMT} says {other}"),
        }
    }

    fn pin(&mut self, tenants: usize) -> Result<String> {
        let all: Vec<usize> = online()?;
        ensure!(all.len() >= tenants, "{} CPUs for {tenants} tenants", all.len());
        let each = all.len() / tenants;
        self.cpus = all.chunks(each).take(tenants).map(<[usize]>::to_vec).collect();
        Ok(format!("each tenant on {each} of {} CPUs", all.len()))
    }

    fn share_cache(&mut self, tenants: usize, unique: &str) -> Result<String> {
        let root = Path::new(RESCTRL);
        ensure!(root.is_dir(), "the kernel or the processor cannot partition its cache (no {RESCTRL})");
        let info = root.join("info/L3/cbm_mask");
        let mask = fs::read_to_string(&info)
            .with_context(|| format!("no {}: mount -t resctrl resctrl {RESCTRL}", info.display()))?;
        let ways = u64::from_str_radix(mask.trim(), 16)?.count_ones() as usize;
        let each = ways / tenants.max(1);
        ensure!(each >= 1, "{ways} parts of the cache for {tenants} tenants");
        let schemata = fs::read_to_string(root.join("schemata"))?;
        for tenant in 0..tenants {
            let folder = root.join(format!("{unique}-{tenant}"));
            fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            self.made.push(folder.clone());
            let line = cache_line(&schemata, part(each, tenant)).context("no L3 in schemata")?;
            fs::write(folder.join("schemata"), line).context("cannot write schemata")?;
            self.caches.push(folder.join("tasks"));
        }
        Ok(format!("each tenant has {each} of {ways} parts of the last-level cache"))
    }
}

impl Drop for InForce {
    fn drop(&mut self) {
        for folder in &self.made {
            if let Err(error) = fs::remove_dir(folder) {
                eprintln!("lima study: cannot remove {}: {error}", folder.display());
            }
        }
        for (path, value) in self.before.iter().rev() {
            put_back(path, value);
        }
        if !self.before.is_empty() {
            let _ = fs::remove_file(&self.note);
        }
    }
}

fn put_back(path: &str, value: &str) {
    if let Err(error) = fs::write(path, value) {
        eprintln!("lima study: cannot put {value} back into {path}: {error}");
    }
}

/// Puts back what runs have changed whose process was killed before it could; `left` knows their names.
pub(super) fn put_back_left(left: &dyn Fn(&str) -> bool) {
    for entry in fs::read_dir(NOTES).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(|name| name.strip_suffix(NOTE)).is_some_and(left) {
            let lines = fs::read_to_string(entry.path()).unwrap_or_default();
            for (path, value) in lines.lines().rev().filter_map(|line| line.split_once(' ')) {
                if [ASLR, SMT].contains(&path) {
                    put_back(path, value);
                }
            }
            let _ = fs::remove_file(entry.path());
        }
    }
    for entry in fs::read_dir(RESCTRL).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_str().and_then(|name| Some(name.rsplit_once('-')?.0)).is_some_and(left) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The CPUs that are online.
fn online() -> Result<Vec<usize>> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online").context("cannot tell the CPUs")?;
    list(text.trim()).with_context(|| format!("{text:?} is no list of CPUs"))
}

/// `0-2,4`.
fn list(text: &str) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last > 1 << 16 {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

/// The mask of a tenant's part of the cache.
fn part(each: usize, tenant: usize) -> u64 {
    ((1_u64 << each) - 1) << (each * tenant)
}

/// The line of the L3 caches with another mask: `L3:0=ff;1=ff`.
fn cache_line(schemata: &str, mask: u64) -> Option<String> {
    let line = schemata.lines().map(str::trim).find_map(|line| line.strip_prefix("L3:"))?;
    let caches = line.split(';').filter_map(|cache| Some(format!("{}={mask:x}", cache.split_once('=')?.0.trim())));
    Some(format!("L3:{}\n", caches.collect::<Vec<_>>().join(";")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_masks() {
        assert_eq!(list("0-2,4"), Some(vec![0, 1, 2, 4]));
        assert_eq!((list(""), list("0-x"), list("0-99999999")), (None, None, None));
        assert_eq!((part(4, 0), part(4, 1)), (0xf, 0xf0));
        let schemata = "    MB:0=100;1=100\n    L3:0=fff;1=fff\n";
        assert_eq!(cache_line(schemata, 0xf0).as_deref(), Some("L3:0=f0;1=f0\n"));
        assert_eq!(cache_line("MB:0=1", 1), None);
    }

    #[test]
    fn what_is_not_possible_is_said_and_tenants_have_cpus_of_their_own() {
        let cpus = online().unwrap().len();
        let force = enforce(&[Isolation::Pinning], cpus + 1, "x");
        assert!(!force.measures[0].done && force.measures[0].detail.starts_with("not possible: "), "{force:?}");
        let force = enforce(&[Isolation::Pinning], cpus, "x");
        assert!(force.measures[0].done && force.cpus.len() == cpus, "{force:?}");
    }
}
