//! What the sums of the kernel side had no room for: one acquisition or hold as the sum that it would have been added to.

use super::types::{spill, sum};
use lima_model::Stat;
use lima_model::histogram::octave_of;

/// `bpf/acquisitions.h`.
const GOT: u8 = 1;
const FAILED: u8 = 2;
const HOLD: u8 = 4;
const CROSS_CPU: u8 = 8;
const CROSS_NODE: u8 = 16;
const MODE_CHANGE: u8 = 32;

/// These numbers with what the header calls them, for the test of both sides.
#[cfg(test)]
pub(super) const DEFINED: [(&str, u64); 6] = [
    ("SPILL_GOT", GOT as u64),
    ("SPILL_FAILED", FAILED as u64),
    ("SPILL_HOLD", HOLD as u64),
    ("SPILL_CROSS_CPU", CROSS_CPU as u64),
    ("SPILL_CROSS_NODE", CROSS_NODE as u64),
    ("SPILL_MODE_CHANGE", MODE_CHANGE as u64),
];

/// As `add_acquisition` and `add_hold` of the programs do it. `stats`: what is measured.
pub(super) fn sum(spill: &spill, stats: u32) -> sum {
    let measures = |stat: Stat| stats & stat as u32 != 0;
    let is = |flag: u8| u64::from(spill.what & flag != 0);
    let mut sum = sum {
        lock: spill.lock,
        site: spill.site,
        beyond: spill.beyond,
        tenant: spill.tenant,
        life: spill.life,
        lock_type: spill.lock_type,
        mode: spill.mode,
        context: spill.context,
        tag: spill.tag,
        acquisitions: is(GOT),
        failed: is(FAILED),
        cross_cpu: is(CROSS_CPU),
        cross_node: is(CROSS_NODE),
        mode_changes: is(MODE_CHANGE),
        ..sum::default()
    };
    if measures(Stat::Batch) {
        sum.longest_run = spill.run;
    }
    let waited = is(HOLD) == 0 && spill.ns > 0;
    if is(HOLD) == 1 {
        if measures(Stat::Hold) {
            sum.holds = 1;
            (sum.hold_ns, sum.hold_min_ns, sum.hold_max_ns) = (spill.ns, spill.ns, spill.ns);
            (sum.hold_max_tid, sum.hold_max_end_ns) = (spill.tid, spill.end_ns);
        }
        if measures(Stat::HoldHist) {
            sum.hold_octaves[octave_of(spill.ns)] = 1;
        }
    } else if waited && [Stat::Wait, Stat::WaitHist, Stat::FastSlow].into_iter().any(measures) {
        sum.waits = 1;
        if measures(Stat::Wait) {
            (sum.wait_ns, sum.wait_min_ns, sum.wait_max_ns) = (spill.ns, spill.ns, spill.ns);
            (sum.wait_max_tid, sum.wait_max_end_ns) = (spill.tid, spill.end_ns);
        }
        if measures(Stat::WaitHist) {
            sum.wait_octaves[octave_of(spill.ns)] = 1;
        }
    }
    sum.cross_cpu_waits = sum.cross_cpu * u64::from(waited);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> u32 {
        Stat::ALL.iter().fold(0, |bits, &stat| bits | stat as u32)
    }

    #[test]
    fn an_acquisition_that_waited() {
        let spill =
            spill { what: GOT | CROSS_CPU, ns: 100, end_ns: 5, tid: 7, run: 3, lock: 9, tag: 5, ..spill::default() };
        let sum = sum(&spill, all());
        assert_eq!((sum.lock, sum.tag, sum.acquisitions, sum.failed, sum.holds), (9, 5, 1, 0, 0));
        assert_eq!((sum.waits, sum.wait_ns, sum.wait_max_tid, sum.wait_octaves[1]), (1, 100, 7, 1));
        assert_eq!((sum.cross_cpu, sum.cross_cpu_waits, sum.cross_node, sum.longest_run), (1, 1, 0, 3));
    }

    #[test]
    fn a_hold_and_what_is_not_measured() {
        let spill = spill { what: HOLD, ns: 1 << 40, end_ns: 5, tid: 7, ..spill::default() };
        let whole = sum(&spill, all());
        assert_eq!((whole.acquisitions, whole.waits, whole.holds, whole.hold_max_ns), (0, 0, 1, 1 << 40));
        assert_eq!(whole.hold_octaves[31], 1);
        let counted = sum(&spill, Stat::Count as u32);
        assert_eq!((counted.holds, counted.hold_ns, counted.hold_octaves[31]), (0, 0, 0));
    }
}
