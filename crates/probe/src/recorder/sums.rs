//! Adding up: rows of the kernel side that are one row of the trace, and single waits for which its maps had no room.

use crate::contention::{Taken, codes, types};
use lima_model::histogram::{BUCKETS, bucket_of};

/// The sums of a row of the totals.
#[derive(Clone, Debug)]
pub struct Sums {
    pub waits: u64,
    pub failed: u64,
    pub wait_ns: u64,
    pub min_ns: u64,
    pub max_ns: u64,
    pub spin_ns: u64,
    pub held_ns: u64,
    pub free_ns: u64,
    pub unknown_ns: u64,
    pub histogram: [u32; BUCKETS],
}

impl Default for Sums {
    fn default() -> Self {
        let [waits, failed, wait_ns, min_ns, max_ns, spin_ns, held_ns, free_ns, unknown_ns] = [0; 9];
        Self { waits, failed, wait_ns, min_ns, max_ns, spin_ns, held_ns, free_ns, unknown_ns, histogram: [0; BUCKETS] }
    }
}

impl Sums {
    /// Adds the sums of a key of the kernel side.
    pub fn add(&mut self, totals: &types::totals) {
        // A row that only has its share of the held time has no shortest wait.
        if totals.waits > 0 && (self.waits == 0 || totals.min_ns < self.min_ns) {
            self.min_ns = totals.min_ns;
        }
        self.max_ns = self.max_ns.max(totals.max_ns);
        self.waits += totals.waits;
        self.failed += totals.failed;
        self.wait_ns += totals.wait_ns;
        self.spin_ns += totals.spin_ns;
        self.held_ns += totals.held_ns;
        self.free_ns += totals.free_ns;
        self.unknown_ns += totals.unknown_ns;
        for (sum, waits) in self.histogram.iter_mut().zip(&totals.histogram) {
            *sum += waits;
        }
    }
}

/// Adds a single wait to what was taken out of the maps that had no room for it.
pub fn spill(event: &types::event, taken: &mut Taken) {
    if event.purpose & codes::PURPOSE_TOTALS != 0 {
        let mut totals = types::totals {
            waits: 1,
            failed: u64::from(event.result != 0),
            wait_ns: event.wait_ns,
            min_ns: event.wait_ns,
            max_ns: event.wait_ns,
            spin_ns: event.spin_ns,
            held_ns: event.holder.held_ns,
            free_ns: event.free_ns,
            // The tenant of a second holder is not in the record.
            unknown_ns: event.unknown_ns + event.other_held_ns,
            slab_offset: codes::NO_OFFSET,
            ..types::totals::default()
        };
        totals.histogram[bucket_of(event.wait_ns)] = 1;
        taken.totals.push((totals_key(event), totals));
    }
    if event.purpose & codes::PURPOSE_TASKS != 0 {
        let key = types::task_key {
            tid: event.tid,
            lock_type: event.lock_type,
            context: event.context,
            ..types::task_key::default()
        };
        let totals = types::task_totals {
            waits: 1,
            wait_ns: event.wait_ns,
            max_ns: event.wait_ns,
            spin_ns: event.spin_ns,
            tenant: event.waiter_tenant,
            tgid: event.tgid,
            comm: event.comm,
            ..types::task_totals::default()
        };
        taken.tasks.push((key, totals));
    }
}

fn totals_key(event: &types::event) -> types::totals_key {
    let (holder_tenant, method) = holder(event);
    types::totals_key {
        lock: event.lock,
        stack: event.stack,
        user_stack: event.user_stack,
        waiter_tenant: event.waiter_tenant,
        holder_tenant,
        lock_type: event.lock_type,
        mode: event.mode,
        context: event.context,
        method,
        ..types::totals_key::default()
    }
}

/// Who is named as the holder: as `name_holder` in `bpf/count.bpf.h`.
pub fn holder(event: &types::event) -> (u64, u8) {
    use lima_model::Method;
    if event.holder.held_ns > 0 {
        (event.holder.tenant, event.holder.method)
    } else if event.free_ns > event.unknown_ns {
        (codes::TENANT_NONE, Method::Free as u8)
    } else {
        (codes::TENANT_UNKNOWN, Method::Unknown as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(purpose: u8) -> types::event {
        let holder = types::holder { held_ns: 60, tenant: 9, method: 1, ..types::holder::default() };
        types::event { purpose, wait_ns: 100, spin_ns: 30, free_ns: 40, lock: 7, holder, ..types::event::default() }
    }

    #[test]
    fn a_spilled_wait_counts_as_any_other() {
        let mut taken = Taken::default();
        spill(&event(codes::PURPOSE_TOTALS | codes::PURPOSE_TASKS), &mut taken);
        spill(&event(codes::PURPOSE_TOTALS), &mut taken);
        let mut sums = Sums::default();
        taken.totals.iter().for_each(|(_, totals)| sums.add(totals));
        assert_eq!((sums.waits, sums.wait_ns, sums.held_ns, sums.free_ns, sums.unknown_ns), (2, 200, 120, 80, 0));
        assert_eq!((sums.min_ns, sums.max_ns, sums.histogram[bucket_of(100)]), (100, 100, 2));
        assert_eq!((taken.totals[0].0.holder_tenant, taken.tasks.len()), (9, 1));
    }

    #[test]
    fn a_share_of_held_time_is_no_wait() {
        let mut sums = Sums::default();
        sums.add(&types::totals { held_ns: 50, ..types::totals::default() });
        sums.add(&types::totals { waits: 1, wait_ns: 70, min_ns: 70, max_ns: 70, ..types::totals::default() });
        assert_eq!((sums.waits, sums.min_ns, sums.held_ns), (1, 70, 50));
    }
}
