//! Single waits of made-up traces.

use super::Synthetic;
use anyhow::Result;
use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use lima_model::Table;
use std::sync::Arc;

/// A row of the events.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// When the wait began.
    pub begin_ns: u64,
    /// The parts of the wait that the holder, holders of other tenants, nobody, and who knows who held the lock.
    pub parts: [u64; 4],
    /// The part spent spinning.
    pub spin_ns: u64,
    /// 0, or the negative errno.
    pub result: i32,
    /// Address of the lock.
    pub lock: u64,
    /// Its type.
    pub lock_type: &'static str,
    /// Read, write or exclusive.
    pub mode: &'static str,
    /// The waiter: name, thread, process, tenant.
    pub waiter: (String, u32, u32, u32),
    /// The waiter's kernel and user stacks.
    pub stacks: [u64; 2],
    /// Slab cache and offset of the lock.
    pub slab: Option<(String, u32)>,
    /// The holder: name, thread, process.
    pub holder: Option<(String, u32, u32)>,
    /// Its tenant.
    pub holder_tenant: u32,
    /// Where it slept, and where the lock was let go.
    pub holder_stacks: [u64; 2],
    /// How it is known.
    pub method: &'static str,
}

impl Event {
    /// How long the wait was.
    fn wait_ns(&self) -> u64 {
        self.parts.iter().sum()
    }
}

impl Synthetic {
    pub(super) fn events(&self) -> Result<RecordBatch> {
        let rows = &self.events;
        let u64s = |value: fn(&Event) -> u64| -> ArrayRef { Arc::new(rows.iter().map(value).collect::<UInt64Array>()) };
        let u32s = |value: fn(&Event) -> Option<u32>| -> ArrayRef {
            Arc::new(rows.iter().map(value).collect::<UInt32Array>())
        };
        let texts = |value: fn(&Event) -> Option<&str>| -> ArrayRef {
            Arc::new(rows.iter().map(value).collect::<StringArray>())
        };
        Ok(RecordBatch::try_new(
            Table::Events.schema(),
            vec![
                u64s(|row| row.begin_ns),
                u64s(Event::wait_ns),
                u64s(|row| row.spin_ns),
                u64s(|row| row.wait_ns() - row.spin_ns),
                u64s(|row| row.parts[0]),
                u64s(|row| row.parts[2]),
                u64s(|row| row.parts[1]),
                u64s(|row| row.parts[3]),
                Arc::new(rows.iter().map(|row| Some(row.result)).collect::<Int32Array>()),
                u64s(|row| row.lock),
                texts(|row| Some(row.lock_type)),
                texts(|row| Some(row.mode)),
                texts(|_| Some("task")),
                u32s(|_| Some(1)),
                u32s(|row| Some(row.waiter.1)),
                u32s(|row| Some(row.waiter.2)),
                texts(|row| Some(&row.waiter.0)),
                u32s(|row| Some(row.waiter.3)),
                u64s(|row| row.stacks[0]),
                u64s(|row| row.stacks[1]),
                texts(|row| row.slab.as_ref().map(|(cache, _)| &**cache)),
                u32s(|row| row.slab.as_ref().map(|&(_, offset)| offset)),
                u32s(|row| row.holder.as_ref().map(|holder| holder.1)),
                u32s(|row| row.holder.as_ref().map(|holder| holder.2)),
                texts(|row| row.holder.as_ref().map(|holder| &*holder.0)),
                u32s(|row| Some(row.holder_tenant)),
                u64s(|row| row.holder_stacks[0]),
                u64s(|_| 0),
                u32s(|_| None),
                texts(|_| None),
                u64s(|row| row.holder_stacks[1]),
                texts(|row| Some(row.method)),
            ],
        )?)
    }
}
