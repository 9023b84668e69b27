//! Rows of the tables, and whole batches of them. The columns are those of `lima_model::schema`, in its order.

use super::sums::Sums;
use crate::instances::{Instance, Lock};
use arrow::array::{
    ArrayRef, Int32Array, ListArray, ListBuilder, PrimitiveBuilder, StringArray, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::datatypes::{ArrowPrimitiveType, Field, UInt16Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use lima_model::{Context, LockType, Method, Mode, Table};
use std::sync::Arc;

/// What makes a row of the totals its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TotalsKey {
    pub lock: u64,
    pub stack: u64,
    pub user_stack: u64,
    pub waiter_tenant: u32,
    pub holder_tenant: u32,
    pub lock_type: LockType,
    pub mode: Mode,
    pub context: Context,
    pub method: Method,
}

/// What a row of the totals says.
#[derive(Clone, Debug, Default)]
pub struct TotalsRow {
    pub slab_cache: Option<Arc<str>>,
    pub slab_offset: Option<u32>,
    pub sums: Sums,
}

#[derive(Debug)]
pub struct EventRow {
    pub begin_ns: u64,
    pub wait_ns: u64,
    pub spin_ns: u64,
    pub held_ns: u64,
    pub free_ns: u64,
    pub other_held_ns: u64,
    pub unknown_ns: u64,
    pub result: i32,
    pub lock: u64,
    pub lock_type: LockType,
    pub mode: Mode,
    pub context: Context,
    pub cpu: u32,
    pub tid: u32,
    pub tgid: u32,
    pub comm: String,
    pub waiter_tenant: u32,
    pub stack: u64,
    pub user_stack: u64,
    pub slab_cache: Option<Arc<str>>,
    pub slab_offset: Option<u32>,
    pub holder: Option<(u32, u32, String)>,
    pub holder_tenant: u32,
    pub holder_stack: u64,
    pub holder_site: u64,
    pub holder_cpu: Option<u32>,
    pub holder_mode: Option<Mode>,
    pub release_stack: u64,
    pub method: Method,
}

#[derive(Debug)]
pub struct TaskRow {
    pub tid: u32,
    pub tgid: u32,
    pub comm: String,
    pub tenant: u32,
    pub lock_type: LockType,
    pub waits: u64,
    pub wait_ns: u64,
    pub max_ns: u64,
    pub spin_ns: u64,
}

#[derive(Debug)]
pub struct StackRow {
    pub number: u64,
    /// 0: the kernel.
    pub tgid: u32,
    pub addresses: Vec<u64>,
    pub truncated: bool,
}

#[derive(Debug, Default)]
pub struct FrameRow {
    pub tgid: u32,
    pub address: u64,
    pub symbol: Option<String>,
    pub offset: u64,
    pub module: Option<String>,
    pub build_id: Option<String>,
    pub file_address: Option<u64>,
}

#[derive(Debug)]
pub struct TenantRow {
    pub number: u32,
    pub name: String,
    pub kind: &'static str,
    pub id: u64,
    pub path: Option<String>,
    pub runtime: Option<&'static str>,
    pub container_id: Option<String>,
}

/// A column from a field of each row.
macro_rules! column {
    ($array:ident, $rows:expr, $row:ident => $value:expr) => {
        Arc::new($array::from_iter_values($rows.iter().map(|$row| $value))) as ArrayRef
    };
    ($array:ident?, $rows:expr, $row:ident => $value:expr) => {
        Arc::new($array::from_iter($rows.iter().map(|$row| $value))) as ArrayRef
    };
}

mod acquired;

pub use acquired::{AcquiredKey, AcquiredRow, InitRow, acquisitions, inits};

fn lists<T: ArrowPrimitiveType>(rows: impl Iterator<Item = impl Iterator<Item = T::Native>>) -> ArrayRef {
    let field = Field::new("item", T::DATA_TYPE, false);
    let mut builder = ListBuilder::new(PrimitiveBuilder::<T>::new()).with_field(field);
    for row in rows {
        row.for_each(|value| builder.values().append_value(value));
        builder.append(true);
    }
    let lists: ListArray = builder.finish();
    Arc::new(lists)
}

fn batch(table: Table, columns: Vec<ArrayRef>) -> RecordBatch {
    // The columns are built beside this, from the same rows: a mismatch is a mistake in this file, and tests find it.
    RecordBatch::try_new(table.schema(), columns).expect("the columns are those of the schema")
}

fn filled(row: &TotalsRow) -> impl Iterator<Item = (usize, u32)> + '_ {
    row.sums.histogram.iter().copied().enumerate().filter(|(_, waits)| *waits > 0)
}

