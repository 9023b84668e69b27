//! One run in a guest of its own.

use crate::guest::{self, Acceleration, Cache, End, Machine, Plan};
use crate::study::file::{Accel, File, Root, Target};
use crate::study::root;
use anyhow::{Context, Result, bail};
use lima_model::study::STUDY_TOML;
use std::path::Path;
use std::process::ExitCode;

/// Boots a guest and makes the run in it.
///
/// # Errors
/// When the guest cannot be started.
pub fn in_guest(path: &Path, id: &str, program: &Path) -> Result<ExitCode> {
    let path = std::fs::canonicalize(path).with_context(|| format!("cannot find {}", path.display()))?;
    let study = File::read(&path.join(STUDY_TOML))?;
    let Target::Lab(wanted) = &study.target else { bail!("this study is not made in guests") };
    let say = |what: &str| eprintln!("lima study: {what}");
    let cache = Cache::of_user()?;
    let kernel = guest::fetch(&cache, wanted, guest::Extras::default(), &say)?;
    let disk = match study.root {
        Root::Debian => Some(root::make(&say)?.image),
        Root::Machine => None,
    };
    let mut machine = machine(&study);
    if disk.is_some() {
        machine.root = guest::Root::Ext4;
    }
    let acceleration = match study.lab.accel {
        Accel::Kvm => Acceleration::Kvm,
        Accel::Tcg => Acceleration::Tcg,
        Accel::TcgSingle => Acceleration::TcgSingle,
        // Programs are attached while no tenant runs yet, so that CPUs need not take turns for it, as they must under load.
        Accel::Auto => guest::choose(&cache, &kernel, &say)?.acceleration,
    };
    let command = ["study", "one", "--run", id, "--study"].map(Into::into);
    let plan = Plan {
        kernel,
        machine,
        acceleration,
        disk,
        timeout: Some(super::limit(&study)),
        out: Some(path.clone()),
        show_console: false,
        command: [program.into()].into_iter().chain(command).chain([path.into()]).collect(),
    };
    let outcome = guest::run(&plan)?;
    let (status, what) = match outcome.end {
        End::Status(status) => return Ok(ExitCode::from(status)),
        End::TimedOut(length) => (124, format!("the guest was not done within {} s", length.as_secs())),
        End::NotUp(length) => (125, format!("the guest did not come up within {} s", length.as_secs())),
        End::Died => (125, "the guest ended before the run did".to_owned()),
    };
    outcome.console.iter().for_each(|line| eprintln!("  {line}"));
    eprintln!("{what}{}", outcome.panic.map_or_else(String::new, |panic| format!(": {panic}")));
    Ok(ExitCode::from(status))
}

fn machine(study: &File) -> Machine {
    let system = rustix::system::sysinfo();
    let memory = (system.totalram * u64::from(system.mem_unit)) >> 20;
    let cpus = std::thread::available_parallelism().map_or(2, |number| u32::try_from(number.get()).unwrap_or(255));
    let mut machine = Machine::of_size(cpus, memory);
    machine.cpus = study.lab.cpus.unwrap_or(machine.cpus);
    machine.memory_mib = study.lab.memory_mib.unwrap_or(machine.memory_mib);
    machine
}
