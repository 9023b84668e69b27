//! Loading, attaching, and taking out what was collected.

use super::drain::{Plain, drain, plain, read_half, read_plain};
use super::object::{programs, wait_for_programs};
use super::recall::Rules;
use super::setup::{attach, configure, fill_filters, ring_buffer};
use super::skeleton::types::bss as Shared;
use super::skeleton::{ContentionSkel, ContentionSkelBuilder};
use super::{Error, Options, codes, types};
use libbpf_rs::skel::{OpenSkel, Skel, SkelBuilder};
use libbpf_rs::{Link, MapCore, MapFlags, OpenObject, RingBuffer};
use lima_model::Loss;
use lima_model::manifest::{Program, Workings};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, ptr};

// SAFETY: generated from C structs of integers and arrays of integers.
unsafe impl Plain for types::totals_key {}
// SAFETY: as above.
unsafe impl Plain for types::totals {}
// SAFETY: as above.
unsafe impl Plain for types::task_key {}
// SAFETY: as above.
unsafe impl Plain for types::task_totals {}
// SAFETY: as above.
unsafe impl Plain for types::totals_slot {}
// SAFETY: as above.
unsafe impl Plain for types::task_slot {}
// SAFETY: as above.
unsafe impl Plain for types::event {}
// SAFETY: as above.
unsafe impl Plain for types::stack_record {}
// SAFETY: as above.
unsafe impl Plain for types::cgroup_notice {}
// SAFETY: as above.
unsafe impl Plain for types::exec_notice {}
// SAFETY: as above.
unsafe impl Plain for types::share_record {}
// SAFETY: as above.
unsafe impl Plain for types::rules {}
// SAFETY: as above.
unsafe impl Plain for types::settings {}

/// A record of the ring buffer.
#[derive(Clone, Debug)]
pub enum Record {
    /// A single wait.
    Event(Box<types::event>),
    /// A stack that may be new.
    Stack(Box<types::stack_record>),
    /// A new cgroup.
    Cgroup(Box<types::cgroup_notice>),
    /// A process that may be a sandbox or a virtual machine.
    Exec(types::exec_notice),
    /// A share of held time for which the totals had no room.
    Share(types::share_record),
}

impl Record {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(match read_plain::<u32>(bytes)? {
            1 => Self::Event(Box::new(read_plain(bytes)?)),
            2 => Self::Stack(Box::new(read_plain(bytes)?)),
            3 => Self::Cgroup(Box::new(read_plain(bytes)?)),
            4 => Self::Exec(read_plain(bytes)?),
            5 => Self::Share(read_plain(bytes)?),
            _ => return None,
        })
    }
}

// SAFETY: a number.
unsafe impl Plain for u32 {}

/// The sums of one time bucket, taken out of the kernel. A key may stand there several times: each CPU has its own sums.
#[derive(Debug, Default)]
pub struct Taken {
    /// Totals with their keys.
    pub totals: Vec<(types::totals_key, types::totals)>,
    /// Totals by task.
    pub tasks: Vec<(types::task_key, types::task_totals)>,
}

/// The kernel side's counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters([u64; Counters::SLOTS]);

impl Counters {
    const SLOTS: usize = 24;
    const NO_BEGIN: usize = 16;
    const BEGUN: usize = 17;
    const ENDED: usize = 18;
    const RECALLED: usize = 19;
    const WALKED: usize = 20;
    const OWN: usize = 21;
    const SPILLED: usize = 22;
    const CONTESTS: usize = 23;

    /// What was lost for a cause that the kernel side counts; 0 for the others.
    pub fn lost(&self, cause: Loss) -> u64 {
        match cause {
            Loss::ContestsFull => self.0[Self::CONTESTS],
            _ if (cause as usize) < Loss::KERNEL => self.0[cause as usize],
            _ => 0,
        }
    }

    /// Ends of waits without a begin.
    pub fn no_begin(&self) -> u64 {
        self.0[Self::NO_BEGIN]
    }

    /// Waits begun and not ended.
    pub fn unfinished(&self) -> u64 {
        self.0[Self::BEGUN].saturating_sub(self.0[Self::ENDED]).saturating_sub(self.lost(Loss::BeginWithoutEnd))
    }

    /// How the numbers were come by.
    pub fn workings(&self) -> Workings {
        Workings {
            stacks_recalled: self.0[Self::RECALLED],
            stacks_walked: self.0[Self::WALKED],
            waits_spilled: self.0[Self::SPILLED],
            own_waits: self.0[Self::OWN],
            own_acquisitions: 0,
            acquisitions_spilled: 0,
        }
    }
}

