//! What a machine lacks for a study, and how to get it.

use super::file::{File, Root, Target};
use super::plan::{plan, usual_length};
use super::platform::Platform;
use super::root::Debian;
use super::workload::Workload;
use crate::guest::Cache;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// What would run here.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many runs.
    pub runs: usize,
    /// How long they take together, roughly.
    pub length: Duration,
    /// What is missing.
    pub missing: Vec<Missing>,
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether `lima study run` sees to it by itself.
    pub by_itself: bool,
}

/// Looks at a study and the machine.
///
/// # Errors
/// When the machine cannot be looked at.
pub fn check(study: &File) -> Result<Report> {
    let runs = plan(study).len();
    let mut missing = Vec::new();
    let mut needs = |what: String, remedy: &str, by_itself| {
        let one = Missing { what, remedy: remedy.to_owned(), by_itself };
        if !missing.contains(&one) {
            missing.push(one);
        }
    };
    if !rustix::process::geteuid().is_root() {
        needs("the privileges of root".to_owned(), "sudo lima study run ...", false);
    }
    let machines = study.platforms.iter().any(|platform| platform.is_machine());
    let debian = study.root == Root::Debian || machines;
    if debian && !Debian::of_user()?.is_made() {
        let what = "the minimal Debian with the workloads".to_owned();
        needs(what, "lima study check --prepare makes it, in three minutes", true);
        if !is_there("debootstrap", Path::new("/")) {
            needs("debootstrap".to_owned(), "apt-get install debootstrap", false);
        }
    }
    if let Target::Lab(kernel) = &study.target {
        if Cache::of_user()?.find(kernel).is_none() {
            needs(format!("the kernel {kernel}"), "lima lab fetch gets it", true);
        }
        for (program, remedy) in [
            ("qemu-system-x86_64", "apt-get install qemu-system-x86 qemu-system-common"),
            ("busybox", "apt-get install busybox-static"),
        ] {
            if !is_there(program, Path::new("/")) {
                needs(program.to_owned(), remedy, false);
            }
        }
        // Firecracker is in no package, so not on the disk either.
        if study.root == Root::Debian && study.platforms.contains(&Platform::Firecracker) {
            needs("firecracker in the guest".to_owned(), "root = \"machine\", and firecracker on this machine", false);
        }
    }
    // On the minimal Debian everything is there that comes with LIMA.
    let machine_only = study.root == Root::Machine;
    if study.target == Target::Here || machine_only {
        for &platform in &study.platforms {
            for (program, remedy) in platform.programs().iter().filter(|(name, _)| !is_there(name, Path::new("/"))) {
                needs(format!("{program}, for the platform {}", platform.name()), remedy, false);
            }
        }
        let in_place = machine_only || study.platforms.contains(&Platform::Host);
        for name in study.groups.iter().flatten().filter(|_| in_place) {
            let Some(workload) = study.catalogue.get(name) else { continue };
            for program in workload.programs.iter().filter(|name| !is_there(name, Path::new("/"))) {
                needs(format!("{program}, for the workload {name}"), &remedy(workload), false);
            }
        }
    }
    let length = usual_length(study) * u32::try_from(runs).unwrap_or(u32::MAX);
    Ok(Report { runs, length, missing })
}

/// Why a platform cannot be used here.
pub(super) fn missing_for_platform(platform: Platform) -> Option<String> {
    let (program, remedy) = platform.programs().iter().find(|(name, _)| !is_there(name, Path::new("/")))?;
    Some(format!("{program} is missing: {remedy}"))
}

/// Why a workload cannot be run on these files.
pub(super) fn missing_for_workload(workload: &Workload, root: &Path) -> Option<String> {
    let program = workload.programs.iter().find(|name| !is_there(name, root))?;
    Some(format!("{program} is missing for the workload {}: {}", workload.name, remedy(workload)))
}

fn remedy(workload: &Workload) -> String {
    if workload.packages.is_empty() {
        return "install it".to_owned();
    }
    format!("apt-get install {}", workload.packages.join(" "))
}

/// Whether a program is on the usual path below a root.
fn is_there(program: &str, root: &Path) -> bool {
    let usual = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
    let path = if root == Path::new("/") {
        std::env::var_os("PATH").map_or(usual.clone(), |path| format!("{}:{usual}", path.to_string_lossy()))
    } else {
        usual
    };
    if program.contains('/') {
        return root.join(program.trim_start_matches('/')).exists();
    }
    path.split(':').any(|folder| root.join(folder.trim_start_matches('/')).join(program).symlink_metadata().is_ok())
}
