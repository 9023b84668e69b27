//! What this kernel and these privileges permit, found out by trying.
//!
//! [`examine`] loads a tiny program for each thing that may be refused (`capabilities.bpf.c`), attaches some for a
//! moment, reads what the kernel says of itself, and draws the conclusion: which levels of tracing work, and without
//! what. It leaves nothing loaded, attached, pinned or mounted, and needs no privileges itself: without any, the
//! answers are `no`.

mod levels;
mod machine;
mod privileges;
mod programs;
mod settings;

use lima_model::manifest::not_traced;
use serde::Serialize;

/// The schema of a [`Checkup`] as JSON.
pub const SCHEMA: &str = "lima-doctor/1";

/// Whether something is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It could not be found out.
    Unknown,
}

impl Answer {
    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }

    fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// What this process may do.
    Privileges,
    /// What the kernel says of itself.
    Kernel,
    /// Which programs it takes, and where they can be attached.
    Programs,
    /// What programs can read.
    Reads,
}

impl Group {
    /// Every group, in the order in which they are shown.
    pub const ALL: &'static [Self] = &[Self::Privileges, Self::Kernel, Self::Programs, Self::Reads];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Privileges => "privileges",
            Self::Kernel => "kernel",
            Self::Programs => "programs",
            Self::Reads => "reads",
        }
    }
}

/// One thing that is permitted or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name for programs.
    pub key: &'static str,
    /// What it is about.
    pub group: Group,
    /// Its name for people.
    pub what: &'static str,
    /// Whether it is permitted.
    pub answer: Answer,
    /// How that was found out.
    pub tried: String,
    /// What came of it.
    pub found: String,
    /// What to do when the answer is not `yes`.
    pub remedy: Option<String>,
}

/// A setting of the machine that matters, but is neither good nor bad.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// Its value; `unknown` when it cannot be read.
    pub value: String,
    /// What that means.
    pub meaning: String,
}

/// A level of tracing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Level {
    /// `contention` or `acquisitions`.
    pub name: &'static str,
    /// Whether the kernel and the privileges permit it.
    pub works: bool,
    /// Why not; empty when it works.
    pub why: Vec<String>,
    /// What will be missing or marked unknown in its traces.
    pub without: Vec<String>,
}

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checkup {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// `uname -r`.
    pub kernel_release: String,
    /// `uname -v`.
    pub kernel_version: String,
    /// `uname -m`.
    pub machine: String,
    /// What works.
    pub levels: Vec<Level>,
    /// What is permitted.
    pub findings: Vec<Finding>,
    /// What else matters.
    pub settings: Vec<Setting>,
}

impl Checkup {
    /// Whether something is permitted; `Unknown` for a key that there is not.
    pub fn answer(&self, key: &str) -> Answer {
        levels::answer(&self.findings, key)
    }

    /// Whether a level works.
    pub fn works(&self, level: &str) -> bool {
        self.levels.iter().any(|known| known.name == level && known.works)
    }
}

/// Finds out. It takes about a second; libbpf's own messages are kept off the terminal meanwhile.
pub fn examine() -> Checkup {
    let config = machine::Config::read();
    let privileges = privileges::Privileges::read();
    let mut findings = privileges.findings();
    findings.extend(machine::findings());
    findings.extend(programs::findings(&privileges, &config));
    let mut levels = levels::levels(&findings);
    for level in levels.iter_mut().filter(|level| level.name == "acquisitions" && level.works) {
        let families = crate::acquisitions::lock_functions().map(|hooks| not_traced(&hooks)).unwrap_or_default();
        level.without.extend(families);
    }
    let uname = rustix::system::uname();
    Checkup {
        schema: SCHEMA,
        kernel_release: uname.release().to_string_lossy().into_owned(),
        kernel_version: uname.version().to_string_lossy().into_owned(),
        machine: uname.machine().to_string_lossy().into_owned(),
        levels,
        settings: settings::settings(&config),
        findings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examining_this_machine_leaves_nothing_behind() {
        let checkup = examine();
        assert_eq!(checkup.levels.len(), 2);
        assert!(checkup.findings.iter().all(|finding| !finding.found.is_empty() && !finding.tried.is_empty()));
        let mut refused = checkup.findings.iter().filter(|finding| finding.answer != Answer::Yes);
        assert!(refused.all(|finding| finding.remedy.is_some()));
        // Another test may be examining at this moment: its programs are gone a moment later.
        let ours = ["rdonly_cast", "kmem_cache", "kernel_read", "task_fields", "kprobe_multi"];
        let left = || {
            let names = libbpf_rs::query::ProgInfoIter::default().filter_map(|program| program.name.into_string().ok());
            names.filter(|name| ours.contains(&name.as_str())).count()
        };
        let gone = (0..50).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            left() == 0
        });
        assert!(gone, "programs are left behind");
    }
}
