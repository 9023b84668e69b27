//! From the collector to a trace on disk.
//!
//! A [`Recorder`] is driven by its caller, which knows when to stop: it is pumped for a while, again and again, and
//! finished. At the end of each time bucket it takes the totals out of the kernel and writes a segment of each table.

mod acquired;
mod machine;
mod named;
mod processes;
mod rows;
mod stacks;
mod sums;
mod tenants;

use crate::acquisitions;
use crate::contention::{self, Collector, Counters, Options, Record, codes, types};
use crate::instances::Instances;
use crate::kernel_memory::per_cpu_offsets;
use crate::slab::{SlabPlace, SlabReader};
use crate::symbols::KernelSymbols;
use crate::tenants::{CgroupLayout, Namer};
use libbpf_rs::OpenObject;
use lima_model::manifest::{Ended, Manifest};
use lima_model::{Loss, Losses, Stat, Table};
use lima_trace::Writer;
use processes::Processes;
use rows::{EventRow, InitRow};
use stacks::Stacks;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use sums::spill;
use tenants::Tenants;

/// Why a recording could not be made or finished.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The collector does not work.
    #[error(transparent)]
    Collector(#[from] contention::Error),
    /// The trace cannot be written.
    #[error(transparent)]
    Trace(#[from] lima_trace::Error),
}

/// Where the loaded programs are kept; it must outlive the recorder.
#[derive(Debug)]
pub struct Storage {
    waits: MaybeUninit<OpenObject>,
    acquisitions: MaybeUninit<OpenObject>,
}

impl Default for Storage {
    fn default() -> Self {
        Self { waits: MaybeUninit::uninit(), acquisitions: MaybeUninit::uninit() }
    }
}

/// A recording that is done.
#[derive(Debug)]
pub struct Summary {
    /// The manifest as it stands in the trace.
    pub manifest: Manifest,
    /// How many waits were counted.
    pub waits: u64,
    /// Their time, nanoseconds.
    pub wait_ns: u64,
    /// How many acquisitions were counted, at the level that counts them.
    pub acquisitions: u64,
}

/// A recording under way.
#[derive(Debug)]
pub struct Recorder<'obj> {
    // Before the collector of waits: it uses some of its maps.
    acquisitions: Option<acquisitions::Collector<'obj>>,
    collector: Collector<'obj>,
    writer: Writer,
    manifest: Manifest,
    symbols: KernelSymbols,
    stacks: Stacks,
    processes: Processes,
    tenants: Tenants,
    slab_caches: HashMap<u64, Option<Arc<str>>>,
    /// Where the programs cannot ask for slab caches, and the kernel's memory can be read.
    slabs: Option<SlabReader>,
    slab_places: HashMap<(u64, u32), Option<SlabPlace>>,
    /// Where the kernel's memory can be read.
    instances: Option<Instances>,
    events: Vec<EventRow>,
    inits: Vec<InitRow>,
    /// Waits for which the kernel's maps had no room.
    spilled: Vec<types::event>,
    /// Held times for which they had none.
    shares: Vec<types::share_record>,
    lost: Losses,
    bucket: Duration,
    started: Instant,
    next_bucket: u32,
    wanted_tenants: Vec<String>,
    waits: u64,
    wait_ns: u64,
    acquired: u64,
    /// What an acquisition stands for, by the code of its lock type; 0 and 1: itself alone.
    weights: [u32; 16],
    whole_stacks: bool,
    /// When the time bucket began.
    bucket_start: Instant,
    /// A time bucket that has ended and is not written yet.
    turned: Option<Turned>,
    phases: Vec<(u64, String)>,
}

/// A time bucket that has ended: when it began, and what the collectors call it.
#[derive(Debug)]
struct Turned {
    start: Instant,
    waits: u32,
    acquisitions: Option<u32>,
}

