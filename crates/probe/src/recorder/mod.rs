//! From the collector to a trace on disk.
//!
//! A [`Recorder`] is driven by its caller, which knows when to stop: it is pumped for a while, again and again, and
//! finished. At the end of each time bucket it takes the totals out of the kernel and writes a segment of each table.

mod machine;
mod processes;
mod rows;
mod stacks;
mod sums;
mod tenants;

use crate::contention::{self, Collector, Counters, Options, Record, Taken, codes, types};
use crate::symbols::KernelSymbols;
use crate::tenants::{CgroupLayout, Namer};
use libbpf_rs::OpenObject;
use lima_model::manifest::{Ended, Manifest};
use lima_model::{Context, LockType, Loss, Losses, Method, Mode, Table, escape};
use lima_trace::Writer;
use processes::Processes;
use rows::{EventRow, TaskRow, TotalsKey, TotalsRow};
use stacks::Stacks;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use sums::{Sums, spill};
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

/// A recording that is done.
#[derive(Debug)]
pub struct Summary {
    /// The manifest as it stands in the trace.
    pub manifest: Manifest,
    /// How many waits were counted.
    pub waits: u64,
    /// Their time, nanoseconds.
    pub wait_ns: u64,
}

/// A recording under way.
#[derive(Debug)]
pub struct Recorder<'obj> {
    collector: Collector<'obj>,
    writer: Writer,
    manifest: Manifest,
    symbols: KernelSymbols,
    stacks: Stacks,
    processes: Processes,
    tenants: Tenants,
    slab_caches: HashMap<u64, Option<Arc<str>>>,
    events: Vec<EventRow>,
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
}

impl<'obj> Recorder<'obj> {
    /// Makes the trace's folder, loads and attaches the programs. `manifest` carries the options as they were asked
    /// for; what the machine is, the recorder adds.
    ///
    /// # Errors
    /// When the folder cannot be made, or the kernel or the privileges do not permit to record.
    pub fn start(
        storage: &'obj mut MaybeUninit<OpenObject>,
        folder: &Path,
        options: &Options,
        layout: CgroupLayout,
        mut manifest: Manifest,
    ) -> Result<Self, Error> {
        machine::describe(&mut manifest);
        let collector = Collector::start(storage, options)?;
        let writer = Writer::create(folder, &manifest)?;
        // After loading: the programs have symbols themselves, which stand at the top of every stack.
        let symbols = KernelSymbols::read(Path::new("/proc/kallsyms")).unwrap_or_default();
        if !symbols.has_functions() {
            manifest.notes.push(NO_SYMBOLS.to_owned());
        }
        manifest.notes.extend(collector.notes.iter().cloned());
        manifest.clock = machine::clock();
        let wanted = manifest.options.filters.iter().filter(|filter| filter.field == "tenant");
        let wanted_tenants = wanted.flat_map(|filter| filter.values.clone()).collect();
        let bucket = Duration::from_nanos(manifest.options.bucket_ns);
        let mut recorder = Self {
            tenants: Tenants::new(options.tenant_by.clone(), Namer::new(layout)),
            collector,
            writer,
            manifest,
            symbols,
            stacks: Stacks::default(),
            processes: Processes::default(),
            slab_caches: HashMap::new(),
            events: Vec::new(),
            spilled: Vec::new(),
            shares: Vec::new(),
            lost: Losses::none(),
            bucket,
            started: Instant::now(),
            next_bucket: 1,
            wanted_tenants,
            waits: 0,
            wait_ns: 0,
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
            let records = self.collector.poll(SLICE.min(tick - now).min(until - now))?;
            self.take_in(records);
        }
    }

