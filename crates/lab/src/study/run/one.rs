//! One run, from its set-up to its end, in a process of its own.

use super::cast::{Cast, Trouble};
use super::cgroups;
use super::folder::{Folder, machine, tools};
use super::recorder::{RECORDS, Recorder};
use crate::Tenant;
use crate::study::file::{File, Target};
use crate::study::isolation::{InForce, enforce, put_back_left};
use crate::study::platform::{Machinery, Platform, Prepared, Site, WORK};
use crate::study::root::{Files, own_mounts, unmount};
use crate::study::workload::{Place, Workload, script};
use anyhow::{Context, Result, ensure};
use lima_model::study::{self, COLD, Planned, Run, STUDY_TOML, Status, TRACE, WARM};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How long tenants have for an orderly end.
const END: Duration = Duration::from_secs(10);
/// How long a recorder has to start and to end: in software, attaching takes a minute at the level acquisitions.
const RECORDER: Duration = Duration::from_secs(300);
/// The first port of tenants: two tenants never share one, for on some platforms they share a loopback.
const PORT: u16 = 21_300;

/// Makes the run and writes it down. To be called while the process has one thread.
///
/// # Errors
/// When there is no such run, or it cannot be written down; how the run itself ended is in what is written. An error also when
/// it was told to end.
pub fn one(path: &Path, id: &str, program: &Path) -> Result<()> {
    let study = File::read(&path.join(STUDY_TOML))?;
    let plan = crate::study::plan::plan(&study);
    let planned = plan.iter().find(|run| run.id == id).with_context(|| format!("the study has no run {id}"))?;
    ensure!(rustix::process::geteuid().is_root(), "a run needs root: it records, and makes cgroups");
    own_mounts()?;
    let folder = Folder::of_run(path);
    let started = jiff::Timestamp::now().to_string();
    let begun = Instant::now();
    let mut stage = Stage::new(&study, planned, folder.of(id), program)?;
    let mut run = Run {
        id: id.to_owned(),
        platform: planned.platform.clone(),
        repetition: planned.repetition,
        level: study.level.name().to_owned(),
        tenants: tenants(&study, planned),
        started,
        machine: Some(machine()),
        ..Run::default()
    };
    run.kernel_build_id = run.machine.as_ref().map_or_else(String::new, |machine| machine.kernel_build_id.clone());
    (run.status, run.reason) = match stage.missing() {
        Some(missing) => (Status::Skipped, Some(missing)),
        None => match stage.play(&mut run) {
            Ok(()) => (Status::Done, None),
            Err(Trouble::Failed(reason)) => (Status::Failed, Some(reason)),
            Err(Trouble::Hung(reason)) => (Status::Hung, Some(reason)),
            Err(Trouble::Stopped) => anyhow::bail!("told to end"),
        },
    };
    drop(stage);
    run.tools = tools(names(&study, planned));
    run.took_ns = nanoseconds(begun.elapsed());
    folder.write_run(&run)
}

/// The tenants of a run by what is planned; their names in the trace are known when they are set up.
pub(super) fn tenants(study: &File, planned: &Planned) -> Vec<study::Tenant> {
    let workloads = planned.workloads.iter().filter_map(|name| study.catalogue.get(name));
    workloads
        .map(|workload| study::Tenant {
            workload: workload.name.clone(),
            group: workload.group,
            stressor: workload.stressor.clone(),
            ..study::Tenant::default()
        })
        .collect()
}

/// The programs of a run.
fn names<'a>(study: &'a File, planned: &'a Planned) -> impl Iterator<Item = &'a str> {
    let platform = Platform::from_name(&planned.platform).into_iter().flat_map(Platform::programs).map(|known| known.0);
    let workloads = planned.workloads.iter().filter_map(|name| study.catalogue.get(name));
    platform.chain(workloads.flat_map(|workload| workload.programs.iter().map(String::as_str)))
}

