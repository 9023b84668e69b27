//! Acquisitions and initialisations of made-up traces.

use super::{Synthetic, lists};
use anyhow::Result;
use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, UInt16Type, UInt64Type};
use lima_model::Table;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A row of the acquisitions.
#[derive(Clone, Debug, Default)]
pub struct Acquired {
    /// Its time bucket.
    pub time_ns: u64,
    /// Address of the lock.
    pub lock: u64,
    /// Which lock at that address.
    pub life: u32,
    /// Its type.
    pub lock_type: &'static str,
    /// Read, write or exclusive.
    pub mode: &'static str,
    /// Where it was acquired.
    pub stack_id: u64,
    /// The slab cache that it lies in, and its offset in the object.
    pub slab: Option<(&'static str, u32)>,
    /// Who acquired it.
    pub tenant: u32,
    /// Acquisitions, failed attempts, holds that ended.
    pub counts: [u64; 3],
    /// The time of the holds, the shortest and the longest.
    pub hold_ns: [u64; 3],
    /// Waits, their time, the shortest and the longest.
    pub waits: [u64; 4],
    /// Acquisitions after one by another CPU, of these such that waited, after one on another node, changes between reading
    /// and writing.
    pub moves: [u64; 4],
    /// Most acquisitions in a row by one CPU.
    pub longest_run: u32,
    /// The histograms of holds and of waits: octaves, and how many are in each.
    pub octaves: [&'static [(u16, u64)]; 2],
    /// Thread of the longest hold and when it ended, and the same of the longest wait.
    pub longest: [Option<(u32, u64)>; 2],
}

impl Synthetic {
    /// The same trace at the level that counts acquisitions: both tenants take the mutex, and only `a` the spinlock, of
    /// which there are two, one after the other at the same address.
    pub fn with_acquisitions(mut self) -> Self {
        let us = 1_000;
        let mutex = Acquired {
            lock: 0xffff_8880_0000_1098,
            lock_type: "mutex",
            mode: "exclusive",
            stack_id: 1,
            tenant: 3,
            counts: [40, 2, 39],
            hold_ns: [90_000 * us, 10 * us, 70_000 * us],
            waits: [1, 1_000 * us, 1_000 * us, 1_000 * us],
            moves: [12, 1, 0, 0],
            longest_run: 9,
            octaves: [&[(8, 38), (21, 1)], &[(14, 1)]],
            longest: [Some((101, 1_500_000 * us)), Some((102, 700_000 * us))],
            ..Acquired::default()
        };
        let others = Acquired {
            tenant: 4,
            counts: [10, 0, 10],
            hold_ns: [5_000 * us, 100 * us, 2_000 * us],
            waits: [2, 100_000 * us, 40_000 * us, 60_000 * us],
            moves: [8, 2, 0, 0],
            octaves: [&[(11, 9), (15, 1)], &[(20, 2)]],
            longest: [Some((201, 1_600_000 * us)), Some((202, 800_000 * us))],
            ..mutex
        };
        let first = Acquired {
            lock: 0xffff_8880_0000_2000,
            lock_type: "spinlock",
            mode: "exclusive",
            stack_id: 2,
            tenant: 3,
            counts: [1_000, 0, 1_000],
            hold_ns: [200 * us, 100, us],
            octaves: [&[(1, 10), (4, 990)], &[]],
            longest: [Some((101, 20 * us)), None],
            ..Acquired::default()
        };
        let second = Acquired { life: 1, counts: [7, 0, 7], octaves: [&[(4, 7)], &[]], ..first };
        self.acquired = vec![mutex, others, first, second];
        self
    }

    pub(super) fn acquisitions(&self) -> Result<RecordBatch> {
        let rows = &self.acquired;
        let u64s =
            |value: fn(&Acquired) -> u64| -> ArrayRef { Arc::new(rows.iter().map(value).collect::<UInt64Array>()) };
        let u32s = |value: fn(&Acquired) -> u32| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(value)))
        };
        let texts = |value: fn(&Acquired) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(value)))
        };
        let octaves = |which: usize| {
            let of = |row: &Acquired| row.octaves[which].iter().map(|&(octave, _)| octave).collect();
            lists::<UInt16Type>(rows.iter().map(of), DataType::UInt16)
        };
        let counts = |which: usize| {
            let of = |row: &Acquired| row.octaves[which].iter().map(|&(_, count)| count).collect();
            lists::<UInt64Type>(rows.iter().map(of), DataType::UInt64)
        };
        let longest_by = |which: usize| -> ArrayRef {
            Arc::new(rows.iter().map(|row| row.longest[which].map(|(tid, _)| tid)).collect::<UInt32Array>())
        };
        let longest_end = |which: usize| -> ArrayRef {
            Arc::new(rows.iter().map(|row| row.longest[which].map(|(_, end_ns)| end_ns)).collect::<UInt64Array>())
        };
        Ok(RecordBatch::try_new(
            Table::Acquisitions.schema(),
            vec![
                u64s(|row| row.time_ns),
                u64s(|row| row.lock),
                u32s(|row| row.life),
                texts(|row| row.lock_type),
                texts(|row| row.mode),
                texts(|_| "task"),
                u64s(|row| row.stack_id),
                Arc::new(rows.iter().map(|row| row.slab.map(|(cache, _)| cache)).collect::<StringArray>()),
                Arc::new(rows.iter().map(|row| row.slab.map(|(_, offset)| offset)).collect::<UInt32Array>()),
                u32s(|row| row.tenant),
                u64s(|row| row.counts[0]),
                u64s(|row| row.counts[1]),
                u64s(|row| row.waits[0]),
                u64s(|row| row.waits[1]),
                u64s(|row| row.waits[2]),
                u64s(|row| row.waits[3]),
                u64s(|row| row.counts[2]),
                u64s(|row| row.hold_ns[0]),
                u64s(|row| row.hold_ns[1]),
                u64s(|row| row.hold_ns[2]),
                u64s(|row| row.moves[0]),
                u64s(|row| row.moves[1]),
                u64s(|row| row.moves[2]),
                u64s(|row| row.moves[3]),
                u32s(|row| row.longest_run),
                octaves(0),
                counts(0),
                octaves(1),
                counts(1),
                longest_by(0),
                longest_end(0),
                longest_by(1),
                longest_end(1),
            ],
        )?)
    }

    /// The initialisation of each lock that has had one, where it is first acquired.
    pub(super) fn inits(&self) -> Result<RecordBatch> {
        let mut seen = BTreeSet::new();
        let rows: Vec<_> =
            self.acquired.iter().filter(|row| row.life > 0 && seen.insert((row.lock, row.life))).collect();
        let u64s = |value: fn(&Acquired) -> u64| -> ArrayRef {
            Arc::new(rows.iter().map(|row| value(row)).collect::<UInt64Array>())
        };
        let u32s = |value: fn(&Acquired) -> u32| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| value(row))))
        };
        let texts = |value: fn(&Acquired) -> &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| value(row))))
        };
        Ok(RecordBatch::try_new(
            Table::Inits.schema(),
            vec![
                u64s(|row| row.time_ns),
                u64s(|row| row.lock),
                u32s(|row| row.life),
                texts(|row| row.lock_type),
                texts(|_| "task"),
                u64s(|row| row.stack_id),
                u32s(|row| row.tenant),
                u32s(|_| 100),
                texts(|_| "&made->up"),
            ],
        )?)
    }
}
