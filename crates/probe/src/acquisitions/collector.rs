//! Loading, attaching, and taking out what was collected.

use super::memory::Memory;
use super::skeleton::types::{bss as Shared, settings};
use super::skeleton::{AcquisitionsSkel, AcquisitionsSkelBuilder, OpenAcquisitionsSkel};
use super::{hooks, spilled, types};
use crate::contention::slots::SlotTable;
use crate::contention::types::stack_record;
use crate::contention::{self, Error, Plain, plain, read_plain, wait_for_programs};
use crate::symbols::KernelSymbols;
use libbpf_rs::skel::{OpenSkel, Skel, SkelBuilder};
use libbpf_rs::{Link, MapCore, MapFlags, OpenObject, RingBuffer, RingBufferBuilder};
use lima_model::loss::Loss;
use lima_model::machinery::{Part, part};
use lima_model::manifest::{Hook, Program};
use lima_model::{LockType, Stat};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::mem::{MaybeUninit, offset_of};
use std::os::fd::AsFd;
use std::ptr;
use std::rc::Rc;

// SAFETY: generated from C structs of integers and arrays of integers.
unsafe impl Plain for types::sum {}
// SAFETY: as above.
unsafe impl Plain for types::birth {}
// SAFETY: as above.
unsafe impl Plain for types::spill {}
// SAFETY: as above.
unsafe impl Plain for types::place {}
// SAFETY: as above.
unsafe impl Plain for settings {}

/// Sums over the acquisitions of one lock at one site, by one tenant in one context.
pub type Sum = types::sum;

/// Single records since the last look.
#[derive(Debug, Default)]
pub struct Records {
    /// Initialisations.
    pub births: Vec<types::birth>,
    /// Stacks that may be new, from the site on, with the memory from there on.
    pub stacks: Vec<Box<stack_record>>,
    /// What the sums had no room for; the collector adds it to what is taken.
    spilled: Vec<types::spill>,
}

/// What a time bucket came to. The same key may stand there several times: each CPU has its own sums.
pub type Taken = Vec<Sum>;

/// The programs at work. Dropping it detaches and unloads everything.
pub struct Collector<'obj> {
    // Before the skeleton: they refer to maps of it.
    ring: RingBuffer<'obj>,
    records: Rc<RefCell<Records>>,
    sums: Memory<types::sum>,
    /// Dropping them detaches the programs.
    _links: Vec<Link>,
    skeleton: AcquisitionsSkel<'obj>,
    hooks: Vec<Hook>,
    /// What a reader of the numbers should know, in sentences for people.
    pub notes: Vec<String>,
    generation: u32,
    cpus: usize,
    sum_bits: u32,
    /// What is measured, as the programs know it.
    stats: u32,
    /// What the sums had no room for, by the tag of its time bucket.
    spilled: HashMap<u32, Taken>,
}

impl fmt::Debug for Collector<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// The most memory that the sums may take.
const SUMS_BYTES: usize = 256 << 20;
/// Locks by initialisation that are told apart: a power of two.
const LIFE_BITS: u32 = 19;

