//! Small traces made up in memory, for tests of what is made from traces.

mod acquired;
mod event;
mod named;
mod resolved;

pub use acquired::Acquired;
pub use event::Event;
pub use named::Named;
pub use resolved::{LineRow, ObjectRow};

use crate::about::About;
use crate::analysis::Analysis;
use anyhow::Result;
use arrow::array::{
    ArrayRef, ListBuilder, PrimitiveBuilder, RecordBatch, StringArray, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, UInt16Type, UInt64Type};
use lima_model::histogram::bucket_of;
use lima_model::manifest::{Ended, Kernel};
use lima_model::{Losses, Manifest, Table};
use lima_trace::Writer;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A row of the totals.
#[derive(Clone, Debug, Default)]
pub struct Total {
    /// Its time bucket.
    pub time_ns: u64,
    /// Address of the lock.
    pub lock: u64,
    /// Its type.
    pub lock_type: &'static str,
    /// Read, write or exclusive.
    pub mode: &'static str,
    /// The waiter's kernel stack.
    pub stack_id: u64,
    /// The waiter's user stack.
    pub user_stack_id: u64,
    /// Who waited.
    pub waiter: u32,
    /// Who held the lock.
    pub holder: u32,
    /// How that is known.
    pub method: &'static str,
    /// Slab cache and offset of the lock.
    pub slab: Option<(String, u32)>,
    /// The waits, one by one.
    pub waits: Vec<u64>,
    /// The parts of the waits that the holder, nobody, and who knows who held the lock.
    pub parts: [u64; 3],
}

