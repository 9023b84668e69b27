//! Which locks and places a recording of acquisitions follows, and what it measures of them.

use crate::commands::index::cache;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use lima_index::query::{Places, places_of_running};
use lima_model::{LockType, Stat, escape};
use lima_probe::contention::Profile;
use lima_probe::kernel_memory::per_cpu_offsets;
use lima_probe::symbols::KernelSymbols;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Options of what is followed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Profiles of chosen locks")]
pub struct ProfileOptions {
    /// Only this lock: an address (0xffff...), a variable (rtnl_mutex, lima_cpus+0x8; of one that each CPU has, all), or, with --level acquisitions, all locks of an
    /// object by its index (inode.i_rwsem; `*` stands for any text); may be given several times
    #[arg(long, value_name = "LOCK")]
    pub lock: Vec<String>,

    /// Only acquisitions from this function or address of code; may be given several times
    #[arg(long, value_name = "FUNCTION")]
    pub site: Vec<String>,

    /// What is measured of acquisitions, so that only that costs time: count, wait, wait-hist, hold, hold-hist, cross-cpu,
    /// cross-node, reader-writer, fast-slow, batch, stack, or all [default: count,wait,hold,hold-hist]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = stats)]
    pub stats: Vec<Stats>,

    /// Record one acquisition in N, of all lock types or of one: 1/16, spinlock=1/64; may be given several times
    #[arg(long, value_name = "1/N", value_delimiter = ',', value_parser = sample)]
    pub sample: Vec<Sample>,

    /// Count what the recorder itself acquires, too: what it costs, by lock
    #[arg(long)]
    pub own: bool,

    /// The index in which --lock finds an object [default: that of the running kernel in ~/.cache/lima/index]
    #[arg(long, value_name = "DIR")]
    pub index: Option<PathBuf>,
}

/// One word of `--stats`.
#[derive(Clone, Copy, Debug)]
pub enum Stats {
    One(Stat),
    All,
}

fn stats(text: &str) -> Result<Stats, String> {
    if text == "all" {
        return Ok(Stats::All);
    }
    Stat::from_name(text).map(Stats::One).ok_or_else(|| {
        let names: Vec<_> = Stat::ALL.iter().map(|stat| stat.name()).collect();
        format!("no such statistic; there are {} and all", names.join(", "))
    })
}

/// One part of `--sample`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    lock_type: Option<LockType>,
    every: u32,
}

fn sample(text: &str) -> Result<Sample, String> {
    let (kind, share) = text.split_once('=').map_or((None, text), |(kind, share)| (Some(kind), share));
    let every = share.strip_prefix("1/").and_then(|every| every.parse().ok());
    let every = every.filter(|every| (1..=1_000_000).contains(every));
    let every = every.ok_or_else(|| format!("`{share}` is no share: 1/16, for example, from 1/1 to 1/1000000"))?;
    let lock_type = kind.map(super::options::lock_type).transpose()?;
    Ok(Sample { lock_type, every })
}

impl ProfileOptions {
    /// The profile, with every name turned into addresses of the running kernel; and the types that the chosen locks have,
    /// where that is known of all of them.
    pub fn plan(&self, acquisitions: bool) -> Result<(Profile, Vec<LockType>)> {
        if !acquisitions {
            ensure!(
                self.site.is_empty() && self.stats.is_empty() && self.sample.is_empty() && !self.own,
                "--site, --stats, --sample and --own are about acquisitions: add --level acquisitions"
            );
        }
        let mut profile = Profile { stats: self.stats(), sample: self.samples(), own: self.own, ..Profile::default() };
        if self.lock.is_empty() && self.site.is_empty() {
            return Ok((profile, Vec::new()));
        }
        let symbols = KernelSymbols::read(Path::new("/proc/kallsyms")).context("cannot read /proc/kallsyms")?;
        let mut types = Some(BTreeSet::new());
        for lock in &self.lock {
            let known = if let Some(address) = address(lock) {
                profile.locks.push(address);
                None
            } else if lock.contains(['.', '*']) {
                ensure!(
                    acquisitions,
                    "--lock {}: all locks of an object are known by the places that take them: add --level acquisitions",
                    escape::terminal(lock)
                );
                let places = self.places(lock)?;
                profile.lock_places.extend(&places.addresses);
                Some(families(&places))
            } else {
                profile.locks.extend(variable(lock, &symbols)?);
                // Without an index it is followed all the same, by all lock functions.
                let places = if acquisitions { self.places(lock).ok() } else { None };
                places.as_ref().map(families)
            };
            types = types.zip(known).map(|(types, known)| &types | &known);
        }
        for site in &self.site {
            profile.sites.extend(code(site, &symbols)?);
        }
        Ok((profile, types.into_iter().flatten().collect()))
    }