/// The programs at work. Dropping it detaches and unloads everything.
pub struct Collector<'obj> {
    // Before the skeleton: the ring buffer reads a map of it.
    ring: RingBuffer<'obj>,
    queue: Rc<RefCell<VecDeque<Record>>>,
    links: Vec<Link>,
    skeleton: ContentionSkel<'obj>,
    rules: Rules,
    generation: u32,
    cpus: usize,
    /// What this kernel lacks, in sentences for people.
    pub notes: Vec<String>,
}

impl fmt::Debug for Collector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("generation", &self.generation).finish_non_exhaustive()
    }
}

impl<'obj> Collector<'obj> {
    /// Loads the programs and attaches them.
    ///
    /// # Errors
    /// When the kernel or the privileges do not permit it, or an option asks for what this kernel has not.
    pub fn start(storage: &'obj mut MaybeUninit<OpenObject>, options: &Options) -> Result<Self, Error> {
        if !Path::new("/sys/kernel/btf/vmlinux").exists() {
            return Err(Error::NoBtf);
        }
        // libbpf writes pages of verifier output to stderr when a program is refused; the error says enough.
        libbpf_rs::set_print(Some((libbpf_rs::PrintLevel::Debug, |_, text| tracing::debug!("{}", text.trim_end()))));
        let mut notes = Vec::new();
        let mut open = ContentionSkelBuilder::default().open(storage).map_err(Error::load)?;
        configure(&mut open, options)?;
        let skeleton = match open.load() {
            Ok(skeleton) => skeleton,
            Err(error) => return Err(Error::load(error)),
        };
        fill_filters(&skeleton, options)?;
        let queue = Rc::new(RefCell::new(VecDeque::new()));
        let ring = ring_buffer(&skeleton, &queue)?;
        let cpus = libbpf_rs::num_possible_cpus().map_err(Error::map("count the CPUs"))?;
        let links = attach(&skeleton, options.waits(), &mut notes)?;
        let mut collector = Self { ring, queue, links, skeleton, rules: Rules::new(), generation: 1, cpus, notes };
        // Not 0, which is what unused slots say.
        collector.share(|shared| &raw mut shared.generation, 1);
        collector.share(|shared| &raw mut shared.recording, 1);
        Ok(collector)
    }

    /// Waits this long, less when the buffer fills up or a signal comes, and gives the records that are there.
    ///
    /// # Errors
    /// When the ring buffer cannot be read.
    pub fn poll(&mut self, timeout: Duration) -> Result<Vec<Record>, Error> {
        match self.ring.poll(timeout).and_then(|()| self.ring.consume()) {
            Err(error) if error.kind() != libbpf_rs::ErrorKind::Interrupted => {
                Err(Error::map("read the ring buffer")(error))
            }
            _ => Ok(self.queue.borrow_mut().drain(..).collect()),
        }
    }

    /// Ends the time bucket: from now on waits are summed up anew, and what was summed up until now can be taken.
    /// Blocks until no program can still be adding to the old sums.
    pub fn turn(&mut self) -> u32 {
        let old = self.generation;
        self.generation = old.wrapping_add(1);
        self.share(|shared| &raw mut shared.generation, self.generation);
        wait_for_programs();
        old
    }

    /// Takes out what was summed up in a bucket that [`turn`](Self::turn) has ended.
    ///
    /// # Errors
    /// When a map cannot be read.
    pub fn take(&mut self, bucket: u32) -> Result<Taken, Error> {
        let maps = &self.skeleton.maps;
        let upper = bucket & 1 == 1;
        let (totals, tasks) = if upper { (&maps.totals_1, &maps.tasks_1) } else { (&maps.totals_0, &maps.tasks_0) };
        let mut taken = Taken::default();
        let failed = |source| Error::Map { what: "take out the totals", source };
        let mut add = |key: &_, sums: &types::totals| {
            // A CPU that had nothing to do with the key.
            if sums.waits > 0 || sums.held_ns > 0 {
                taken.totals.push((*key, *sums));
            }
        };
        drain(totals.as_fd(), self.cpus, |key, cpus| cpus.iter().for_each(|sums| add(key, sums))).map_err(failed)?;
        let slots = codes::SLOTS;
        read_half(maps.totals_slots.as_fd(), slots, upper, self.cpus, |slot: &types::totals_slot| {
            if slot.generation == bucket {
                add(&slot.key, &slot.totals);
            }
        })
        .map_err(failed)?;
        let mut add = |key: &_, sums: &types::task_totals| {
            if sums.waits > 0 {
                taken.tasks.push((*key, *sums));
            }
        };
        drain(tasks.as_fd(), self.cpus, |key, cpus| cpus.iter().for_each(|sums| add(key, sums))).map_err(failed)?;
        read_half(maps.task_slots.as_fd(), slots, upper, self.cpus, |slot: &types::task_slot| {
            if slot.generation == bucket {
                add(&slot.key, &slot.totals);
            }
        })
        .map_err(failed)?;
        Ok(taken)
    }