impl<'obj> Collector<'obj> {
    /// Loads the programs and attaches them; filters, tenants and settings are those of the contention programs, which
    /// must have been loaded.
    ///
    /// # Errors
    /// When the kernel or the privileges do not permit it.
    pub fn start(
        storage: &'obj mut MaybeUninit<OpenObject>,
        waits: &contention::Collector<'_>,
        options: &contention::Options,
        symbols: &KernelSymbols,
    ) -> Result<Self, Error> {
        let cpus = libbpf_rs::num_possible_cpus().map_err(Error::map("count the CPUs"))?;
        let sum_bits = sum_bits(options.max_totals, cpus);
        let mut open = AcquisitionsSkelBuilder::default().open(storage).map_err(Error::load)?;
        let mut hooks = hooks::choose(&mut open, options)?;
        configure(&mut open, waits, options, cpus, sum_bits)?;
        let mut notes = Vec::new();
        let ranges = ranges(options, symbols, &mut notes)?;
        place_ranges(&mut open, &ranges, hooks::born_types(&hooks))?;
        let skeleton = open.load().map_err(Error::load)?;
        let length = (2 * cpus) << sum_bits;
        let sums = Memory::of(skeleton.maps.sums.as_fd(), length)
            .map_err(|source| Error::Map { what: "map the sums into memory", source })?;
        let records = Rc::new(RefCell::new(Records::default()));
        let ring = ring_buffer(&skeleton, &records)?;
        write_places(&skeleton, &options.profile.lock_places)?;
        let links = hooks::attach(&skeleton, &mut hooks, &mut notes);
        let mut collector = Self {
            ring,
            records,
            sums,
            _links: links,
            skeleton,
            hooks,
            notes,
            generation: 1,
            cpus,
            sum_bits,
            stats: stat_bits(options),
            spilled: HashMap::new(),
        };
        collector.share(|shared| &raw mut shared.generation, 1);
        collector.share(|shared| &raw mut shared.recording, 1);
        Ok(collector)
    }

    /// The initialisations and stacks since the last call.
    ///
    /// # Errors
    /// When the ring buffer cannot be read.
    pub fn records(&mut self) -> Result<Records, Error> {
        self.ring.consume().map_err(Error::map("read the buffer of initialisations"))?;
        let mut records = self.records.take();
        let stats = self.stats;
        for spill in records.spilled.drain(..) {
            self.spilled.entry(spill.tag).or_default().push(spilled::sum(&spill, stats));
        }
        Ok(records)
    }

    /// Ends the time bucket; what was summed up in it waits to be [taken](Self::take), before the next turn.
    pub fn turn(&mut self) -> u32 {
        let old = self.generation;
        // Never 0, which is what unused slots say.
        self.generation = old.wrapping_add(1) & GENERATIONS;
        self.generation = self.generation.max(1 + (old & 1));
        self.share(|shared| &raw mut shared.generation, self.generation);
        wait_for_programs();
        old
    }

    /// Takes out what was summed up in a bucket that [`turn`](Self::turn) has ended. What found no room there is among it
    /// when its [records](Self::records) were read since.
    pub fn take(&mut self, bucket: u32) -> Taken {
        let half = self.cpus << self.sum_bits;
        let first = half * (bucket & 1) as usize;
        let ready = bucket << 1 | 1;
        let is_ready = |&index: &usize| self.sums.peek(index, offset_of!(types::sum, tag)) == Some(ready);
        let mut taken: Taken =
            (first..first + half).filter(is_ready).filter_map(|index| self.sums.get(index)).collect();
        taken.extend(self.spilled.remove(&ready).unwrap_or_default());
        taken
    }

    /// Ends the recording; what was collected can still be taken. The programs stay attached until this is dropped:
    /// detaching all of them takes a while.
    pub fn stop(&mut self) {
        self.share(|shared| &raw mut shared.recording, 0);
        wait_for_programs();
    }

    /// What was lost, by cause; and how many releases had no acquisition.
    pub fn losses(&self) -> (Vec<(Loss, u64)>, u64) {
        const CAUSES: [Option<Loss>; 17] = [
            Some(Loss::AcquisitionsFull),
            Some(Loss::HoldsFull),
            None,
            Some(Loss::ReleasesMissed),
            Some(Loss::SiteUnknown),
            Some(Loss::LivesFull),
            Some(Loss::InitsDropped),
            Some(Loss::HoldsLost),
            Some(Loss::MovesFull),
            Some(Loss::PlacesFull),
            Some(Loss::CallersUnknown),
            Some(Loss::StackMismatch),
            None,
            Some(Loss::ChosenFull),
            Some(Loss::AcquiredStacksFull),
            Some(Loss::SlowPathsFull),
            None,
        ];
        let counters = self.counters();
        let losses = CAUSES.iter().zip(counters).filter_map(|(cause, count)| Some(((*cause)?, count))).collect();
        (losses, counters[2])
    }