    /// Ends the recording: detaches the programs, takes out what is left, and writes the manifest.
    ///
    /// # Errors
    /// As [`pump`](Self::pump).
    pub fn finish(mut self, ended: Ended, exit_status: Option<i32>) -> Result<Summary, Error> {
        self.collector.detach();
        let duration = self.started.elapsed();
        let start = self.started + self.bucket * (self.next_bucket - 1);
        let result = self.write_bucket(start.min(Instant::now()));
        self.manifest.clock.duration_ns = nanoseconds(duration);
        self.manifest.exit_status = exit_status;
        self.manifest.ended = ended;
        if let Err(error) = result {
            self.fail(&error);
            // The manifest is small and may still find its place.
            let _ = self.writer.manifest(&self.manifest);
            return Err(error);
        }
        self.manifest.losses.set(Loss::StackUnknown, self.stacks.without_frames());
        self.manifest.complete = self.manifest.losses.is_none();
        for left in self.writer.finish(&self.manifest)? {
            tracing::warn!("{left}");
        }
        Ok(Summary { manifest: self.manifest, waits: self.waits, wait_ns: self.wait_ns })
    }

    /// How many waits were counted so far, and their nanoseconds.
    pub fn counted(&self) -> (u64, u64) {
        (self.waits, self.wait_ns)
    }

    fn fail(&mut self, error: &Error) {
        self.manifest.ended = Ended::Error;
        self.manifest.complete = false;
        self.manifest.losses.add(Loss::WriteFailed, 1);
        self.manifest.notes.push(error.to_string());
    }

    fn end_bucket(&mut self, tick: Instant) -> Result<(), Error> {
        let start = tick - self.bucket;
        let result = self.write_bucket(start);
        // A recorder that was held up does not make up for buckets in which it did not turn.
        let passed = self.started.elapsed().as_nanos() / self.bucket.as_nanos().max(1);
        self.next_bucket = u32::try_from(passed).unwrap_or(u32::MAX - 1) + 1;
        if let Err(error) = &result {
            self.fail(error);
            let _ = self.writer.manifest(&self.manifest);
        }
        result
    }

    fn write_bucket(&mut self, start: Instant) -> Result<(), Error> {
        let old = self.collector.turn();
        let records = self.collector.poll(Duration::ZERO)?;
        self.take_in(records);
        let mut taken = self.collector.take(old)?;
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
        let (stacks, frames) = self.stacks.take();
        // Names first: whoever reads a trace that is being written finds the stacks and tenants of every total.
        self.writer.append(Table::Stacks, &rows::stacks(&stacks))?;
        self.writer.append(Table::Frames, &rows::frames(&frames))?;
        self.writer.append(Table::Tenants, &rows::tenants(&self.tenants.take()))?;
        self.writer.append(Table::Totals, &rows::totals(time_ns, &totals))?;
        self.writer.append(Table::Tasks, &rows::tasks(time_ns, &tasks))?;
        self.writer.append(Table::Events, &rows::events(&events))?;
        self.write_manifest()
    }