    /// Detaches the programs: nothing is collected any more; what was collected can still be taken.
    pub fn detach(&mut self) {
        self.share(|shared| &raw mut shared.recording, 0);
        wait_for_programs();
        self.links.clear();
    }

    /// The counters.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn counters(&self) -> Result<Counters, Error> {
        let mut counters = Counters::default();
        for (slot, sum) in counters.0.iter_mut().enumerate() {
            let key = u32::try_from(slot).unwrap_or(u32::MAX).to_ne_bytes();
            let map = &self.skeleton.maps.counters;
            let values = map.lookup_percpu(&key, MapFlags::ANY).map_err(Error::map("read the counters"))?;
            *sum =
                values.iter().flatten().filter_map(|value| Some(u64::from_ne_bytes(value[..8].try_into().ok()?))).sum();
        }
        Ok(counters)
    }

    /// The programs and what they cost so far. Times are 0 unless `kernel.bpf_stats_enabled` is set.
    pub fn programs(&self) -> Vec<Program> {
        programs(self.skeleton.object())
    }

    /// The name of a slab cache that a record mentions.
    pub fn slab_cache(&self, address: u64) -> Option<String> {
        let name = self.skeleton.maps.slab_caches.lookup(&address.to_ne_bytes(), MapFlags::ANY).ok()??;
        Some(lima_model::escape::c_text(&name)).filter(|name| !name.is_empty())
    }

    /// The name of a process that stands for a tenant, with tenants by name.
    pub fn comm(&self, tenant: u64) -> Option<Vec<u8>> {
        self.skeleton.maps.comm_names.lookup(&tenant.to_ne_bytes(), MapFlags::ANY).ok()?
    }

    /// Learns from a stack that came with its memory. The first `machinery` addresses are the tracing machinery;
    /// `closed`: with its last address every stack ends.
    pub fn learn(&mut self, record: &types::stack_record, machinery: usize, closed: bool) {
        self.rules.learn(record, machinery, closed);
    }

    /// Learns from a stack whose memory begins with its first address, as the programs on acquisitions send it.
    pub fn learn_from_first(&mut self, record: &types::stack_record, closed: bool) {
        self.rules.learn_from_first(record, closed);
    }

    /// Gives the kernel side what was learned since the last call.
    pub fn teach(&mut self) {
        let map = &self.skeleton.maps.rules;
        for table in self.rules.take_changed().into_iter().flatten() {
            if let Err(error) = map.update(&0u32.to_ne_bytes(), plain(&*table), MapFlags::ANY) {
                tracing::debug!("cannot write the rules of stacks: {error}");
            }
        }
    }

    /// Declares a process to be part of a sandbox or virtual machine.
    pub fn add_sandbox(&mut self, process: u32, tenant: u64) {
        let map = &self.skeleton.maps.sandboxes;
        if let Err(error) = map.update(&process.to_ne_bytes(), &tenant.to_ne_bytes(), MapFlags::ANY) {
            tracing::warn!("cannot tell the kernel of a sandbox: {error}");
        }
        self.share(|shared| &raw mut shared.have_sandboxes, 1);
    }

    /// Offers the maps that other programs may share, by their names.
    pub(crate) fn lend(
        &self,
        mut take: impl FnMut(&str, BorrowedFd<'_>) -> libbpf_rs::Result<()>,
    ) -> Result<(), Error> {
        let maps = self.skeleton.object().maps();
        maps.into_iter()
            .try_for_each(|map| take(&map.name().to_string_lossy(), map.as_fd()))
            .map_err(Error::map("share a map"))
    }

    /// Writes a variable that the programs read.
    fn share(&mut self, variable: impl FnOnce(&mut Shared) -> *mut u32, value: u32) {
        if let Some(shared) = self.skeleton.maps.bss_data.as_deref_mut() {
            // SAFETY: a valid, aligned field of the memory shared with the kernel, which only reads it.
            unsafe { ptr::write_volatile(variable(shared), value) };
        }
    }

    /// Lets the waits of one more tenant pass the filter.
    pub fn pass_tenant(&mut self, tenant: u64) {
        let map = &self.skeleton.maps.filter_tenants;
        if let Err(error) = map.update(&tenant.to_ne_bytes(), &[1], MapFlags::ANY) {
            tracing::warn!("cannot add a tenant to the filter: {error}");
        }
    }
}