    /// How often the recorder itself acquired a lock, and how often the sums had no room.
    pub fn no_losses(&self) -> (u64, u64) {
        let counters = self.counters();
        (counters[12], counters[16])
    }

    fn counters(&self) -> [u64; 17] {
        let counters = self.skeleton.maps.bss_data.as_deref().map(|shared| {
            // SAFETY: a valid, aligned field of the memory shared with the kernel; counters only grow.
            unsafe { ptr::read_volatile(&raw const shared.acquisition_counters) }
        });
        counters.unwrap_or_default()
    }

    /// The lock functions that are traced, or could not be.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    /// The programs and what they cost so far.
    pub fn programs(&self) -> Vec<Program> {
        contention::programs(self.skeleton.object())
    }

    /// There are sandboxes from now on.
    pub fn has_sandboxes(&mut self) {
        self.share(|shared| &raw mut shared.have_sandboxes, 1);
    }

    /// Writes a variable that the programs read.
    fn share(&mut self, variable: impl FnOnce(&mut Shared) -> *mut u32, value: u32) {
        if let Some(shared) = self.skeleton.maps.bss_data.as_deref_mut() {
            // SAFETY: a valid, aligned field of the memory shared with the kernel, which only reads it.
            unsafe { ptr::write_volatile(variable(shared), value) };
        }
    }
}

/// The generations go round; a tag is twice as large.
const GENERATIONS: u32 = (1 << 30) - 1;

/// How many slots each CPU has for a time bucket, as a power of two.
fn sum_bits(most: u32, cpus: usize) -> u32 {
    let wanted = most.clamp(64, 1 << 20).next_power_of_two().ilog2();
    let possible = (SUMS_BYTES / size_of::<types::sum>() / 2 / cpus.max(1)).max(64).ilog2();
    wanted.min(possible)
}

/// Whether a statistic compares an acquisition with the last one of the same lock.
fn of_moves(stat: Stat) -> bool {
    matches!(stat, Stat::CrossCpu | Stat::CrossNode | Stat::ReaderWriter | Stat::Batch)
}

fn stat_bits(options: &contention::Options) -> u32 {
    options.profile.stats.iter().fold(0, |bits, &stat| bits | stat as u32)
}

fn configure(
    open: &mut OpenAcquisitionsSkel<'_>,
    waits: &contention::Collector<'_>,
    options: &contention::Options,
    cpus: usize,
    sum_bits: u32,
) -> Result<(), Error> {
    let size = |what| Error::map(what);
    let number = |cpus: usize| u32::try_from(cpus).unwrap_or(u32::MAX);
    let maps = &mut open.maps;
    maps.sums.set_max_entries(number((2 * cpus) << sum_bits)).map_err(size("set the size of the sums"))?;
    maps.lives.set_max_entries(1 << LIFE_BITS).map_err(size("set the size of the locks"))?;
    maps.places.set_max_entries(1 << PLACE_BITS).map_err(size("set the number of places"))?;
    if !options.profile.measures(|stat| stat == Stat::Stack) {
        maps.known_stacks.set_max_entries(1).map_err(size("set the size of a map"))?;
    }
    if !options.filters.types.iter().any(|lock_type| matches!(lock_type, LockType::SocketLock | LockType::BitLock)) {
        maps.slow_paths.set_max_entries(1).map_err(size("set the size of a map"))?;
    }
    if !options.profile.measures(of_moves) {
        maps.lasts.set_max_entries(1).map_err(size("set the size of a map"))?;
    }
    maps.births.set_max_entries(options.buffer_bytes).map_err(size("set the size of the buffer"))?;
    waits.lend(|name, fd| match name {
        "cpu_parts" => maps.cpu_parts.reuse_fd(fd),
        "helds" => maps.helds.reuse_fd(fd),
        "contests" => maps.contests.reuse_fd(fd),
        "rules" => maps.rules.reuse_fd(fd),
        "chosen_locks" => maps.chosen_locks.reuse_fd(fd),
        "sandboxes" => maps.sandboxes.reuse_fd(fd),
        "filter_tgids" => maps.filter_tgids.reuse_fd(fd),
        "filter_tids" => maps.filter_tids.reuse_fd(fd),
        "filter_cpus" => maps.filter_cpus.reuse_fd(fd),
        "filter_tenants" => maps.filter_tenants.reuse_fd(fd),
        "filter_comms" => maps.filter_comms.reuse_fd(fd),
        _ => Ok(()),
    })?;
    let Some(rodata) = maps.rodata_data.as_deref_mut() else {
        return Err(Error::Option("the BPF object lacks its settings".to_owned()));
    };
    let settings = contention::settings(options)?;
    rodata.settings = read_plain(plain(&settings)).unwrap_or_default();
    let profile = &options.profile;
    let acquiring = &mut rodata.acquiring;
    acquiring.cpus = number(cpus);
    acquiring.sum_bits = sum_bits;
    acquiring.life_bits = LIFE_BITS;
    acquiring.place_bits = PLACE_BITS;
    acquiring.stats = stat_bits(options);
    // No process has the largest number.
    acquiring.own_tgid = if profile.own { u32::MAX } else { std::process::id() };
    acquiring.births = profile.sample.is_empty().into();
    acquiring.by_lock = profile.chooses_locks().into();
    acquiring.by_place = (!profile.lock_places.is_empty()).into();
    acquiring.by_site = (!profile.sites.is_empty()).into();
    for &(lock_type, every) in &profile.sample {
        if let Some(sample) = acquiring.sample.get_mut(lock_type as usize) {
            *sample = every;
        }
    }
    Ok(())
}

