//! Rows of acquisitions and initialisations.

use super::{batch, lists};
use crate::acquisitions::Sum;
use arrow::array::{ArrayRef, StringArray, UInt32Array, UInt64Array};
use arrow::datatypes::{UInt16Type, UInt64Type};
use arrow::record_batch::RecordBatch;
use lima_model::{Context, LockType, Mode, Table};
use std::sync::Arc;

/// What makes a row of the acquisitions its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AcquiredKey {
    pub lock: u64,
    pub life: u32,
    pub stack: u64,
    pub tenant: u32,
    pub lock_type: LockType,
    pub mode: Mode,
    pub context: Context,
}

/// What a row of the acquisitions says.
#[derive(Clone, Debug, Default)]
pub struct AcquiredRow {
    pub slab_cache: Option<Arc<str>>,
    pub slab_offset: Option<u32>,
    pub acquisitions: u64,
    pub failed: u64,
    pub waits: u64,
    pub wait_ns: u64,
    pub wait_min_ns: u64,
    pub wait_max_ns: u64,
    pub holds: u64,
    pub hold_ns: u64,
    pub hold_min_ns: u64,
    pub hold_max_ns: u64,
    pub cross_cpu: u64,
    pub cross_cpu_waits: u64,
    pub cross_node: u64,
    pub mode_changes: u64,
    pub longest_run: u32,
    /// Thread and end of the longest hold and the longest wait.
    pub hold_max_of: Option<(u32, u64)>,
    pub wait_max_of: Option<(u32, u64)>,
    pub hold_octaves: [u64; 32],
    pub wait_octaves: [u64; 32],
}

impl AcquiredRow {
    /// Adds the sums of one CPU, of which each acquisition stands for `weight`.
    pub fn add(&mut self, sum: &Sum, weight: u64) {
        let shortest = |mine: u64, count: u64, theirs: u64, counted: u64| match (count, counted) {
            (_, 0) => mine,
            (0, _) => theirs,
            _ => mine.min(theirs),
        };
        self.wait_min_ns = shortest(self.wait_min_ns, self.waits, sum.wait_min_ns, sum.waits);
        self.hold_min_ns = shortest(self.hold_min_ns, self.holds, sum.hold_min_ns, sum.holds);
        if sum.wait_max_ns > self.wait_max_ns {
            self.wait_max_ns = sum.wait_max_ns;
            self.wait_max_of = Some((sum.wait_max_tid, sum.wait_max_end_ns));
        }
        if sum.holds > 0 && sum.hold_max_ns >= self.hold_max_ns {
            self.hold_max_ns = sum.hold_max_ns;
            self.hold_max_of = Some((sum.hold_max_tid, sum.hold_max_end_ns));
        }
        self.longest_run = self.longest_run.max(sum.longest_run);
        for (mine, theirs) in [
            (&mut self.acquisitions, sum.acquisitions),
            (&mut self.failed, sum.failed),
            (&mut self.waits, sum.waits),
            (&mut self.wait_ns, sum.wait_ns),
            (&mut self.holds, sum.holds),
            (&mut self.hold_ns, sum.hold_ns),
            (&mut self.cross_cpu, sum.cross_cpu),
            (&mut self.cross_cpu_waits, sum.cross_cpu_waits),
            (&mut self.cross_node, sum.cross_node),
            (&mut self.mode_changes, sum.mode_changes),
        ] {
            *mine += theirs * weight;
        }
        let histograms = [(&mut self.hold_octaves, &sum.hold_octaves), (&mut self.wait_octaves, &sum.wait_octaves)];
        for (mine, theirs) in histograms {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine += u64::from(*theirs) * weight);
        }
    }
}

#[derive(Debug)]
pub struct InitRow {
    pub time_ns: u64,
    pub lock: u64,
    pub life: u32,
    pub lock_type: LockType,
    pub context: Context,
    pub stack: u64,
    pub tenant: u32,
    pub tid: u32,
    pub name: String,
}