/// A row of the tasks: tid, comm, tenant, lock type, waits, nanoseconds.
pub type TaskTotal = (u32, String, u32, &'static str, u64, u64);

/// A row of the frames: process (0: the kernel), address, name, offset, module.
pub type FrameName = (u32, u64, Option<String>, u64, Option<String>);

/// A made-up trace.
#[derive(Clone, Debug, Default)]
pub struct Synthetic {
    /// The totals.
    pub totals: Vec<Total>,
    /// The single waits.
    pub events: Vec<Event>,
    /// The acquisitions.
    pub acquired: Vec<Acquired>,
    /// Lock types of which a sample was recorded, one in so many.
    pub sample: BTreeMap<String, u32>,
    /// Which objects locks lie in.
    pub instances: Vec<Named>,
    /// Begin and name of phases.
    pub phases: Vec<(u64, String)>,
    /// The tasks.
    pub tasks: Vec<TaskTotal>,
    /// Stacks: id, process (`None`: the kernel), addresses.
    pub stacks: Vec<(u64, Option<u32>, Vec<u64>)>,
    /// Names of addresses.
    pub frames: Vec<FrameName>,
    /// What locks protect, as `lima resolve` finds it.
    pub objects: Vec<ObjectRow>,
    /// Addresses as places in the source, as `lima resolve` finds them.
    pub lines: Vec<LineRow>,
    /// Tenants from number 3 on; one whose name is a path has that path.
    pub tenants: Vec<(u32, String)>,
    /// The build id of the kernel.
    pub build_id: String,
    /// What was lost.
    pub losses: Losses,
    /// Notes of the recorder.
    pub notes: Vec<String>,
}

impl Total {
    /// A row about waits for a mutex in a slab object, held by `holder` all the time.
    pub fn mutex(waiter: u32, holder: u32, waits: &[u64]) -> Self {
        Self {
            lock: 0xffff_8880_0000_1098,
            lock_type: "mutex",
            mode: "exclusive",
            stack_id: 1,
            waiter,
            holder,
            method: "owner_word",
            slab: Some(("inode_cache".to_owned(), 0x98)),
            waits: waits.to_vec(),
            parts: [waits.iter().sum(), 0, 0],
            ..Self::default()
        }
    }
}

impl Synthetic {
    /// Two tenants, `a` (3) and `b` (4), that wait for a mutex in an inode, a spinlock that has no owner, and an rwsem
    /// that is a variable of the kernel.
    pub fn sample() -> Self {
        let kernel = |address, name: &str, offset| (0, address, Some(name.to_owned()), offset, None);
        let ms = 1_000_000;
        let mut inode = Total::mutex(4, 3, &[80 * ms, 20 * ms]);
        inode.parts = [90 * ms, 8 * ms, 2 * ms];
        let mut back = Total::mutex(3, 4, &[ms]);
        back.time_ns = 1_000_000_000;
        let spin = Total {
            lock: 0xffff_8880_0000_2000,
            lock_type: "spinlock",
            mode: "exclusive",
            stack_id: 2,
            waiter: 3,
            holder: 0,
            method: "unknown",
            waits: vec![1_500; 1_000],
            parts: [0, 0, 1_500_000],
            ..Total::default()
        };
        let rwsem = Total {
            lock: 0xffff_ffff_8200_0000,
            lock_type: "rwsem",
            mode: "read",
            stack_id: 3,
            waiter: 4,
            holder: 4,
            method: "last_reader",
            waits: vec![3 * ms],
            parts: [3 * ms, 0, 0],
            ..Total::default()
        };
        Self {
            totals: vec![inode, back, spin, rwsem],
            events: Self::sample_events(),
            acquired: Vec::new(),
            sample: BTreeMap::new(),
            instances: vec![(0, 0xffff_8880_0000_1098, 0, "inode 12 of ext4 8:1".into(), None)],
            phases: vec![(0, "start".into())],
            tasks: vec![
                (100, "fio".into(), 4, "mutex", 2, 100 * ms),
                (200, "dd".into(), 3, "spinlock", 1_000, 1_500_000),
            ],
            stacks: vec![
                (1, None, vec![0x1010, 0x2020, 0x9000]),
                (2, None, vec![0x3030, 0x4040, 0x9000]),
                (3, None, vec![0x5050]),
                (4, None, vec![0x6060, 0x7070, 0x9000]),
                (5, None, vec![0x8080, 0x2040, 0x9000]),
            ],
            frames: vec![
                kernel(0x1010, "__mutex_lock.constprop.0", 0x10),
                kernel(0x2020, "do_renameat2", 0x1a),
                kernel(0x3030, "_raw_spin_lock", 0x30),
                kernel(0x4040, "futex_wake", 0x44),
                kernel(0x9000, "do_syscall_64", 0x71),
                kernel(0x5050, "rwsem_down_read_slowpath", 0x50),
                kernel(0x6060, "io_schedule", 0x60),
                kernel(0x7070, "ext4_find_entry", 0x70),
                kernel(0x8080, "mutex_unlock", 0x80),
                kernel(0x2040, "do_renameat2", 0x3a),
                kernel(0xffff_ffff_8200_0000, "tasklist_lock", 0),
            ],
            objects: Vec::new(),
            lines: Vec::new(),
            tenants: vec![(3, "a".into()), (4, "b".into())],
            build_id: String::new(),
            losses: Losses::none(),
            notes: Vec::new(),
        }
    }

    /// The same trace as `lima resolve` leaves it: the mutex is known, of the spinlock the evidence contradicts itself, of the
    /// rwsem there is none.
    pub fn resolved(mut self) -> Self {
        self.objects = vec![
            (0xffff_8880_0000_1098, 0, 1, "super_block.s_vfs_rename_mutex", "site"),
            (0xffff_8880_0000_2000, 0, 2, "conflict", "conflict"),
            (0xffff_ffff_8200_0000, 0, 3, "unknown", "unknown"),
        ];
        let rename = vec![("lock_rename", "fs/namei.c", 2980), ("do_renameat2", "fs/namei.c", 4910)];
        let futex =
            vec![("spin_lock", "include/linux/spinlock.h", 351), ("futex_wake", "kernel/futex/waitwake.c", 160)];
        self.lines = vec![(0x2020, rename), (0x4040, futex)];
        self
    }

    /// The longest two of the waits for the mutex, and the one for the rwsem.
    fn sample_events() -> Vec<Event> {
        let ms = 1_000_000;
        let long = Event {
            begin_ns: 120 * ms,
            parts: [70 * ms, 2 * ms, 6 * ms, 2 * ms],
            spin_ns: ms,
            lock: 0xffff_8880_0000_1098,
            lock_type: "mutex",
            mode: "exclusive",
            waiter: ("fio".into(), 101, 100, 4),
            stacks: [1, 0],
            slab: Some(("inode_cache".into(), 0x98)),
            holder: Some(("dd".into(), 201, 200)),
            holder_tenant: 3,
            holder_stacks: [4, 5],
            method: "owner_word+waker",
            ..Event::default()
        };
        let short = Event {
            begin_ns: 300 * ms,
            parts: [20 * ms, 0, 0, 0],
            spin_ns: 0,
            result: -4,
            holder_stacks: [0, 0],
            method: "owner_word",
            ..long.clone()
        };
        let rwsem = Event {
            begin_ns: 400 * ms,
            parts: [0, 0, 0, 3 * ms],
            lock: 0xffff_ffff_8200_0000,
            lock_type: "rwsem",
            mode: "read",
            stacks: [3, 0],
            slab: None,
            holder: None,
            holder_tenant: 0,
            method: "unknown",
            ..short.clone()
        };
        vec![short, long, rwsem]
    }

    /// The front page.
    pub fn about(&self) -> About {
        let mut manifest = Manifest::begin("0.0.0");
        manifest.host = "box".into();
        manifest.kernel =
            Kernel { release: "6.18.44".into(), build_id: self.build_id.clone(), cpus: 2, ..Kernel::default() };
        manifest.clock.duration_ns = 2_000_000_000;
        manifest.options.bucket_ns = 1_000_000_000;
        manifest.options.sample = self.sample.clone();
        manifest.ended = Ended::Duration;
        manifest.losses = self.losses.clone();
        manifest.notes = self.notes.clone();
        let complete = self.losses.is_none();
        About { path: "made-up.lima".into(), manifest, losses: self.losses.clone(), complete }
    }

    /// The trace, opened for questions.
    pub fn analysis(&self) -> Result<Analysis> {
        Analysis::of_batches(self.about(), self.tables()?)
    }

    /// The trace, written into a folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut manifest = self.about().manifest;
        manifest.complete = self.losses.is_none();
        let mut writer = Writer::create(folder, &manifest)?;
        for (table, batch) in self.tables()? {
            writer.append(table, &batch)?;
        }
        writer.finish(&manifest)?;
        Ok(())
    }

    fn tables(&self) -> Result<Vec<(Table, RecordBatch)>> {
        Ok(vec![
            (Table::Totals, self.totals()?),
            (Table::Events, self.events()?),
            (Table::Tasks, self.tasks()?),
            (Table::Acquisitions, self.acquisitions()?),
            (Table::Inits, self.inits()?),
            (Table::Stacks, self.stacks()?),
            (Table::Frames, self.frames()?),
            (Table::Tenants, self.tenants()?),
            (Table::Phases, self.phases()?),
            (Table::Objects, self.objects()?),
            (Table::Lines, self.lines()?),
            (Table::Instances, self.instances()?),
        ])
    }

    fn totals(&self) -> Result<RecordBatch> {
        let rows = &self.totals;
        let u64s = |value: fn(&Total) -> u64| -> ArrayRef { Arc::new(rows.iter().map(value).collect::<UInt64Array>()) };
        let texts =
            |value: fn(&Total) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(value))) };
        let u32s =
            |value: fn(&Total) -> u32| -> ArrayRef { Arc::new(UInt32Array::from_iter_values(rows.iter().map(value))) };
        let histogram = |row: &Total| {
            let mut buckets = BTreeMap::new();
            row.waits.iter().for_each(|&ns| *buckets.entry(bucket_of(ns) as u16).or_insert(0u64) += 1);
            buckets
        };
        let total = |row: &Total| row.waits.iter().sum();
        Ok(RecordBatch::try_new(
            Table::Totals.schema(),
            vec![
                u64s(|row| row.time_ns),
                u64s(|row| row.lock),
                texts(|row| row.lock_type),
                texts(|row| row.mode),
                texts(|_| "task"),
                u64s(|row| row.stack_id),
                u64s(|row| row.user_stack_id),
                u32s(|row| row.waiter),
                u32s(|row| row.holder),
                texts(|row| row.method),
                Arc::new(rows.iter().map(|row| row.slab.as_ref().map(|(cache, _)| cache)).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| row.slab.as_ref().map(|&(_, offset)| offset)).collect::<UInt32Array>()),
                u64s(|row| row.waits.len() as u64),
                u64s(|_| 0),
                u64s(total),
                u64s(|row| row.waits.iter().copied().min().unwrap_or(0)),
                u64s(|row| row.waits.iter().copied().max().unwrap_or(0)),
                u64s(total),
                u64s(|_| 0),
                u64s(|row| row.parts[0]),
                u64s(|row| row.parts[1]),
                u64s(|row| row.parts[2]),
                lists::<UInt16Type>(rows.iter().map(|row| histogram(row).into_keys().collect()), DataType::UInt16),
                lists::<UInt64Type>(rows.iter().map(|row| histogram(row).into_values().collect()), DataType::UInt64),
            ],
        )?)
    }

    fn tasks(&self) -> Result<RecordBatch> {
        let rows = &self.tasks;
        let u64s =
            |value: fn(&TaskTotal) -> u64| -> ArrayRef { Arc::new(rows.iter().map(value).collect::<UInt64Array>()) };
        let u32s = |value: fn(&TaskTotal) -> u32| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(value)))
        };
        Ok(RecordBatch::try_new(
            Table::Tasks.schema(),
            vec![
                u64s(|_| 0),
                u32s(|row| row.0),
                u32s(|row| row.0),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1))),
                u32s(|row| row.2),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.3))),
                u64s(|row| row.4),
                u64s(|row| row.5),
                u64s(|row| row.5),
                u64s(|row| row.5),
                u64s(|_| 0),
            ],
        )?)
    }

    fn stacks(&self) -> Result<RecordBatch> {
        let rows = &self.stacks;
        let kinds = rows.iter().map(|row| if row.1.is_some() { "user" } else { "kernel" });
        Ok(RecordBatch::try_new(
            Table::Stacks.schema(),
            vec![
                Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0))),
                Arc::new(StringArray::from_iter_values(kinds)),
                Arc::new(rows.iter().map(|row| row.1).collect::<UInt32Array>()),
                lists::<UInt64Type>(rows.iter().map(|row| row.2.clone()), DataType::UInt64),
                Arc::new(UInt16Array::from_iter_values(rows.iter().map(|_| 0))),
            ],
        )?)
    }

    fn frames(&self) -> Result<RecordBatch> {
        let rows = &self.frames;
        Ok(RecordBatch::try_new(
            Table::Frames.schema(),
            vec![
                Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.0))),
                Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.1))),
                Arc::new(rows.iter().map(|row| row.2.clone()).collect::<StringArray>()),
                Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.3))),
                Arc::new(rows.iter().map(|row| row.4.clone()).collect::<StringArray>()),
                Arc::new(rows.iter().map(|_| None::<String>).collect::<StringArray>()),
                Arc::new(rows.iter().map(|_| None::<u64>).collect::<UInt64Array>()),
            ],
        )?)
    }

    fn phases(&self) -> Result<RecordBatch> {
        let begins = UInt64Array::from_iter_values(self.phases.iter().map(|row| row.0));
        let names = StringArray::from_iter_values(self.phases.iter().map(|row| &row.1));
        Ok(RecordBatch::try_new(Table::Phases.schema(), vec![Arc::new(begins), Arc::new(names)])?)
    }

    fn tenants(&self) -> Result<RecordBatch> {
        let rows = &self.tenants;
        let none = || Arc::new(rows.iter().map(|_| None::<String>).collect::<StringArray>());
        let paths = rows.iter().map(|(_, name)| name.starts_with('/').then_some(name));
        Ok(RecordBatch::try_new(
            Table::Tenants.schema(),
            vec![
                Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.0))),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.1))),
                Arc::new(StringArray::from_iter_values(rows.iter().map(|_| "cgroup"))),
                Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| u64::from(row.0)))),
                Arc::new(paths.collect::<StringArray>()),
                none(),
                none(),
            ],
        )?)
    }
}

fn lists<T: ArrowPrimitiveType>(rows: impl Iterator<Item = Vec<T::Native>>, item: DataType) -> ArrayRef {
    let mut list = ListBuilder::new(PrimitiveBuilder::<T>::new()).with_field(Field::new("item", item, false));
    rows.for_each(|row| {
        list.values().append_slice(&row);
        list.append(true);
    });
    Arc::new(list.finish())
}