pub fn totals(time_ns: u64, rows: &[(TotalsKey, TotalsRow)]) -> RecordBatch {
    let buckets = rows.iter().map(|(_, row)| filled(row).map(|(bucket, _)| bucket as u16));
    let waits = rows.iter().map(|(_, row)| filled(row).map(|(_, waits)| u64::from(waits)));
    let columns = vec![
        column!(UInt64Array, rows, _row => time_ns),
        column!(UInt64Array, rows, row => row.0.lock),
        column!(StringArray, rows, row => row.0.lock_type.name()),
        column!(StringArray, rows, row => row.0.mode.name()),
        column!(StringArray, rows, row => row.0.context.name()),
        column!(UInt64Array, rows, row => row.0.stack),
        column!(UInt64Array, rows, row => row.0.user_stack),
        column!(UInt32Array, rows, row => row.0.waiter_tenant),
        column!(UInt32Array, rows, row => row.0.holder_tenant),
        column!(StringArray, rows, row => row.0.method.name()),
        column!(StringArray?, rows, row => row.1.slab_cache.as_deref()),
        column!(UInt32Array?, rows, row => row.1.slab_offset),
        column!(UInt64Array, rows, row => row.1.sums.waits),
        column!(UInt64Array, rows, row => row.1.sums.failed),
        column!(UInt64Array, rows, row => row.1.sums.wait_ns),
        column!(UInt64Array, rows, row => row.1.sums.min_ns),
        column!(UInt64Array, rows, row => row.1.sums.max_ns),
        column!(UInt64Array, rows, row => row.1.sums.spin_ns),
        column!(UInt64Array, rows, row => row.1.sums.wait_ns.saturating_sub(row.1.sums.spin_ns)),
        column!(UInt64Array, rows, row => row.1.sums.held_ns),
        column!(UInt64Array, rows, row => row.1.sums.free_ns),
        column!(UInt64Array, rows, row => row.1.sums.unknown_ns),
        lists::<UInt16Type>(buckets),
        lists::<UInt64Type>(waits),
    ];
    batch(Table::Totals, columns)
}

pub fn events(rows: &[EventRow]) -> RecordBatch {
    let columns = vec![
        column!(UInt64Array, rows, row => row.begin_ns),
        column!(UInt64Array, rows, row => row.wait_ns),
        column!(UInt64Array, rows, row => row.spin_ns),
        column!(UInt64Array, rows, row => row.wait_ns.saturating_sub(row.spin_ns)),
        column!(UInt64Array, rows, row => row.held_ns),
        column!(UInt64Array, rows, row => row.free_ns),
        column!(UInt64Array, rows, row => row.other_held_ns),
        column!(UInt64Array, rows, row => row.unknown_ns),
        column!(Int32Array, rows, row => row.result),
        column!(UInt64Array, rows, row => row.lock),
        column!(StringArray, rows, row => row.lock_type.name()),
        column!(StringArray, rows, row => row.mode.name()),
        column!(StringArray, rows, row => row.context.name()),
        column!(UInt32Array, rows, row => row.cpu),
        column!(UInt32Array, rows, row => row.tid),
        column!(UInt32Array, rows, row => row.tgid),
        column!(StringArray, rows, row => row.comm.as_str()),
        column!(UInt32Array, rows, row => row.waiter_tenant),
        column!(UInt64Array, rows, row => row.stack),
        column!(UInt64Array, rows, row => row.user_stack),
        column!(StringArray?, rows, row => row.slab_cache.as_deref()),
        column!(UInt32Array?, rows, row => row.slab_offset),
        column!(UInt32Array?, rows, row => row.holder.as_ref().map(|holder| holder.0)),
        column!(UInt32Array?, rows, row => row.holder.as_ref().map(|holder| holder.1)),
        column!(StringArray?, rows, row => row.holder.as_ref().map(|holder| holder.2.as_str())),
        column!(UInt32Array, rows, row => row.holder_tenant),
        column!(UInt64Array, rows, row => row.holder_stack),
        column!(UInt64Array, rows, row => row.holder_site),
        column!(UInt32Array?, rows, row => row.holder_cpu),
        column!(StringArray?, rows, row => row.holder_mode.map(Mode::name)),
        column!(UInt64Array, rows, row => row.release_stack),
        column!(StringArray, rows, row => row.method.name()),
    ];
    batch(Table::Events, columns)
}

