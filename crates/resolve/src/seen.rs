//! The locks of a trace: where each was taken, and what the kernel told of it at the time.

use crate::Error;
use crate::evidence::family_named;
use crate::evidence::slab::Slot;
use crate::rows::Rows;
use arrow::array::{Array, AsArray};
use arrow::datatypes::UInt64Type;
use lima_model::{LockType, Table};
use lima_trace::Trace;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// A lock taken, or waited for, at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Its address.
    pub lock: u64,
    /// Which lock at the address.
    pub life: u32,
    /// The stack.
    pub stack: u64,
    /// Its type, as the tracing side tells types apart.
    pub lock_type: LockType,
    /// Where in a slab object it lies, by its number in [`Seen::slots`].
    pub slot: Option<u32>,
    /// How often it was acquired.
    pub acquisitions: u64,
    /// How long it was waited for, nanoseconds.
    pub wait_ns: u64,
}

/// Where a life of a lock began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// The stack.
    pub stack: u64,
    /// The lock's type.
    pub lock_type: LockType,
    /// The name that the kernel gave it.
    pub name: String,
}

/// What a trace says of its locks.
#[derive(Debug, Default)]
pub struct Seen {
    /// Each combination of lock, life and stack.
    pub uses: Vec<Use>,
    /// The places in slab objects.
    pub slots: Vec<Slot>,
    /// Initialisations, by lock and life.
    pub inits: FxHashMap<(u64, u32), Init>,
    /// Locks that lie on a kernel stack, by lock and life.
    pub on_stack: FxHashSet<(u64, u32)>,
    /// The addresses of kernel stacks, innermost first.
    pub stacks: FxHashMap<u64, Vec<u64>>,
    known: FxHashMap<(u64, u32, u64), u32>,
    slot_numbers: FxHashMap<Slot, u32>,
    caches: FxHashMap<String, Arc<str>>,
}

impl Seen {
    /// Reads the tables.
    pub fn of(trace: &Trace) -> Result<Self, Error> {
        let mut seen = Self::default();
        seen.add(trace, Table::Acquisitions, Some("acquisitions"), None)?;
        seen.add(trace, Table::Totals, None, Some("wait_ns_total"))?;
        seen.add(trace, Table::Events, None, None)?;
        seen.add_inits(trace)?;
        for batch in trace.read(Table::Instances) {
            let rows = Rows { batch: &batch?, table: Table::Instances };
            let (locks, lives, kinds) = (rows.numbers("lock")?, rows.small("life")?, rows.texts("kind")?);
            let stacks = (0..rows.batch.num_rows()).filter(|&row| kinds.value(row) == "stack");
            seen.on_stack.extend(stacks.map(|row| (locks.value(row), lives.value(row))));
        }
        for batch in trace.read(Table::Stacks) {
            let rows = Rows { batch: &batch?, table: Table::Stacks };
            let (ids, kinds, lists) = (rows.numbers("stack_id")?, rows.texts("kind")?, rows.lists("addresses")?);
            for row in (0..rows.batch.num_rows()).filter(|&row| kinds.value(row) == "kernel") {
                let list = lists.value(row);
                let addresses = list.as_primitive_opt::<UInt64Type>().ok_or_else(|| rows.wrong("addresses"))?;
                seen.stacks.insert(ids.value(row), addresses.values().to_vec());
            }
        }
        Ok(seen)
    }

    /// Adds a table's combinations. `count` and `time` are the columns of what each weighs.
    fn add(&mut self, trace: &Trace, table: Table, count: Option<&str>, time: Option<&str>) -> Result<(), Error> {
        for batch in trace.read(table) {
            let rows = Rows { batch: &batch?, table };
            let (locks, types, stacks) = (rows.numbers("lock")?, rows.texts("lock_type")?, rows.numbers("stack_id")?);
            let lives = if table == Table::Acquisitions { Some(rows.small("life")?) } else { None };
            let (caches, offsets) = (rows.texts("slab_cache")?, rows.small("slab_offset")?);
            let counts = count.map(|name| rows.numbers(name)).transpose()?;
            let times = time.map(|name| rows.numbers(name)).transpose()?;
            for row in 0..rows.batch.num_rows() {
                let Some(lock_type) = family_named(types.value(row)) else { continue };
                let life = lives.map_or(0, |lives| lives.value(row));
                let slot = (caches.is_valid(row) && offsets.is_valid(row))
                    .then(|| self.slot(caches.value(row), offsets.value(row)));
                let key = (locks.value(row), life, stacks.value(row));
                let number = *self.known.entry(key).or_insert_with(|| {
                    let (lock, life, stack) = key;
                    self.uses.push(Use { lock, life, stack, lock_type, slot, acquisitions: 0, wait_ns: 0 });
                    u32::try_from(self.uses.len() - 1).unwrap_or(u32::MAX)
                });
                let used = &mut self.uses[number as usize];
                used.slot = used.slot.or(slot);
                used.acquisitions = used.acquisitions.saturating_add(counts.map_or(0, |counts| counts.value(row)));
                used.wait_ns = used.wait_ns.saturating_add(times.map_or(0, |times| times.value(row)));
            }
        }
        Ok(())
    }

    fn add_inits(&mut self, trace: &Trace) -> Result<(), Error> {
        for batch in trace.read(Table::Inits) {
            let rows = Rows { batch: &batch?, table: Table::Inits };
            let (locks, lives, types) = (rows.numbers("lock")?, rows.small("life")?, rows.texts("lock_type")?);
            let (stacks, names) = (rows.numbers("stack_id")?, rows.texts("name")?);
            for row in 0..rows.batch.num_rows() {
                let Some(lock_type) = family_named(types.value(row)) else { continue };
                let init = Init { stack: stacks.value(row), lock_type, name: names.value(row).to_owned() };
                self.inits.insert((locks.value(row), lives.value(row)), init);
            }
        }
        Ok(())
    }

    fn slot(&mut self, cache: &str, offset: u32) -> u32 {
        let cache = match self.caches.get(cache) {
            Some(known) => Arc::clone(known),
            None => {
                let kept: Arc<str> = cache.into();
                self.caches.insert(cache.to_owned(), Arc::clone(&kept));
                kept
            }
        };
        let slot = Slot { cache, offset };
        if let Some(&number) = self.slot_numbers.get(&slot) {
            return number;
        }
        let number = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(slot.clone());
        self.slot_numbers.insert(slot, number);
        number
    }
}