impl<'obj> Recorder<'obj> {
    /// Makes the trace's folder, loads and attaches the programs. `manifest` carries the options as they were asked
    /// for; what the machine is, the recorder adds.
    ///
    /// # Errors
    /// When the folder cannot be made, or the kernel or the privileges do not permit to record.
    pub fn start(
        storage: &'obj mut Storage,
        folder: &Path,
        options: &Options,
        layout: CgroupLayout,
        mut manifest: Manifest,
    ) -> Result<Self, Error> {
        machine::describe(&mut manifest);
        let collector = Collector::start(&mut storage.waits, options)?;
        let acquisitions = if options.acquisitions {
            let symbols = KernelSymbols::read(Path::new("/proc/kallsyms")).unwrap_or_default();
            Some(acquisitions::Collector::start(&mut storage.acquisitions, &collector, options, &symbols)?)
        } else {
            None
        };
        let writer = Writer::create(folder, &manifest)?;
        // After loading: the programs have symbols themselves, which stand at the top of every stack.
        let symbols = KernelSymbols::read(Path::new("/proc/kallsyms")).unwrap_or_default();
        manifest.kernel.per_cpu = per_cpu_offsets(&symbols);
        if !symbols.has_functions() {
            manifest.notes.push(NO_SYMBOLS.to_owned());
        }
        manifest.notes.extend(collector.notes.iter().cloned());
        manifest.notes.extend(acquisitions.iter().flat_map(|collector| collector.notes.iter().cloned()));
        manifest.clock = machine::clock();
        manifest.hooks = acquisitions.as_ref().map(|collector| collector.hooks().to_vec()).unwrap_or_default();
        let wanted = manifest.options.filters.iter().filter(|filter| filter.field == "tenant");
        let wanted_tenants = wanted.flat_map(|filter| filter.values.clone()).collect();
        let bucket = Duration::from_nanos(manifest.options.bucket_ns);
        let mut weights = [1; 16];
        options.profile.sample.iter().for_each(|&(lock_type, every)| weights[lock_type as usize & 15] = every);
        let slabs = if options.acquisitions || !contention::tells_slab_caches() {
            SlabReader::of_running(&symbols)
        } else {
            None
        };
        let started = Instant::now();
        let mut recorder = Self {
            tenants: Tenants::new(options.tenant_by.clone(), Namer::new(layout)),
            acquisitions,
            collector,
            writer,
            manifest,
            instances: Instances::of_running(&symbols),
            symbols,
            stacks: Stacks::default(),
            processes: Processes::default(),
            slab_caches: HashMap::new(),
            slabs,
            slab_places: HashMap::new(),
            events: Vec::new(),
            inits: Vec::new(),
            spilled: Vec::new(),
            shares: Vec::new(),
            lost: Losses::none(),
            bucket,
            started,
            next_bucket: 1,
            wanted_tenants,
            waits: 0,
            wait_ns: 0,
            acquired: 0,
            weights,
            whole_stacks: options.profile.measures(|stat| stat == Stat::Stack),
            bucket_start: started,
            turned: None,
            phases: vec![(0, FIRST_PHASE.to_owned())],
        };
        recorder.find_sandboxes();
        recorder.write_manifest()?;
        Ok(recorder)
    }

    /// Works until `until`, or a little less long.
    ///
    /// # Errors
    /// When the collector fails or the trace cannot be written. What was written stays readable.
    pub fn pump(&mut self, until: Instant) -> Result<(), Error> {
        self.write_turned(self.bucket / INSTANCES_SHARE)?;
        loop {
            let now = Instant::now();
            let tick = self.started + self.bucket * self.next_bucket;
            if now >= tick {
                self.end_bucket(tick)?;
                continue;
            }
            if now >= until {
                return Ok(());
            }
            // The ring buffer counts in whole milliseconds: less than one would be none at all, again and again.
            let slice = SLICE.min(tick - now).min(until - now).max(Duration::from_millis(1));
            let records = self.collector.poll(slice)?;
            self.take_in(records);
            self.take_in_births()?;
        }
    }

    /// Ends the recording: detaches the programs, takes out what is left, and writes the manifest.
    ///
    /// # Errors
    /// As [`pump`](Self::pump).
    pub fn finish(mut self, ended: Ended, exit_status: Option<i32>) -> Result<Summary, Error> {
        if let Some(acquisitions) = &mut self.acquisitions {
            acquisitions.stop();
        }
        self.collector.detach();
        let duration = self.started.elapsed();
        // Nothing waits any more: reading may take its time.
        let result = self.write_turned(self.bucket).and_then(|()| {
            self.turn(Instant::now())?;
            self.write_turned(self.bucket)
        });
        self.manifest.clock.duration_ns = nanoseconds(duration);
        self.manifest.exit_status = exit_status;
        self.manifest.ended = ended;
        result?;
        self.manifest.losses.set(Loss::StackUnknown, self.stacks.without_frames());
        self.manifest.complete = self.manifest.losses.is_none();
        for left in self.writer.finish(&self.manifest)? {
            tracing::warn!("{left}");
        }
        Ok(Summary { manifest: self.manifest, waits: self.waits, wait_ns: self.wait_ns, acquisitions: self.acquired })
    }