pub fn tasks(time_ns: u64, rows: &[TaskRow]) -> RecordBatch {
    let columns = vec![
        column!(UInt64Array, rows, _row => time_ns),
        column!(UInt32Array, rows, row => row.tid),
        column!(UInt32Array, rows, row => row.tgid),
        column!(StringArray, rows, row => row.comm.as_str()),
        column!(UInt32Array, rows, row => row.tenant),
        column!(StringArray, rows, row => row.lock_type.name()),
        column!(UInt64Array, rows, row => row.waits),
        column!(UInt64Array, rows, row => row.wait_ns),
        column!(UInt64Array, rows, row => row.max_ns),
        column!(UInt64Array, rows, row => row.spin_ns),
        column!(UInt64Array, rows, row => row.wait_ns.saturating_sub(row.spin_ns)),
    ];
    batch(Table::Tasks, columns)
}

pub fn stacks(rows: &[StackRow]) -> RecordBatch {
    let columns = vec![
        column!(UInt64Array, rows, row => row.number),
        column!(StringArray, rows, row => if row.tgid == 0 { "kernel" } else { "user" }),
        column!(UInt32Array?, rows, row => Some(row.tgid).filter(|&tgid| tgid != 0)),
        lists::<UInt64Type>(rows.iter().map(|row| row.addresses.iter().copied())),
        column!(UInt16Array, rows, row => row.truncated.into()),
    ];
    batch(Table::Stacks, columns)
}

pub fn frames(rows: &[FrameRow]) -> RecordBatch {
    let columns = vec![
        column!(UInt32Array, rows, row => row.tgid),
        column!(UInt64Array, rows, row => row.address),
        column!(StringArray?, rows, row => row.symbol.as_deref()),
        column!(UInt64Array, rows, row => row.offset),
        column!(StringArray?, rows, row => row.module.as_deref()),
        column!(StringArray?, rows, row => row.build_id.as_deref()),
        column!(UInt64Array?, rows, row => row.file_address),
    ];
    batch(Table::Frames, columns)
}

pub fn phases(rows: &[(u64, String)]) -> RecordBatch {
    let columns = vec![column!(UInt64Array, rows, row => row.0), column!(StringArray, rows, row => row.1.as_str())];
    batch(Table::Phases, columns)
}

pub fn instances(time_ns: u64, rows: &[(Lock, Instance)]) -> RecordBatch {
    let columns = vec![
        column!(UInt64Array, rows, _row => time_ns),
        column!(UInt64Array, rows, row => row.0.0),
        column!(UInt32Array, rows, row => row.0.1),
        column!(StringArray, rows, row => row.1.kind),
        column!(StringArray, rows, row => row.1.name.as_str()),
        column!(StringArray?, rows, row => row.1.filesystem.as_deref()),
        column!(StringArray?, rows, row => row.1.device.as_deref()),
        column!(StringArray?, rows, row => row.1.volume.as_deref()),
        column!(UInt64Array?, rows, row => row.1.number),
        column!(UInt64Array?, rows, row => row.1.netns),
        column!(UInt32Array?, rows, row => row.1.pid),
        column!(StringArray?, rows, row => row.1.text.as_deref()),
        column!(StringArray?, rows, row => row.1.path.as_deref()),
    ];
    batch(Table::Instances, columns)
}

pub fn tenants(rows: &[TenantRow]) -> RecordBatch {
    let columns = vec![
        column!(UInt32Array, rows, row => row.number),
        column!(StringArray, rows, row => row.name.as_str()),
        column!(StringArray, rows, row => row.kind),
        column!(UInt64Array, rows, row => row.id),
        column!(StringArray?, rows, row => row.path.as_deref()),
        column!(StringArray?, rows, row => row.runtime),
        column!(StringArray?, rows, row => row.container_id.as_deref()),
    ];
    batch(Table::Tenants, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_can_be_built_without_rows() {
        let batches = [
            totals(0, &[]),
            events(&[]),
            tasks(0, &[]),
            acquisitions(0, 0, &[]),
            inits(&[]),
            stacks(&[]),
            frames(&[]),
            tenants(&[]),
            phases(&[]),
        ];
        assert!(batches.iter().all(|batch| batch.num_rows() == 0));
    }
}