/// Code that gives a place its flags: functions that take locks for their callers, and the sites that were chosen.
fn ranges(
    options: &contention::Options,
    symbols: &KernelSymbols,
    notes: &mut Vec<String>,
) -> Result<Vec<types::range>, Error> {
    let wrappers = symbols.functions().filter(|function| matches!(part(function.name), Part::Wrapper | Part::Named));
    let wrappers = wrappers.map(|function| (function.address, function.size, PLACE_WRAPPER));
    let machinery = symbols.functions().filter(|function| is_machinery(function.name));
    let machinery = machinery.map(|function| (function.address, function.size, PLACE_MACHINERY));
    let machinery = machinery.filter(|_| options.filters.types.contains(&LockType::Rcu));
    let sites = options.profile.sites.iter().map(|&(start, size)| (start, size, PLACE_CHOSEN));
    let ranges: Vec<_> = sites
        .chain(machinery)
        .chain(wrappers)
        .map(|(start, size, flags)| types::range { start, size, flags })
        .collect();
    if options.profile.sites.len() > RANGES / 2 {
        return Err(Error::Option(format!("--site: {} functions are the most", RANGES / 2)));
    }
    if ranges.len() > RANGES {
        let more = ranges.len() - RANGES;
        notes.push(format!("{more} functions that take locks for their callers pass for callers: there are too many"));
    }
    Ok(ranges)
}

/// Whether a function is of what the kernel runs around BPF programs: its read sections of RCU are no work of the machine's.
fn is_machinery(name: &str) -> bool {
    const PARTS: [&str; 5] = ["__bpf_prog_enter", "__bpf_prog_exit", "__bpf_tramp_", "bpf_trace_run", "trace_call_bpf"];
    PARTS.iter().any(|part| name.starts_with(part))
}

fn place_ranges(open: &mut OpenAcquisitionsSkel<'_>, ranges: &[types::range], born_types: u32) -> Result<(), Error> {
    let Some(rodata) = open.maps.rodata_data.as_deref_mut() else {
        return Err(Error::Option("the BPF object lacks its settings".to_owned()));
    };
    for (place, range) in rodata.acquiring.ranges.iter_mut().zip(ranges) {
        *place = *range;
    }
    rodata.acquiring.born_types = born_types;
    rodata.acquiring.range_count = ranges.len().min(RANGES) as u32;
    Ok(())
}