    /// How many waits were counted so far, and their nanoseconds.
    pub fn counted(&self) -> (u64, u64) {
        (self.waits, self.wait_ns)
    }

    fn fail(&mut self, error: &Error) {
        self.manifest.ended = Ended::Error;
        self.manifest.complete = false;
        // Also in the manifests to come, for which there may be room.
        self.lost.add(Loss::WriteFailed, 1);
        self.manifest.losses.add(Loss::WriteFailed, 1);
        self.manifest.notes.push(error.to_string());
    }

    /// Begins a new phase: what comes from now on stands in time buckets of its own. What came before is written when the
    /// recorder is [pumped](Self::pump) next, so that whoever asked need not wait for it.
    ///
    /// # Errors
    /// As [`pump`](Self::pump).
    pub fn mark(&mut self, phase: &str) -> Result<(), Error> {
        self.write_turned(self.bucket / INSTANCES_SHARE)?;
        self.turn(Instant::now())?;
        self.phases.push((nanoseconds(self.bucket_start - self.started), phase.to_owned()));
        Ok(())
    }

    /// Ends a time bucket where the next one begins.
    fn end_bucket(&mut self, next: Instant) -> Result<(), Error> {
        self.turn(next)?;
        let result = self.write_turned(self.bucket / INSTANCES_SHARE);
        // A recorder that was held up does not make up for buckets in which it did not turn.
        let passed = self.started.elapsed().as_nanos() / self.bucket.as_nanos().max(1);
        self.next_bucket = u32::try_from(passed).unwrap_or(u32::MAX - 1) + 1;
        result
    }

    /// Lets the programs add up for the next time bucket.
    fn turn(&mut self, next: Instant) -> Result<(), Error> {
        let start = std::mem::replace(&mut self.bucket_start, next);
        let waits = self.collector.turn();
        let acquisitions = self.acquisitions.as_mut().map(acquisitions::Collector::turn);
        self.turned = Some(Turned { start, waits, acquisitions });
        let records = self.collector.poll(Duration::ZERO)?;
        self.take_in(records);
        Ok(())
    }

    /// Writes the time bucket that has ended, if it is not written yet. `longest`: how long to read which objects locks
    /// lie in.
    fn write_turned(&mut self, longest: Duration) -> Result<(), Error> {
        let Some(turned) = self.turned.take() else { return Ok(()) };
        self.write_bucket(&turned, longest).inspect_err(|error| {
            self.fail(error);
            // The manifest is small and may still find its place.
            let _ = self.writer.manifest(&self.manifest);
        })
    }

    fn write_bucket(&mut self, bucket: &Turned, longest: Duration) -> Result<(), Error> {
        let &Turned { start, waits, acquisitions } = bucket;
        let mut taken = self.collector.take(waits)?;
        for event in self.spilled.drain(..) {
            spill(&event, &mut taken);
        }
        let shares = self.shares.drain(..).map(|share| (share.key, share.held_ns));
        taken.totals.extend(shares.map(|(key, held_ns)| (key, types::totals { held_ns, ..types::totals::default() })));
        let time_ns = nanoseconds(start - self.started);
        self.waits += taken.totals.iter().map(|(_, totals)| totals.waits).sum::<u64>();
        self.wait_ns += taken.totals.iter().map(|(_, totals)| totals.wait_ns).sum::<u64>();
        let totals = self.totals(&taken);
        let tasks = self.tasks(&taken);
        let events = std::mem::take(&mut self.events);
        self.take_in_births()?;
        let acquired = self.acquired(acquisitions);
        let inits = std::mem::take(&mut self.inits);
        let instances = self.instances.as_mut().map(|instances| instances.read(longest)).unwrap_or_default();
        let (stacks, mut frames) = self.stacks.take();
        self.processes.name(&mut frames);
        // Names first: whoever reads a trace that is being written finds the stacks and tenants of every total.
        self.writer.append(Table::Stacks, &rows::stacks(&stacks))?;
        self.writer.append(Table::Frames, &rows::frames(&frames))?;
        self.writer.append(Table::Tenants, &rows::tenants(&self.tenants.take()))?;
        self.writer.append(Table::Totals, &rows::totals(time_ns, &totals))?;
        self.writer.append(Table::Tasks, &rows::tasks(time_ns, &tasks))?;
        self.writer.append(Table::Events, &rows::events(&events))?;
        let start_ns = self.manifest.clock.start_mono_ns;
        self.writer.append(Table::Acquisitions, &rows::acquisitions(start_ns, time_ns, &acquired))?;
        self.writer.append(Table::Inits, &rows::inits(&inits))?;
        self.writer.append(Table::Instances, &rows::instances(time_ns, &instances))?;
        self.writer.append(Table::Phases, &rows::phases(&std::mem::take(&mut self.phases)))?;
        self.write_manifest()
    }

