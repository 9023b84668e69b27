//! Observed interference: the time that tenants waited while others held the lock.

use crate::analysis::Analysis;
use crate::filter::{Filter, Source};
use crate::report::Sums;
use crate::table::{self, Rows};
use anyhow::Result;
use datafusion::prelude::col;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Whom to look at.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// Objects that fit this pattern; all without.
    pub object: Option<String>,
    /// Waits of, or because of, tenants that fit this pattern, or are spelled so; all without.
    pub tenant: Option<String>,
    /// The phase of the recording; all without.
    pub phase: Option<String>,
    /// How many objects, those with the longest waits first; all without.
    pub top: Option<usize>,
}

/// Who made whom wait.
#[derive(Clone, Debug)]
pub struct Interference {
    /// One row for each object, waiter and holder: `object`, `method`, `lock_type`, `waiter_tenant`, `holder_tenant`
    /// (`none` and `unknown` among them), `holder_method`, `waits`, `wait_ns_total`. For each object and waiter the
    /// times add up to the time waited. Sorted by object, the one with the longest waits first, then by time.
    pub rows: Rows,
    /// The same over all objects: `waiter_tenant`, `holder_tenant`, `waits`, `wait_ns_total`.
    pub all: Rows,
    /// Potential interference, of traces that count acquisitions: one row for each object and pair of tenants that both
    /// acquire some of its locks: `object`, `method`, `lock_type`, `holder_tenant`, `other_tenant`, `locks` (that both
    /// acquire), `object_locks` (that the object has in all), and of the first tenant on these `acquisitions` and `hold_ns_total`. Most acquisitions first.
    pub potential: Rows,
    /// All objects, returned or not; `rows` counts objects.
    pub whole: Sums,
    /// Those that were not returned.
    pub cut: Sums,
    /// Time for which the trace blames holders beyond the time waited; anything but 0 is a fault of the recorder.
    pub excess_ns: u64,
}

impl Analysis {
    /// Tells who made whom wait.
    pub fn interference(&self, who: &Who) -> Result<Interference> {
        let filters = [("object", &who.object), ("phase", &who.phase)].into_iter();
        let filters = filters.filter_map(|(key, pattern)| Some(Filter::new(key, pattern.as_deref()?)));
        let filters = filters.collect::<Result<Vec<_>>>()?;
        self.narrow(Source::Waits, &filters)?;
        self.engine.keep("blame", include_str!("../sql/blame.sql"))?;
        let mut frame = self.engine.prepare(include_str!("../sql/interference.sql"))?;
        if let Some(tenant) = &who.tenant {
            let condition = |column| self.tenants.condition(column, tenant);
            frame = frame.filter(condition("waiter_tenant").or(condition("holder_tenant")))?;
        }
        let keys = ["object", "method", "lock_type", "waiter_tenant", "holder_tenant"];
        let order =
            std::iter::once(col("wait_ns_total").sort(false, false)).chain(keys.map(|key| col(key).sort(true, false)));
        let frame = frame.sort(order.collect())?;
        self.engine.name("interference", frame.clone())?;
        let schema = frame.schema().as_arrow().clone();
        let mut rows = table::rows(&schema, &self.engine.collect(frame)?, usize::MAX)?;
        let (whole, cut) = by_object(&mut rows, who.top);
        let all = self.engine.prepare(
            "SELECT waiter_tenant, holder_tenant, sum(waits) AS waits, sum(wait_ns_total) AS wait_ns_total FROM interference \
             GROUP BY waiter_tenant, holder_tenant ORDER BY wait_ns_total DESC, waiter_tenant, holder_tenant",
        )?;
        let schema = all.schema().as_arrow().clone();
        let all = table::rows(&schema, &self.engine.collect(all)?, usize::MAX)?;
        let excess = self.engine.rows(include_str!("../sql/excess.sql"))?;
        let excess =
            excess.first().map(|batch| table::rows(&batch.schema(), std::slice::from_ref(batch), 1)).transpose()?;
        let excess_ns = excess.filter(|rows| !rows.rows.is_empty()).map_or(0, |rows| rows.number(0, "excess_ns"));
        let potential = self.potential(&filters, who.tenant.as_deref())?;
        Ok(Interference { rows, all, potential, whole, cut, excess_ns })
    }
}

/// Puts the rows of an object together, objects in order of their time, and keeps the first `top` objects.
fn by_object(rows: &mut Rows, top: Option<usize>) -> (Sums, Sums) {
    let mut objects: HashMap<Vec<String>, Sums> = HashMap::new();
    let names: Vec<Vec<String>> = (0..rows.rows.len())
        .map(|row| ["object", "method", "lock_type"].map(|key| rows.text(row, key).to_owned()).into())
        .collect();
    for (row, name) in names.iter().enumerate() {
        let sums = objects.entry(name.clone()).or_default();
        sums.waits += rows.number(row, "waits");
        sums.wait_ns_total += rows.number(row, "wait_ns_total");
    }
    let mut order: Vec<_> = objects.iter().collect();
    order.sort_unstable_by_key(|&(name, sums)| (Reverse(sums.wait_ns_total), name));
    let rank: HashMap<_, _> = order.iter().enumerate().map(|(rank, &(name, _))| (name, rank)).collect();
    let keep = top.unwrap_or(usize::MAX);
    let sum = |part: &[(&Vec<String>, &Sums)]| Sums {
        rows: part.len() as u64,
        waits: part.iter().map(|(_, sums)| sums.waits).sum(),
        wait_ns_total: part.iter().map(|(_, sums)| sums.wait_ns_total).sum(),
        ..Sums::default()
    };
    let (whole, cut) = (sum(&order), sum(order.get(keep..).unwrap_or_default()));
    let mut ranked: Vec<_> = names.iter().map(|name| rank[name]).zip(std::mem::take(&mut rows.rows)).collect();
    ranked.retain(|&(rank, _)| rank < keep);
    ranked.sort_by_key(|&(rank, _)| rank);
    rows.rows = ranked.into_iter().map(|(_, row)| row).collect();
    (whole, cut)
}