/// Everything that a run sets up, and takes down when it is dropped.
struct Stage<'a> {
    study: &'a File,
    program: &'a Path,
    platform: Platform,
    workloads: Vec<&'a Workload>,
    /// Where the run is written.
    out: PathBuf,
    /// Where tenants work; on a disk.
    scratch: PathBuf,
    /// A name that nothing else on this machine has.
    unique: String,
    prepared: Vec<Prepared>,
    cgroups: Vec<(Tenant, Tenant)>,
}

impl<'a> Stage<'a> {
    fn new(study: &'a File, planned: &'a Planned, out: PathBuf, program: &'a Path) -> Result<Self> {
        let platform = Platform::from_name(&planned.platform).context("a platform that there is not")?;
        let workloads = planned.workloads.iter().map(|name| study.catalogue.get(name).context("an unknown workload"));
        let workloads = workloads.collect::<Result<Vec<_>>>()?;
        sweep();
        let unique = format!("{PREFIX}{}", std::process::id());
        let scratch = Path::new(SCRATCH).join(&unique);
        fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
        let (prepared, cgroups) = Default::default();
        Ok(Self { study, program, platform, workloads, out, scratch, unique, prepared, cgroups })
    }

    /// What the machine lacks for this run.
    fn missing(&self) -> Option<String> {
        if let Some(missing) = super::super::check::missing_for_platform(self.platform) {
            return Some(missing);
        }
        // Those of a virtual machine are on its disk.
        let files = if self.platform.is_machine() { return None } else { self.files().ok()? };
        let root = if self.platform == Platform::Host { Path::new("/") } else { files.lower() };
        self.workloads.iter().find_map(|workload| super::super::check::missing_for_workload(workload, root))
    }

    fn files(&self) -> Result<Files> {
        Files::find(self.study.root)
    }

    /// The run itself.
    fn play(&mut self, run: &mut Run) -> Result<(), Trouble> {
        let force = enforce(&self.study.isolation, self.workloads.len(), &self.unique);
        run.isolation.clone_from(&force.measures);
        self.prepare(run)?;
        let (sender, events) = channel();
        let mut cast = Cast::new(sender.clone(), events);
        cast.listen_for_signals()?;

        let names: Vec<String> = run
            .tenants
            .iter()
            .map(|tenant| &tenant.name)
            .chain(run.helpers.iter().map(|helper| &helper.name))
            .cloned()
            .collect();
        let (trace, log) = (self.out.join(TRACE), self.out.join("recorder.txt"));
        let mut recorder = Recorder::start(self.program, &trace, self.study.level.name(), &names, &log, sender)?;
        cast.recorder_says(RECORDS, RECORDER)?;

        recorder.mark(COLD)?;
        let cold = Instant::now();
        self.start_all(&mut cast, &force)?;
        let ready = cast.all_done("its start", self.study.timeout)?;
        run.phases.cold_ns = nanoseconds(ready.iter().max().map_or(Duration::ZERO, |&last| last - cold));

        recorder.mark(WARM)?;
        let warm = Instant::now();
        cast.order(&format!("warm {}", self.study.warm.as_secs().max(1)), |_| true)?;
        cast.all_done("its steady work", self.study.warm + self.study.timeout)?;
        run.elapsed_traced_ns =
            self.work(&mut cast, |tenant, length| run.tenants[tenant].elapsed_traced_ns = length)?;
        run.phases.warm_ns = nanoseconds(warm.elapsed());
        recorder.tell_end();
        recorder.wait(RECORDER)?;

        run.elapsed_untraced_ns =
            self.work(&mut cast, |tenant, length| run.tenants[tenant].elapsed_untraced_ns = length)?;
        cast.end(END);
        Ok(())
    }