    fn write_manifest(&mut self) -> Result<(), Error> {
        let counters = self.collector.counters()?;
        self.manifest.clock.duration_ns = nanoseconds(self.started.elapsed());
        self.manifest.programs = self.collector.programs();
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
            self.pass_if_wanted(tenant);
        }
    }

    /// A tenant that the filter names may start after the recording.
    fn pass_if_wanted(&mut self, tenant: u64) {
        if !self.wanted_tenants.is_empty() && self.tenants.is_called(tenant, &self.wanted_tenants) {
            self.collector.pass_tenant(tenant);
        }
    }

    fn tenant(&mut self, kernel: u64) -> u32 {
        self.tenants.number(kernel, || self.collector.comm(kernel))
    }

    fn slab(&mut self, cache: u64, offset: u32) -> (Option<Arc<str>>, Option<u32>) {
        if cache == 0 {
            return (None, None);
        }
        let name = match self.slab_caches.get(&cache) {
            Some(name) => name.clone(),
            None => {
                let name: Option<Arc<str>> = self.collector.slab_cache(cache).map(Into::into);
                self.slab_caches.insert(cache, name.clone());
                name
            }
        };
        let offset = name.is_some().then_some(offset).filter(|&offset| offset != codes::NO_OFFSET);
        (name, offset)
    }

    fn totals(&mut self, taken: &Taken) -> Vec<(TotalsKey, TotalsRow)> {
        let mut rows: HashMap<TotalsKey, TotalsRow> = HashMap::with_capacity(taken.totals.len());
        for (key, totals) in &taken.totals {
            let row_key = self.totals_key(key);
            let (slab_cache, slab_offset) = self.slab(totals.slab, totals.slab_offset);
            self.stacks.name_variable(key.lock, &self.symbols);
            let row =
                rows.entry(row_key).or_insert_with(|| TotalsRow { slab_cache, slab_offset, sums: Sums::default() });
            row.sums.add(totals);
        }
        rows.into_iter().collect()
    }

    fn totals_key(&mut self, key: &types::totals_key) -> TotalsKey {
        TotalsKey {
            lock: key.lock,
            stack: self.stacks.number(key.stack),
            user_stack: self.stacks.number(key.user_stack),
            waiter_tenant: self.tenant(key.waiter_tenant),
            holder_tenant: self.tenant(key.holder_tenant),
            lock_type: LockType::from_code(key.lock_type).unwrap_or(LockType::Semaphore),
            mode: Mode::from_code(key.mode).unwrap_or(Mode::Exclusive),
            context: self.context(key.context, key.stack),
            method: Method::from_code(key.method).unwrap_or(Method::Unknown),
        }
    }

    /// The kernel side knows whether a wait was on a task's stack; the frames say which interrupt it was.
    fn context(&self, code: u8, stack: u64) -> Context {
        let by_stack = self.stacks.interrupt(stack);
        match (Context::from_code(code), by_stack) {
            // ksoftirqd is a task that runs soft interrupts.
            (Some(Context::Task), Context::Softirq) => Context::Softirq,
            (Some(Context::Task), _) => Context::Task,
            _ => by_stack,
        }
    }

    fn tasks(&mut self, taken: &Taken) -> Vec<TaskRow> {
        let rows = taken.tasks.iter().map(|(key, totals)| TaskRow {
            tid: key.tid,
            tgid: totals.tgid,
            comm: escape::c_text(&totals.comm),
            tenant: self.tenant(totals.tenant),
            lock_type: LockType::from_code(key.lock_type).unwrap_or(LockType::Semaphore),
            waits: totals.waits,
            wait_ns: totals.wait_ns,
            max_ns: totals.max_ns,
            spin_ns: totals.spin_ns,
        });
        rows.collect()
    }

    fn event(&mut self, event: &types::event) -> EventRow {
        let (slab_cache, slab_offset) = self.slab(event.slab, event.slab_offset);
        let holder = &event.holder;
        let named = holder.held_ns > 0;
        let (kernel, method) = sums::holder(event);
        EventRow {
            begin_ns: (event.end_ns - event.wait_ns).saturating_sub(self.manifest.clock.start_mono_ns),
            wait_ns: event.wait_ns,
            spin_ns: event.spin_ns,
            held_ns: holder.held_ns,
            free_ns: event.free_ns,
            other_held_ns: event.other_held_ns,
            unknown_ns: event.unknown_ns,
            result: event.result,
            lock: event.lock,
            lock_type: LockType::from_code(event.lock_type).unwrap_or(LockType::Semaphore),
            mode: Mode::from_code(event.mode).unwrap_or(Mode::Exclusive),
            context: self.context(event.context, event.stack),
            cpu: event.cpu,
            tid: event.tid,
            tgid: event.tgid,
            comm: escape::c_text(&event.comm),
            waiter_tenant: self.tenant(event.waiter_tenant),
            stack: self.stacks.number(event.stack),
            user_stack: self.stacks.number(event.user_stack),
            slab_cache,
            slab_offset,
            holder: named.then(|| (holder.tid, holder.tgid, escape::c_text(&holder.comm))),
            holder_tenant: self.tenant(kernel),
            holder_stack: self.stacks.number(event.holder_stack),
            release_stack: self.stacks.number(event.release_stack),
            method: Method::from_code(method).unwrap_or(Method::Unknown),
        }
    }
}

/// How long records lie in the ring buffer at the most. A stack that is new is walked so long at each of its waits.
const SLICE: Duration = Duration::from_millis(50);

const NO_SYMBOLS: &str = "/proc/kallsyms shows no addresses (kernel.kptr_restrict): stacks have no function names";

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