    fn stats(&self) -> Vec<Stat> {
        let mut stats: Vec<Stat> = match self.stats.as_slice() {
            [] => Stat::USUAL.to_vec(),
            words if words.iter().any(|word| matches!(word, Stats::All)) => Stat::ALL.to_vec(),
            words => {
                words.iter().filter_map(|word| if let Stats::One(stat) = word { Some(*stat) } else { None }).collect()
            }
        };
        stats.push(Stat::Count);
        stats.sort_unstable();
        stats.dedup();
        stats
    }

    fn samples(&self) -> Vec<(LockType, u32)> {
        let every = |lock_type| {
            let fits = |sample: &&Sample| sample.lock_type.is_none_or(|kind| kind == lock_type);
            // What is said of one type counts more than what is said of all.
            let chosen = self.sample.iter().filter(fits).max_by_key(|sample| sample.lock_type.is_some());
            chosen.map(|sample| sample.every).filter(|&every| every > 1)
        };
        LockType::TRACED.iter().filter_map(|&kind| Some((kind, every(kind)?))).collect()
    }

    fn places(&self, object: &str) -> Result<Places> {
        let index = cache::asked(self.index.as_deref())
            .with_context(|| format!("--lock {} is looked up in an index", escape::terminal(object)))?;
        let places = places_of_running(&index, object)?;
        ensure!(
            !places.addresses.is_empty(),
            "--lock {}: no place in the running kernel is known to take it; `lima index locks` lists the locks",
            escape::terminal(object)
        );
        Ok(places)
    }
}

/// The types as the programs tell them apart.
fn families(places: &Places) -> BTreeSet<LockType> {
    places.lock_types.iter().map(|lock_type| lock_type.family()).collect()
}

fn address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The addresses of a variable, or of what lies at an offset in it.
fn variable(text: &str, symbols: &KernelSymbols) -> Result<Vec<u64>> {
    let (name, inside) = text.split_once('+').unwrap_or((text, "0x0"));
    let inside = address(inside)
        .with_context(|| format!("--lock {}: an offset is written in hex, NAME+0x8", escape::terminal(text)))?;
    let found: Vec<u64> = symbols.variables(name).iter().map(|start| start.wrapping_add(inside)).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    if let Some(offset) = symbols.per_cpu(name) {
        let cpus = per_cpu_offsets(symbols);
        ensure!(
            !cpus.is_empty(),
            "--lock {}: each CPU has one, and where they lie only the kernel's memory tells (/proc/kcore), which cannot be \
             read; give their addresses instead",
            escape::terminal(name)
        );
        return Ok(cpus.iter().map(|cpu| cpu.wrapping_add(offset + inside)).collect());
    }
    if !symbols.has_variables() {
        bail!("--lock {}: this kernel does not tell where its variables lie (/proc/kallsyms)", escape::terminal(name));
    }
    bail!(
        "--lock {}: no variable of this kernel has that name; an object is written with a dot (inode.i_rwsem), an address \
         with 0x",
        escape::terminal(name)
    )
}

fn code(text: &str, symbols: &KernelSymbols) -> Result<Vec<(u64, u32)>> {
    if let Some(address) = address(text) {
        return Ok(vec![(address, 1)]);
    }
    let named = symbols.functions().filter(|function| lima_model::machinery::base(function.name) == text);
    let mut found: Vec<_> = named.map(|function| (function.address, function.size)).collect();
    found.dedup();
    ensure!(
        !found.is_empty(),
        "--site {}: the running kernel has no function of that name (it may have been inlined into its callers)",
        escape::terminal(text)
    );
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        assert_eq!(sample("1/16"), Ok(Sample { lock_type: None, every: 16 }));
        assert_eq!(sample("spinlock=1/64"), Ok(Sample { lock_type: Some(LockType::Spinlock), every: 64 }));
        for wrong in ["", "16", "1/0", "2/3", "1/x", "nothing=1/2", "spinlock="] {
            assert!(sample(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_said_of_one_type_counts_more() {
        let sample = |texts: &[&str]| texts.iter().map(|text| sample(text).unwrap()).collect();
        let options =
            |sample| ProfileOptions { lock: vec![], site: vec![], stats: vec![], sample, own: false, index: None };
        let of = |texts: &[&str]| options(sample(texts)).samples();
        assert_eq!(of(&["1/1"]), []);
        assert_eq!(of(&["spinlock=1/8"]), [(LockType::Spinlock, 8)]);
        let both = of(&["mutex=1/1", "1/4"]);
        assert!(both.contains(&(LockType::Spinlock, 4)) && both.iter().all(|(kind, _)| *kind != LockType::Mutex));
    }
}