/// Writes the places that take a lock that is wanted.
fn write_places(skeleton: &AcquisitionsSkel<'_>, addresses: &[u64]) -> Result<(), Error> {
    let mut table = SlotTable::new(1 << PLACE_BITS, PLACE_WINDOW);
    for &address in addresses {
        let slot = table.claim(address).ok_or_else(|| Error::Option("--lock: too many places take it".to_owned()))?;
        let place = types::place { address, flags: PLACE_READY | PLACE_OF_LOCK, zero: 0 };
        let map = &skeleton.maps.places;
        map.update(&slot.to_ne_bytes(), plain(&place), MapFlags::ANY).map_err(Error::map("choose a place"))?;
    }
    Ok(())
}

/// Places that are told apart, and in how many slots one may lie (`bpf/places.bpf.h`).
const PLACE_BITS: u32 = 16;
const PLACE_WINDOW: u32 = 8;
/// The flags of a place, and how many ranges there may be (`bpf/acquisitions.h`).
const PLACE_READY: u32 = 1;
const PLACE_WRAPPER: u32 = 2;
const PLACE_CHOSEN: u32 = 4;
const PLACE_OF_LOCK: u32 = 8;
const PLACE_MACHINERY: u32 = 16;
const RANGES: usize = 128;

/// These numbers with what the header calls them, for the test of both sides.
#[cfg(test)]
pub(super) const DEFINED: [(&str, u64); 12] = [
    ("PLACE_READY", PLACE_READY as u64),
    ("PLACE_WRAPPER", PLACE_WRAPPER as u64),
    ("PLACE_CHOSEN", PLACE_CHOSEN as u64),
    ("PLACE_OF_LOCK", PLACE_OF_LOCK as u64),
    ("PLACE_MACHINERY", PLACE_MACHINERY as u64),
    ("RANGES", RANGES as u64),
    ("RECORD_BIRTH", RECORD_BIRTH as u64),
    ("RECORD_SPILL", RECORD_SPILL as u64),
    ("STAT_WAIT", Stat::Wait as u64),
    ("STAT_HOLD_HIST", Stat::HoldHist as u64),
    ("STAT_STACK", Stat::Stack as u64),
    ("STAT_FAST_SLOW", Stat::FastSlow as u64),
];

fn ring_buffer<'obj>(
    skeleton: &AcquisitionsSkel<'obj>,
    records: &Rc<RefCell<Records>>,
) -> Result<RingBuffer<'obj>, Error> {
    let records = Rc::clone(records);
    let mut builder = RingBufferBuilder::new();
    let take = move |bytes: &[u8]| {
        let mut records = records.borrow_mut();
        // The kinds of records differ in size.
        match (read_plain::<types::birth>(bytes), read_plain::<types::spill>(bytes)) {
            (Some(birth), _) if birth.kind == RECORD_BIRTH => records.births.push(birth),
            (_, Some(spill)) if spill.kind == RECORD_SPILL => records.spilled.push(spill),
            // Without anything to learn from it, the memory is left off.
            _ => {
                let mut whole = [0; size_of::<stack_record>()];
                let length = bytes.len().min(whole.len());
                whole[..length].copy_from_slice(&bytes[..length]);
                records.stacks.extend(read_plain::<stack_record>(&whole).map(Box::new));
            }
        }
        0
    };
    builder.add(&skeleton.maps.births, take).map_err(Error::map("open the buffer of initialisations"))?;
    builder.build().map_err(Error::map("open the buffer of initialisations"))
}

/// `bpf/acquisitions.h`.
const RECORD_BIRTH: u32 = 16;
const RECORD_SPILL: u32 = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_stay_within_their_memory() {
        assert_eq!(sum_bits(16384, 2), 14);
        assert_eq!(sum_bits(1, 2), 6);
        for cpus in [1, 64, 512, 4096] {
            let bytes = 2 * cpus * (size_of::<types::sum>() << sum_bits(1 << 22, cpus));
            assert!(bytes <= SUMS_BYTES || sum_bits(1 << 22, cpus) == 6, "{cpus} CPUs: {bytes} bytes");
        }
    }
}
