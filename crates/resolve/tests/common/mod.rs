//! Made-up indexes and traces.

#![allow(dead_code, reason = "each test file uses a part of it")]

use arrow::array::{ArrayRef, ListArray, RecordBatch, StringArray, UInt16Array, UInt32Array, UInt64Array};
use arrow::array::{new_empty_array, new_null_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use lima_index::debug::Frame;
use lima_index::rows::{CallRow, FunctionRow, GlobalLock, LockMember, SectionRow, SiteRow};
use lima_index::store::{self, Index, Part};
use lima_model::manifest::Ended;
use lima_model::schema::{Column, Kind};
use lima_model::words::{Mode, Operation, SiteMethod};
use lima_model::{IndexManifest, LockType, Manifest, Table};
use lima_trace::{Trace, Writer};
use std::sync::Arc;
use tempfile::TempDir;

pub const TEXT: u64 = 0xffff_ffff_8100_0000;
pub const DATA: u64 = 0xffff_ffff_8200_0000;
pub const PER_CPU: u64 = 0x1000;
pub const MODULE: u64 = 0xffff_ffff_f000_0000;
/// How far the traced kernel lies from there, and how far the module.
pub const SLIDE: u64 = 0x1200_0000;
pub const MODULE_SLIDE: u64 = 0x0600_0000;

pub fn function(address: u64, name: &str) -> FunctionRow {
    FunctionRow {
        address,
        bytes: 0x100,
        name: name.into(),
        aliases: Vec::new(),
        cold: Vec::new(),
        role: "locks",
        file: None,
        line: None,
    }
}

pub fn call(address: u64, caller: u64, callee: u64, kind: &'static str) -> CallRow {
    let frame = |function: &str, file: &str, line| Frame { function: function.into(), file: file.into(), line };
    let frames = vec![frame("inlined", "include/linux/fs.h", 7), frame("outer", "fs/demo.c", 70)];
    CallRow { address, caller, callee: Some(callee), kind, member: None, frames }
}

pub fn site(address: u64, function: u64, lock_type: LockType, object: &str, alternatives: &[&str]) -> SiteRow {
    let known = object != "unknown";
    SiteRow {
        address,
        function,
        frames: Vec::new(),
        operation: Operation::Acquire,
        primitive: "_raw_spin_lock".into(),
        lock_type,
        mode: Mode::Exclusive,
        object: object.to_owned(),
        lock_address: None,
        alternatives: alternatives.iter().map(|text| (*text).to_owned()).collect(),
        method: if known { SiteMethod::Flow } else { SiteMethod::Unknown },
        cause: "",
        lock_name: None,
        class_key: None,
    }
}

pub fn member(composite: &str, path: &str, object: &str, offset: u32, lock_type: LockType) -> LockMember {
    let (declaring, declared) = object.split_once('.').unwrap();
    LockMember {
        composite: composite.into(),
        path: path.to_owned(),
        declaring: declaring.into(),
        declared_path: declared.to_owned(),
        offset,
        bytes: 4,
        lock_type,
        array_count: None,
        composite_bytes: 512,
        line_mates: Vec::new(),
    }
}

pub fn global(address: u64, symbol: &str, path: &str, of: &str, per_cpu: bool) -> GlobalLock {
    GlobalLock {
        symbol: symbol.to_owned(),
        function: None,
        address,
        section: ".data".to_owned(),
        per_cpu,
        path: path.to_owned(),
        lock_type: LockType::Spinlock,
        bytes: 4,
        variable_type: of.to_owned(),
        method: if of.is_empty() { "site" } else { "debug" },
    }
}

pub fn section(name: &str, address: u64, executable: bool, per_cpu: bool) -> SectionRow {
    SectionRow { name: name.to_owned(), address, bytes: 0x10_0000, executable, per_cpu }
}

/// A use of a lock: lock, type, stack, slab cache and offset, how often.
#[derive(Clone, Debug)]
pub struct Used {
    pub lock: u64,
    pub lock_type: &'static str,
    pub stack: u64,
    pub slab: Option<(&'static str, u32)>,
    pub life: u32,
    pub acquisitions: u64,
}

impl Used {
    pub fn at(lock: u64, stack: u64) -> Self {
        Self { lock, lock_type: "spinlock", stack, slab: None, life: 0, acquisitions: 1 }
    }

    pub fn in_slab(self, cache: &'static str, offset: u32) -> Self {
        Self { slab: Some((cache, offset)), ..self }
    }
}

/// A made-up trace.
#[derive(Clone, Debug, Default)]
pub struct Made {
    pub uses: Vec<Used>,
    /// Locks on kernel stacks.
    pub on_stack: Vec<u64>,
    /// Stacks by number, innermost address first.
    pub stacks: Vec<(u64, Vec<u64>)>,
    /// Names of addresses: symbol, offset, module.
    pub frames: Vec<(u64, String, u64, Option<String>)>,
    /// Initialisations: lock, life, stack, name.
    pub inits: Vec<(u64, u32, u64, String)>,
    pub per_cpu: Vec<u64>,
}

impl Made {
    /// Adds a stack of places in functions: address in the trace, function and offset, module.
    pub fn stack(&mut self, number: u64, places: &[(u64, &str, u64, Option<&str>)]) -> &mut Self {
        self.stacks.push((number, places.iter().map(|place| place.0).collect()));
        for &(address, symbol, offset, module) in places {
            self.frames.push((address, symbol.to_owned(), offset, module.map(str::to_owned)));
        }
        self
    }

    /// The trace and the index on disk; they go with the first value.
    pub fn with(&self, parts: &mut [Part]) -> (TempDir, Trace, Index) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("made-up.limaindex");
        parts.iter_mut().for_each(Part::sort);
        let mut manifest = IndexManifest { build_id: "abcd".into(), ..Default::default() };
        store::write(&folder, &mut manifest, parts).unwrap();
        let trace = home.path().join("made-up.lima");
        self.write(&trace);
        (home, Trace::open(&trace).unwrap(), Index::open(&folder).unwrap())
    }

    fn write(&self, folder: &std::path::Path) {
        let mut manifest = Manifest { ended: Ended::Duration, ..Manifest::begin("test") };
        manifest.kernel.build_id = "abcd".into();
        manifest.kernel.per_cpu.clone_from(&self.per_cpu);
        let mut writer = Writer::create(folder, &manifest).unwrap();
        let uses = &self.uses;
        let numbers = |values: Vec<u64>| -> ArrayRef { Arc::new(UInt64Array::from(values)) };
        let small = |values: Vec<u32>| -> ArrayRef { Arc::new(UInt32Array::from(values)) };
        let texts = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
        writer
            .append(
                Table::Acquisitions,
                &batch(Table::Acquisitions, uses.len(), |name| {
                    Some(match name {
                        "lock" => numbers(uses.iter().map(|used| used.lock).collect()),
                        "life" => small(uses.iter().map(|used| used.life).collect()),
                        "lock_type" => texts(uses.iter().map(|used| used.lock_type).collect()),
                        "stack_id" => numbers(uses.iter().map(|used| used.stack).collect()),
                        "acquisitions" => numbers(uses.iter().map(|used| used.acquisitions).collect()),
                        "slab_cache" => {
                            Arc::new(uses.iter().map(|used| used.slab.map(|it| it.0)).collect::<StringArray>())
                        }
                        "slab_offset" => {
                            Arc::new(uses.iter().map(|used| used.slab.map(|it| it.1)).collect::<UInt32Array>())
                        }
                        _ => return None,
                    })
                }),
            )
            .unwrap();
        let lengths = self.stacks.iter().map(|(_, addresses)| addresses.len());
        let values = UInt64Array::from_iter_values(self.stacks.iter().flat_map(|(_, addresses)| addresses.clone()));
        let item = Arc::new(Field::new("item", DataType::UInt64, false));
        let lists = ListArray::new(item, OffsetBuffer::from_lengths(lengths), Arc::new(values), None);
        writer
            .append(
                Table::Stacks,
                &batch(Table::Stacks, self.stacks.len(), |name| {
                    Some(match name {
                        "stack_id" => numbers(self.stacks.iter().map(|stack| stack.0).collect()),
                        "kind" => texts(self.stacks.iter().map(|_| "kernel").collect()),
                        "addresses" => Arc::new(lists.clone()),
                        _ => return None,
                    })
                }),
            )
            .unwrap();
        writer
            .append(
                Table::Frames,
                &batch(Table::Frames, self.frames.len(), |name| {
                    Some(match name {
                        "tgid" => small(self.frames.iter().map(|_| 0).collect()),
                        "address" => numbers(self.frames.iter().map(|frame| frame.0).collect()),
                        "symbol" => texts(self.frames.iter().map(|frame| &*frame.1).collect()),
                        "offset" => numbers(self.frames.iter().map(|frame| frame.2).collect()),
                        "module" => {
                            Arc::new(self.frames.iter().map(|frame| frame.3.as_deref()).collect::<StringArray>())
                        }
                        _ => return None,
                    })
                }),
            )
            .unwrap();
        writer
            .append(
                Table::Instances,
                &batch(Table::Instances, self.on_stack.len(), |name| {
                    Some(match name {
                        "lock" => numbers(self.on_stack.clone()),
                        "kind" => texts(self.on_stack.iter().map(|_| "stack").collect()),
                        _ => return None,
                    })
                }),
            )
            .unwrap();
        writer
            .append(
                Table::Inits,
                &batch(Table::Inits, self.inits.len(), |name| {
                    Some(match name {
                        "lock" => numbers(self.inits.iter().map(|init| init.0).collect()),
                        "life" => small(self.inits.iter().map(|init| init.1).collect()),
                        "lock_type" => texts(self.inits.iter().map(|_| "spinlock").collect()),
                        "stack_id" => numbers(self.inits.iter().map(|init| init.2).collect()),
                        "name" => texts(self.inits.iter().map(|init| &*init.3).collect()),
                        _ => return None,
                    })
                }),
            )
            .unwrap();
        writer.finish(&manifest).unwrap();
    }
}

/// Rows with these columns, and nothing in the others.
fn batch(table: Table, rows: usize, column: impl Fn(&str) -> Option<ArrayRef>) -> RecordBatch {
    let columns = table.columns().iter().map(|it| column(it.name).unwrap_or_else(|| nothing(it, rows))).collect();
    RecordBatch::try_new(table.schema(), columns).unwrap()
}

fn nothing(column: &Column, rows: usize) -> ArrayRef {
    let schema = Table::ALL.iter().find_map(|table| {
        let same = table.columns().iter().position(|other| std::ptr::eq(other, column))?;
        Some(table.schema().field(same).data_type().clone())
    });
    if column.nullable {
        return new_null_array(&schema.unwrap(), rows);
    }
    let empty = |item: DataType| -> ArrayRef {
        let field = Arc::new(Field::new("item", item.clone(), false));
        let offsets = OffsetBuffer::from_lengths((0..rows).map(|_| 0));
        Arc::new(ListArray::new(field, offsets, new_empty_array(&item), None))
    };
    match column.kind {
        Kind::U64 => Arc::new(UInt64Array::from_iter_values((0..rows).map(|_| 0))),
        Kind::U32 => Arc::new(UInt32Array::from_iter_values((0..rows).map(|_| 0))),
        Kind::U16 => Arc::new(UInt16Array::from_iter_values((0..rows).map(|_| 0))),
        Kind::ListU16 => empty(DataType::UInt16),
        Kind::ListU64 => empty(DataType::UInt64),
        _ => Arc::new(StringArray::from_iter_values((0..rows).map(|_| ""))),
    }
}
