//! The histogram of wait times: logarithmic, four buckets to each power of two.
//!
//! Bucket 0 holds 0 ns to 63 ns. From 64 ns on, the octave `[2^k, 2^(k+1))` is cut into four equal parts, up to
//! 2^38 ns (275 s); what is longer goes to the last bucket. A bucket is at most a quarter as wide as its lower bound.
//! A percentile is placed inside the bucket of the exact one, anywhere between its bounds: between 64 ns and 275 s it is
//! off by less than a quarter of the exact one. It never lies outside the bucket.
//! The kernel side computes the same index (`bucket_of` in `crates/probe/src/bpf/totals.bpf.h`).

/// How many buckets there are.
pub const BUCKETS: usize = 1 + 4 * (LAST_OCTAVE - FIRST_OCTAVE + 1);
const FIRST_OCTAVE: usize = 6;
const LAST_OCTAVE: usize = 37;

/// The bucket that a wait of `ns` nanoseconds is counted in.
pub const fn bucket_of(ns: u64) -> usize {
    if ns < 1 << FIRST_OCTAVE {
        return 0;
    }
    let octave = 63 - ns.leading_zeros() as usize;
    if octave > LAST_OCTAVE {
        return BUCKETS - 1;
    }
    let quarter = (ns >> (octave - 2)) as usize & 3;
    1 + 4 * (octave - FIRST_OCTAVE) + quarter
}

/// The lowest and the highest duration in nanoseconds that fall into a bucket, both included.
pub const fn bounds(bucket: usize) -> (u64, u64) {
    if bucket == 0 {
        return (0, (1 << FIRST_OCTAVE) - 1);
    }
    let octave = FIRST_OCTAVE + (bucket - 1) / 4;
    let quarter = (bucket as u64 - 1) % 4;
    let width = 1u64 << (octave - 2);
    let low = (4 + quarter) * width;
    if bucket >= BUCKETS - 1 { (low, u64::MAX) } else { (low, low + width - 1) }
}

/// Counts of waits by duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS] }
    }
}

impl Histogram {
    /// Counts `waits` waits in `bucket`; a bucket that does not exist counts as the last one.
    pub fn add(&mut self, bucket: usize, waits: u64) {
        self.counts[bucket.min(BUCKETS - 1)] += waits;
    }

    /// Adds all of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    /// How many waits were counted.
    pub fn waits(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The buckets that hold waits, as (bucket, waits).
    pub fn filled(&self) -> impl Iterator<Item = (usize, u64)> + Clone + '_ {
        self.counts.iter().copied().enumerate().filter(|&(_, waits)| waits > 0)
    }

    /// The wait time in nanoseconds that a share `q` (0.0 to 1.0) of the waits did not exceed, by the nearest-rank
    /// definition, placed inside its bucket by linear interpolation and kept within `min..=max`, which the totals
    /// know exactly. `None` when nothing was counted.
    pub fn quantile(&self, q: f64, min: u64, max: u64) -> Option<u64> {
        quantile(self.filled().map(|(bucket, waits)| (bounds(bucket), waits)), q, min, max)
    }
}

/// The number of buckets of holds and waits of acquisitions, one to each power of two: see [`octave_bounds`].
pub const OCTAVES: usize = LAST_OCTAVE - FIRST_OCTAVE + 1;

/// The octave that a hold or wait of `ns` nanoseconds is counted in.
pub const fn octave_of(ns: u64) -> usize {
    let octave = (u64::BITS - (ns >> FIRST_OCTAVE).leading_zeros()) as usize;
    if octave < OCTAVES { octave } else { OCTAVES - 1 }
}

/// As [`bounds`], where acquisitions are counted: bucket 0 is up to 63 ns, bucket `b` from 2^(b+5) ns to twice that, the last
/// one all above. What does not exist counts as the last one.
pub const fn octave_bounds(octave: usize) -> (u64, u64) {
    match octave {
        0 => (0, (1 << FIRST_OCTAVE) - 1),
        _ if octave < OCTAVES - 1 => (1 << (octave + FIRST_OCTAVE - 1), (1 << (octave + FIRST_OCTAVE)) - 1),
        _ => (1 << (OCTAVES + FIRST_OCTAVE - 2), u64::MAX),
    }
}