/// `start_ns`: the clock at the start of the trace.
pub fn acquisitions(start_ns: u64, time_ns: u64, rows: &[(AcquiredKey, AcquiredRow)]) -> RecordBatch {
    type Octaves = fn(&AcquiredRow) -> [u64; 32];
    let filled =
        |row: &AcquiredRow, octaves: Octaves| octaves(row).into_iter().enumerate().filter(|(_, count)| *count > 0);
    let octaves =
        |of: Octaves| lists::<UInt16Type>(rows.iter().map(|(_, row)| filled(row, of).map(|(octave, _)| octave as u16)));
    let counts = |of: Octaves| lists::<UInt64Type>(rows.iter().map(|(_, row)| filled(row, of).map(|(_, count)| count)));
    let columns = vec![
        column!(UInt64Array, rows, _row => time_ns),
        column!(UInt64Array, rows, row => row.0.lock),
        column!(UInt32Array, rows, row => row.0.life),
        column!(StringArray, rows, row => row.0.lock_type.name()),
        column!(StringArray, rows, row => row.0.mode.name()),
        column!(StringArray, rows, row => row.0.context.name()),
        column!(UInt64Array, rows, row => row.0.stack),
        column!(StringArray?, rows, row => row.1.slab_cache.as_deref()),
        column!(UInt32Array?, rows, row => row.1.slab_offset),
        column!(UInt32Array, rows, row => row.0.tenant),
        column!(UInt64Array, rows, row => row.1.acquisitions),
        column!(UInt64Array, rows, row => row.1.failed),
        column!(UInt64Array, rows, row => row.1.waits),
        column!(UInt64Array, rows, row => row.1.wait_ns),
        column!(UInt64Array, rows, row => row.1.wait_min_ns),
        column!(UInt64Array, rows, row => row.1.wait_max_ns),
        column!(UInt64Array, rows, row => row.1.holds),
        column!(UInt64Array, rows, row => row.1.hold_ns),
        column!(UInt64Array, rows, row => row.1.hold_min_ns),
        column!(UInt64Array, rows, row => row.1.hold_max_ns),
        column!(UInt64Array, rows, row => row.1.cross_cpu),
        column!(UInt64Array, rows, row => row.1.cross_cpu_waits),
        column!(UInt64Array, rows, row => row.1.cross_node),
        column!(UInt64Array, rows, row => row.1.mode_changes),
        column!(UInt32Array, rows, row => row.1.longest_run),
        octaves(|row| row.hold_octaves),
        counts(|row| row.hold_octaves),
        octaves(|row| row.wait_octaves),
        counts(|row| row.wait_octaves),
        column!(UInt32Array?, rows, row => row.1.hold_max_of.map(|(tid, _)| tid)),
        column!(UInt64Array?, rows, row => row.1.hold_max_of.map(|(_, end_ns)| end_ns.saturating_sub(start_ns))),
        column!(UInt32Array?, rows, row => row.1.wait_max_of.map(|(tid, _)| tid)),
        column!(UInt64Array?, rows, row => row.1.wait_max_of.map(|(_, end_ns)| end_ns.saturating_sub(start_ns))),
    ];
    batch(Table::Acquisitions, columns)
}

pub fn inits(rows: &[InitRow]) -> RecordBatch {
    let columns = vec![
        column!(UInt64Array, rows, row => row.time_ns),
        column!(UInt64Array, rows, row => row.lock),
        column!(UInt32Array, rows, row => row.life),
        column!(StringArray, rows, row => row.lock_type.name()),
        column!(StringArray, rows, row => row.context.name()),
        column!(UInt64Array, rows, row => row.stack),
        column!(UInt32Array, rows, row => row.tenant),
        column!(UInt32Array, rows, row => row.tid),
        column!(StringArray, rows, row => row.name.as_str()),
    ];
    batch(Table::Inits, columns)
}
