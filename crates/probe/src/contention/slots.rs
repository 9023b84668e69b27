//! Tables whose entries lie in one of a few slots from a home on, as the programs look for them.

use std::collections::HashSet;

/// `RULE_HASH` of `bpf/records.h`.
const HASH: u64 = 0x9e37_79b9_7f4a_7c15;

/// Which slots are taken while such a table is filled before loading.
#[derive(Debug)]
pub(crate) struct SlotTable {
    bits: u32,
    window: u32,
    taken: HashSet<u32>,
}

impl SlotTable {
    /// An empty one of `size` slots, a power of two.
    pub fn new(size: u32, window: u32) -> Self {
        Self { bits: size.ilog2(), window, taken: HashSet::new() }
    }

    /// A slot for a key that is not in it yet; `None`: all that it may lie in are taken.
    pub fn claim(&mut self, key: u64) -> Option<u32> {
        let home = (key.wrapping_mul(HASH) >> (64 - self.bits)) as u32;
        let slots = (0..self.window).map(|i| home.wrapping_add(i) & ((1 << self.bits) - 1));
        slots.into_iter().find(|&slot| self.taken.insert(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_the_same_home_lie_side_by_side() {
        let mut table = SlotTable::new(16, 4);
        let slots: Vec<_> = (0..5).map(|_| table.claim(u64::MAX)).collect();
        let first = slots[0].unwrap();
        let expected: Vec<_> = (0..4).map(|i| Some((first + i) & 15)).chain([None]).collect();
        assert_eq!(slots, expected);
    }
}