    fn write_manifest(&mut self) -> Result<(), Error> {
        let counters = self.collector.counters()?;
        self.manifest.clock.duration_ns = nanoseconds(self.started.elapsed());
        self.manifest.programs = self.collector.programs();
        self.manifest.programs.extend(self.acquisitions.iter().flat_map(acquisitions::Collector::programs));
        self.count_losses(&counters);
        Ok(self.writer.manifest(&self.manifest)?)
    }

    fn count_losses(&mut self, counters: &Counters) {
        let mut losses = self.lost.clone();
        for &cause in Loss::ALL {
            losses.add(cause, counters.lost(cause));
        }
        let misses = |name| {
            let program = self.manifest.programs.iter().find(|program| program.name == name);
            program.map_or(0, |program| program.recursion_misses)
        };
        losses.set(Loss::Recursion, self.manifest.programs.iter().map(|program| program.recursion_misses).sum());
        // An end lacks its begin because the begin was missed, in one of the ways that are counted, or because the
        // wait began before the recording did.
        let dropped = losses.get(Loss::NestingTooDeep) + losses.get(Loss::TaskStateMissing);
        let unexplained = counters.no_begin().saturating_sub(dropped);
        let missed = unexplained.min(misses("contention_begin"));
        losses.set(Loss::EndWithoutBegin, missed);
        self.manifest.edges.began_before = unexplained - missed;
        self.manifest.edges.unfinished = counters.unfinished();
        self.manifest.workings = counters.workings();
        self.count_missed(&mut losses);
        losses.set(Loss::InstancesUnread, self.instances.as_ref().map_or(0, Instances::unread));
        losses.set(Loss::UserNamesUnread, self.processes.unread());
        self.manifest.losses = losses;
    }

    fn take_in(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::Event(event) => {
                    if event.purpose & codes::PURPOSE_KEEP != 0 {
                        let row = self.event(&event);
                        self.events.push(row);
                    }
                    if event.purpose & (codes::PURPOSE_TOTALS | codes::PURPOSE_TASKS) != 0 {
                        self.spilled.push(*event);
                    }
                }
                Record::Stack(stack) => {
                    let machinery = self.stacks.add(&stack, &self.symbols, &mut self.processes);
                    if stack.word_count > 0 {
                        let closed = stacks::is_closed(&stack, &self.symbols);
                        self.collector.learn(&stack, machinery, closed);
                    }
                }
                Record::Cgroup(notice) => {
                    let path = notice.path.split(|&byte| byte == 0).next().unwrap_or_default();
                    self.tenants.learn_cgroup(notice.hierarchy, notice.id, path);
                    self.pass_if_wanted(notice.id);
                }
                Record::Exec(_) => self.find_sandboxes(),
                Record::Share(share) => self.shares.push(share),
            }
        }
        self.collector.teach();
    }

    fn find_sandboxes(&mut self) {
        for (process, tenant) in self.tenants.find_sandboxes() {
            self.collector.add_sandbox(process, tenant);
            if let Some(acquisitions) = &mut self.acquisitions {
                acquisitions.has_sandboxes();
            }
            self.pass_if_wanted(tenant);
        }
    }

    /// A tenant that the filter names may start after the recording.
    fn pass_if_wanted(&mut self, tenant: u64) {
        if !self.wanted_tenants.is_empty() && self.tenants.is_called(tenant, &self.wanted_tenants) {
            self.collector.pass_tenant(tenant);
        }
    }
}

/// How long records lie in the ring buffer at the most. A stack that is new is walked so long at each of its waits.
const SLICE: Duration = Duration::from_millis(50);

/// Reading which objects locks lie in takes no more than this part of a time bucket.
const INSTANCES_SHARE: u32 = 8;

/// The phase before the first that was named.
const FIRST_PHASE: &str = "start";

const NO_SYMBOLS: &str = "/proc/kallsyms shows no addresses (kernel.kptr_restrict): stacks have no function names";

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
