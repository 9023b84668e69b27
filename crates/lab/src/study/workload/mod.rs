//! What tenants do: workloads, as data. Those that come with LIMA are the files in `data/`; a study may add its own.

mod script;

pub use script::{Place, TELLS, script};

use anyhow::{Context, Result, ensure};
use lima_model::study::Group;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A workload. Its commands are for `/bin/sh`; they run in a folder of their own, `$WORK`, with a port of their own, `$PORT`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// What it is called.
    pub name: String,
    /// What it does, in a few words.
    pub about: String,
    /// Which kind it is.
    pub group: Group,
    /// The stressor of stress-ng that it is.
    #[serde(skip)]
    pub stressor: Option<String>,
    /// The programs that it calls.
    pub programs: Vec<String>,
    /// Debian's packages that have them.
    pub packages: Vec<String>,
    /// What is made ready before, in the tenant.
    pub setup: Option<String>,
    /// A server that runs until the end.
    pub server: Option<String>,
    /// Succeeds when the server answers.
    pub ready: Option<String>,
    /// A fixed amount of work.
    pub work: Option<String>,
    /// Work for `$TIME` seconds; without it `work` is done again and again.
    pub steady: Option<String>,
}

const WORKLOADS: &str = include_str!("data/workloads.toml");
const STRESSORS: &str = include_str!("data/stressors.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    workload: Vec<Workload>,
}

/// Stressors by kind, with the fixed amount of their work.
type Stressors = BTreeMap<String, BTreeMap<String, u64>>;

/// All workloads of a study by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(BTreeMap<String, Workload>);

impl Catalogue {
    /// Those that come with LIMA.
    ///
    /// # Errors
    /// Never, as the tests see to; the files are part of the program.
    pub fn built_in() -> Result<Self> {
        let mut all = BTreeMap::new();
        let stressors: Stressors = toml::from_str(STRESSORS).context("stressors.toml")?;
        for (kind, stressors) in stressors {
            for (stressor, operations) in stressors {
                let workload = of_stressor(&kind, &stressor, operations);
                all.insert(workload.name.clone(), workload);
            }
        }
        let file: File = toml::from_str(WORKLOADS).context("workloads.toml")?;
        all.extend(file.workload.into_iter().map(|workload| (workload.name.clone(), workload)));
        Ok(Self(all))
    }

    /// Adds a workload of the study's own.
    ///
    /// # Errors
    /// When it cannot be one: a bad name, one that is taken, nothing to do.
    pub fn add(&mut self, workload: Workload) -> Result<()> {
        let name = &workload.name;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        ensure!(
            (1..=40).contains(&name.len()) && name.bytes().all(plain),
            "a workload's name has 1 to 40 small letters, digits, `-` and `_`, not {name:?}"
        );
        ensure!(!self.0.contains_key(name), "there is a workload {name} already; call this one otherwise");
        ensure!(
            workload.work.is_some() || workload.steady.is_some(),
            "the workload {name} does nothing: give it `work` (a fixed amount) or `steady` (for $TIME seconds)"
        );
        ensure!(
            workload.server.is_none() || workload.ready.is_some(),
            "the workload {name} has a `server`, but no `ready` to say when it answers, as in ready = 'answers $PORT'"
        );
        self.0.insert(workload.name.clone(), workload);
        Ok(())
    }

    /// One by its name.
    pub fn get(&self, name: &str) -> Option<&Workload> {
        self.0.get(name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Workload> {
        self.0.values()
    }
}

fn of_stressor(kind: &str, stressor: &str, operations: u64) -> Workload {
    let call = format!("stress-ng --quiet --temp-path . --{stressor} 1");
    Workload {
        name: format!("stress-{stressor}"),
        about: format!("stress-ng's stressor {stressor} ({kind})"),
        group: Group::Micro,
        stressor: Some(stressor.to_owned()),
        programs: vec!["stress-ng".to_owned()],
        packages: vec!["stress-ng".to_owned()],
        work: Some(format!("{call} --{stressor}-ops $(amount {operations})")),
        steady: Some(format!("{call} --timeout ${{TIME}}s")),
        ..Workload::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_lima_is_sound() {
        let all = Catalogue::built_in().unwrap();
        assert!(all.iter().filter(|workload| workload.stressor.is_some()).count() >= 30);
        for kind in [Group::Micro, Group::Function, Group::Service] {
            assert!(all.iter().filter(|workload| workload.group == kind).count() >= 4, "{kind:?}");
        }
        let mut copy = Catalogue::default();
        all.iter().for_each(|workload| copy.add(workload.clone()).unwrap());
    }

    #[test]
    fn workloads_of_ones_own_are_looked_at() {
        let mut all = Catalogue::built_in().unwrap();
        let own = |name: &str| Workload { name: name.into(), work: Some("true".into()), ..Workload::default() };
        all.add(own("mine")).unwrap();
        for name in ["", "mine", "redis", "a.b", "../x", "A", "a+b"] {
            assert!(all.add(own(name)).is_err(), "{name:?}");
        }
        assert!(all.add(Workload { work: None, ..own("idle") }).is_err());
        assert!(all.add(Workload { server: Some("nc -l".into()), ..own("deaf") }).is_err());
    }
}