    /// Makes everything ready that is no part of the start.
    fn prepare(&mut self, run: &mut Run) -> Result<()> {
        // Virtual machines bring their own.
        let files = match self.files() {
            Ok(files) => files,
            Err(_) if self.platform.is_machine() || self.platform == Platform::Host => Files::of_machine(),
            Err(error) => return Err(error),
        };
        let kernel = match &self.study.target {
            Target::Lab(kernel) => kernel,
            Target::Here => "6.1",
        };
        let machinery = self.platform.is_machine().then(|| Machinery::find(kernel)).transpose()?;
        for number in 0..self.workloads.len() {
            let workload = self.workloads[number];
            let key = char::from(b'a' + u8::try_from(number)?);
            let folder = self.scratch.join(key.to_string());
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let work = match self.platform {
                Platform::Host => folder.join("work").display().to_string(),
                _ => WORK.to_owned(),
            };
            let script = script(
                workload,
                &Place { work, port: PORT + u16::try_from(number)?, percent: self.study.work_percent },
            );
            let cgroup = format!("/{}/{key}", self.unique);
            let runtime_cgroup = format!("{cgroup}.runtime");
            self.cgroups.push((Tenant::create(&cgroup[1..])?, Tenant::create(&runtime_cgroup[1..])?));
            let prepared = self.platform.prepare(&Site {
                unique: &format!("{}-{key}", self.unique),
                cgroup: &cgroup,
                runtime_cgroup: &runtime_cgroup,
                folder: &folder,
                script: &script,
                files: &files,
                machinery: machinery.as_ref(),
            })?;
            run.tenants[number].name.clone_from(&prepared.name);
            run.helpers.extend(prepared.helpers.iter().cloned());
            for note in &prepared.notes {
                if !run.notes.contains(note) {
                    run.notes.push(note.clone());
                }
            }
            self.prepared.push(prepared);
        }
        Ok(())
    }

    fn start_all(&mut self, cast: &mut Cast, force: &InForce) -> Result<()> {
        for (number, prepared) in self.prepared.iter_mut().enumerate() {
            let (own, runtime) = &self.cgroups[number];
            let cgroup = if prepared.in_tenant { own } else { runtime };
            let cpus = force.cpus.get(number).map_or(&[][..], Vec::as_slice);
            let cache = force.caches.get(number).map(PathBuf::as_path);
            let called = &self.workloads[number].name;
            let log = self.out.join(format!("{called}.txt"));
            cast.start(prepared, called, cgroup, cpus, cache, &log)?;
        }
        Ok(())
    }

    /// The fixed amount of work, by all tenants that have one at the same time. How long all of it took; `None` when a tenant has
    /// none.
    fn work(&self, cast: &mut Cast, mut tell: impl FnMut(usize, Option<u64>)) -> Result<Option<u64>, Trouble> {
        let has: Vec<bool> = self.workloads.iter().map(|workload| workload.work.is_some()).collect();
        let begun = Instant::now();
        cast.order("work", |tenant| has[tenant])?;
        let done = cast.all_done("its work", self.study.timeout)?;
        let mut longest = Duration::ZERO;
        for (tenant, at) in done.iter().enumerate().filter(|(tenant, _)| has[*tenant]) {
            let length = at.saturating_duration_since(begun);
            longest = longest.max(length);
            tell(tenant, Some(nanoseconds(length)));
        }
        Ok(has.iter().all(|&has| has).then_some(nanoseconds(longest)))
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        for prepared in &mut self.prepared {
            for command in &mut prepared.remove {
                // There may be nothing left to remove.
                let _ = command.stdin(std::process::Stdio::null()).output();
            }
        }
        // Also what runtimes have made in hierarchies that no tenant needs.
        cgroups::remove(&|name| name == self.unique);
        self.cgroups.clear();
        for mount in self.prepared.iter().rev().flat_map(|prepared| prepared.mounts.iter().rev()) {
            if let Err(error) = unmount(mount) {
                eprintln!("lima study: {error:#}");
            }
        }
        if let Err(error) = fs::remove_dir_all(&self.scratch) {
            eprintln!("lima study: cannot remove {}: {error}", self.scratch.display());
        }
    }
}

/// Where tenants work.
const SCRATCH: &str = "/var/tmp";
/// What everything that a run makes is called, before the number of its process.
const PREFIX: &str = "lima-study-";

/// Removes what runs have left whose process was killed before it could.
fn sweep() {
    let left = |name: &str| {
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.parse::<u32>().ok());
        process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists())
    };
    put_back_left(&left);
    cgroups::remove(&left);
    for entry in fs::read_dir(SCRATCH).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(left) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn nanoseconds(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}