/// As [`Histogram::quantile`], of (octave, count) in ascending order: less than twice the exact one, and more than half of it.
pub fn octave_quantile(octaves: &[(usize, u64)], q: f64, min: u64, max: u64) -> Option<u64> {
    quantile(octaves.iter().map(|&(octave, count)| (octave_bounds(octave), count)), q, min, max)
}

/// `buckets`: (lowest, highest) and how many lie between them, ascending.
fn quantile(buckets: impl Iterator<Item = ((u64, u64), u64)> + Clone, q: f64, min: u64, max: u64) -> Option<u64> {
    let all: u64 = buckets.clone().map(|(_, count)| count).sum();
    if all == 0 {
        return None;
    }
    let rank = ((q * all as f64).ceil() as u64).clamp(1, all);
    let mut below = 0;
    for ((low, high), count) in buckets {
        if below + count >= rank {
            let (low, high) = (low.max(min), high.min(max).max(low));
            let part = (rank - below) as f64 / count as f64;
            let ns = low as f64 + part * (high.saturating_sub(low)) as f64;
            return Some((ns.round() as u64).clamp(min, max.max(min)));
        }
        below += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn buckets_touch_and_do_not_overlap() {
        for bucket in 1..BUCKETS {
            assert_eq!(bounds(bucket - 1).1 + 1, bounds(bucket).0, "before bucket {bucket}");
            assert_eq!(bucket_of(bounds(bucket).0), bucket);
            assert_eq!(bucket_of(bounds(bucket - 1).1), bucket - 1);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn octaves_touch_and_do_not_overlap() {
        for octave in 1..OCTAVES {
            assert_eq!(octave_bounds(octave - 1).1 + 1, octave_bounds(octave).0, "before octave {octave}");
            assert_eq!(octave_of(octave_bounds(octave).0), octave);
            assert_eq!(octave_of(octave_bounds(octave - 1).1), octave - 1);
        }
        // The kernel side says the same (`octave_of` in `sums.bpf.h`).
        assert_eq!(octave_of(u64::MAX), OCTAVES - 1);
        assert_eq!(octave_bounds(1), (64, 127));
        assert_eq!(octave_bounds(OCTAVES - 1), (1 << 36, u64::MAX));
        assert_eq!(octave_bounds(usize::MAX), octave_bounds(OCTAVES - 1));
        assert_eq!(octave_quantile(&[], 0.5, 0, 9), None);
        assert_eq!(octave_quantile(&[(0, 1), (5, 98), (31, 1)], 0.5, 10, 1 << 40), Some(1536));
        assert_eq!(octave_quantile(&[(0, 1), (5, 98), (31, 1)], 1.0, 10, 1 << 40), Some(1 << 40));
    }

    proptest! {
        #[test]
        fn a_quantile_lies_in_the_bucket_of_the_exact_value(
            mut waits in proptest::collection::vec(0u64..1 << 40, 1..500), q in 0.0f64..=1.0
        ) {
            let mut histogram = Histogram::default();
            waits.iter().for_each(|&ns| histogram.add(bucket_of(ns), 1));
            waits.sort_unstable();
            let rank = ((q * waits.len() as f64).ceil() as usize).clamp(1, waits.len());
            let exact = waits[rank - 1];
            let (min, max) = (waits[0], waits[waits.len() - 1]);
            let found = histogram.quantile(q, min, max).unwrap();
            prop_assert!(bucket_of(found) == bucket_of(exact), "found {found}, exact {exact}");
            if (1..BUCKETS - 1).contains(&bucket_of(exact)) {
                prop_assert!(found.abs_diff(exact) < exact / 4, "found {found}, exact {exact}");
            }
        }
    }
}
