//! Learning where return addresses lie on stacks, so that the kernel side can read a stack without walking it
//! (`bpf/stack.bpf.h`).
//!
//! A walked stack comes with a copy of its memory. Where in it the return addresses lie is not said, and memory also
//! holds addresses of calls long returned; so what is learned are *distances*: how far above a return address the next
//! one lies. The code at the address fixes it (but for the few functions that grow their stack at run time), so every
//! stack that shows an address allows some distances and rules out all others. A distance is believed when it is the
//! only one left.

use super::types::{rule, rules, stack_record};
use std::collections::HashMap;

const SLOTS: usize = 1 << BITS;
const BITS: u32 = 14;
const NONE: u32 = 0;
const STEP: u32 = 1;
const END: u32 = 2;
const LAST: u32 = 3;
const EITHER: u32 = 4;

/// The two addresses that this many stacks agree on are the last of every stack with the first of them in it.
const AGREEMENTS: u32 = 3;

/// What is known of a return address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    /// The next address lies at one of these distances, in words, ascending.
    Next(Vec<u16>),
    /// Stacks have ended here, and nothing else was seen.
    End,
    /// This address followed at no fixed distance, and was the last, in so many stacks.
    Last(u64, u32),
    /// The next address lies at this distance or one word further: the function aligns its frame to 16 bytes.
    Either(u16),
    /// Nothing is fixed.
    Unfixed,
}

/// The rules that the kernel side has, and what stands behind them.
pub struct Rules {
    known: HashMap<u64, Known>,
    table: Box<rules>,
    /// The table as the kernel side has it.
    taught: Box<rules>,
    changed: bool,
}

impl Rules {
    /// No rules.
    pub fn new() -> Self {
        let table = Box::new(rules { first: 0, machinery: 0, rules: [rule::default(); SLOTS] });
        Self { known: HashMap::new(), taught: table.clone(), table, changed: false }
    }

    /// What to give the kernel side, when something has changed since the last call: first a table in which the rules
    /// that changed are not valid, then the whole. So that nothing is read half written.
    pub fn take_changed(&mut self) -> Option<[Box<rules>; 2]> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let mut staged = self.table.clone();
        for (new, old) in staged.rules.iter_mut().zip(&self.taught.rules) {
            if (new.kind, new.delta, new.next) != (old.kind, old.delta, old.next) {
                new.kind = NONE;
            }
        }
        self.taught.clone_from(&self.table);
        Some([staged, self.table.clone()])
    }

    /// Learns from a stack whose first `machinery` addresses are the tracing machinery. `closed`: with this last address
    /// every stack ends. An entry from an interrupt or a fault is none such: it ends a stack where it interrupted a
    /// program, and not where it interrupted the kernel.
    pub fn learn(&mut self, record: &stack_record, machinery: usize, closed: bool) {
        let count = (record.count as usize).min(record.addresses.len());
        let words = &record.words[..(record.word_count as usize).min(record.words.len())];
        let (above, addresses) = record.addresses[..count].split_at(machinery.min(count));
        if let Some(at) = self.first(above, addresses, words) {
            self.learn_steps(addresses, at, words, closed);
        }
    }

    /// As [`learn`](Self::learn), from a stack whose memory begins with its first address.
    pub fn learn_from_first(&mut self, record: &stack_record, closed: bool) {
        let addresses = &record.addresses[..(record.count as usize).min(record.addresses.len())];
        let words = &record.words[..(record.word_count as usize).min(record.words.len())];
        if !words.is_empty() && words.first() == addresses.first() {
            self.learn_steps(addresses, 0, words, closed);
        }
    }

    fn learn_steps(&mut self, addresses: &[u64], mut at: usize, words: &[u64], closed: bool) {
        for (index, pair) in addresses.windows(2).enumerate() {
            let ends = closed && index + 2 == addresses.len();
            let Some(next) = self.next(pair[0], pair[1], at, words, ends) else { return };
            at = next;
        }
        if let Some(&last) = addresses.last().filter(|_| closed) {
            self.end(last);
        }
    }

    /// Where the traced function's address lies: the same place in all stacks.
    fn first(&mut self, machinery: &[u64], addresses: &[u64], words: &[u64]) -> Option<usize> {
        let first = addresses.first()?;
        let table = &mut self.table;
        if table.first == 0 {
            let mut places = words.iter().take(64).enumerate().filter(|(_, word)| *word == first);
            let (place, _) = places.next()?;
            if places.next().is_some() || place == 0 {
                return None;
            }
            table.first = 8 * place as u64;
            table.machinery = machinery.iter().fold(0, |hash, &address| mix(hash, address));
        }
        let place = table.first as usize / 8;
        (words.get(place) == Some(first)).then_some(place)
    }

    /// Learns how far above `address`, which lies at `at`, the next one lies. Gives the place of the next one when it
    /// is known.
    fn next(&mut self, address: u64, next: u64, at: usize, words: &[u64], ends: bool) -> Option<usize> {
        let seen = || {
            let above = words.iter().enumerate().skip(at + 1).filter(|(_, word)| **word == next);
            above.filter_map(|(place, _)| u16::try_from(place - at).ok()).collect::<Vec<_>>()
        };
        let is_next = |distance: u16| words.get(at + distance as usize) == Some(&next);
        let known = self.known.entry(address).or_insert_with(|| Known::Next(seen()));
        if let Known::Next(distances) = known {
            let before = distances.first().copied().filter(|_| distances.len() == 1);
            distances.retain(|&distance| is_next(distance));
            if distances.is_empty() {
                let lower =
                    before.and_then(|known| [known, known - 1].into_iter().find(|&at| is_next(at) || is_next(at + 1)));
                *known = match lower {
                    _ if ends => Known::Last(next, 0),
                    Some(lower) => Known::Either(lower),
                    None => Known::Unfixed,
                };
            }
        }
        let (kind, delta, place) = match known {
            Known::Next(distances) if distances.len() == 1 => (STEP, distances[0], Some(at + distances[0] as usize)),
            Known::Next(_) => (NONE, 0, None),
            Known::Last(last, agreed) if ends && *last == next => {
                *agreed += 1;
                (if *agreed >= AGREEMENTS { LAST } else { NONE }, 0, None)
            }
            Known::End | Known::Last(..) => {
                *known = Known::Unfixed;
                (NONE, 0, None)
            }
            Known::Either(lower) => match (is_next(*lower), is_next(*lower + 1)) {
                (true, false) => (EITHER, *lower, Some(at + *lower as usize)),
                (false, true) => (EITHER, *lower, Some(at + *lower as usize + 1)),
                (true, true) => (EITHER, *lower, None),
                (false, false) => {
                    *known = Known::Unfixed;
                    (NONE, 0, None)
                }
            },
            Known::Unfixed => (NONE, 0, None),
        };
        self.set(rule { address, next: if kind == LAST { next } else { 0 }, delta: u32::from(delta) * 8, kind });
        place
    }

    /// Learns that a stack ends with this address.
    fn end(&mut self, address: u64) {
        let known = self.known.entry(address).or_insert(Known::End);
        if *known != Known::End {
            *known = Known::Unfixed;
        }
        let kind = if *known == Known::End { END } else { NONE };
        self.set(rule { address, next: 0, delta: 0, kind });
    }

    /// Sets or withdraws a rule. An address that finds both its slots taken gets none.
    fn set(&mut self, new: rule) {
        let slot = (new.address.wrapping_mul(HASH) >> (64 - BITS)) as usize;
        let rules = &mut self.table.rules;
        let found = [slot, slot ^ 1].into_iter().find(|&slot| rules[slot].address == new.address);
        let free = || [slot, slot ^ 1].into_iter().find(|&slot| rules[slot].address == 0);
        let Some(slot) = found.or_else(|| if new.kind == NONE { None } else { free() }) else { return };
        let old = &mut rules[slot];
        if (old.kind, old.delta, old.next) != (new.kind, new.delta, new.next) {
            *old = new;
            self.changed = true;
        }
    }
}

const HASH: u64 = 0x9e37_79b9_7f4a_7c15;

/// `mix` of `bpf/stack.bpf.h`.
fn mix(hash: u64, address: u64) -> u64 {
    let hash = (hash ^ address).wrapping_mul(HASH);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: u64 = 0xffff_ffff_8000_0000;

    /// A stack in memory: machinery 1, 2; then (distance to the next in words, address) from word 3 on.
    fn record(frames: &[(usize, u64)], stale: &[(usize, u64)]) -> stack_record {
        let mut record = stack_record { count: 2 + frames.len() as u32, ..stack_record::default() };
        record.addresses[..2].copy_from_slice(&[1, 2]);
        let mut at = 3;
        for (index, &(distance, address)) in frames.iter().enumerate() {
            record.addresses[2 + index] = KERNEL + address;
            record.words[at] = KERNEL + address;
            at += distance;
        }
        for &(place, address) in stale {
            record.words[place] = KERNEL + address;
        }
        record.word_count = 100;
        record
    }

    fn rule_of(rules: &Rules, address: u64) -> Option<(u32, u32)> {
        rules.table.rules.iter().find(|rule| rule.address == KERNEL + address).map(|rule| (rule.kind, rule.delta))
    }

    #[test]
    fn a_clear_stack_is_learned_at_once() {
        let mut rules = Rules::new();
        rules.learn(&record(&[(4, 70), (6, 80), (0, 90)], &[]), 2, true);
        assert_eq!(rules.table.first, 24);
        assert_eq!(rule_of(&rules, 70), Some((STEP, 32)));
        assert_eq!(rule_of(&rules, 80), Some((STEP, 48)));
        assert_eq!(rule_of(&rules, 90), Some((END, 0)));
        assert!(rules.take_changed().is_some() && rules.take_changed().is_none());
    }

    #[test]
    fn stale_addresses_are_ruled_out_by_other_stacks() {
        let mut rules = Rules::new();
        rules.learn(&record(&[(4, 70), (6, 80), (0, 90)], &[(5, 80), (20, 80)]), 2, true);
        assert_eq!(rule_of(&rules, 70), None, "80 lies at three places");
        rules.learn(&record(&[(4, 70), (6, 80), (0, 90)], &[(6, 80)]), 2, true);
        assert_eq!(rule_of(&rules, 70), Some((STEP, 32)));
    }

    #[test]
    fn a_frame_that_is_aligned_has_two_distances() {
        let mut rules = Rules::new();
        let mut learn = |distance| {
            rules.learn(&record(&[(distance, 70), (6, 80), (0, 90)], &[]), 2, true);
            (rule_of(&rules, 70), rule_of(&rules, 80))
        };
        assert_eq!(learn(5).0, Some((STEP, 40)));
        assert_eq!(learn(4), (Some((EITHER, 32)), Some((STEP, 48))));
        assert_eq!(learn(5).0, Some((EITHER, 32)));
        assert_eq!(learn(6).0, Some((NONE, 0)), "a third distance: nothing is fixed");
        assert_eq!(learn(5).0, Some((NONE, 0)), "for good");
    }

    #[test]
    fn the_last_address_may_lie_anywhere() {
        // The kernel moves the stack of each system call by a random distance below its entry.
        let mut rules = Rules::new();
        for distance in [6, 9, 12, 30, 7] {
            rules.learn(&record(&[(4, 70), (distance, 80), (0, 90)], &[]), 2, true);
        }
        assert_eq!(rule_of(&rules, 80), Some((LAST, 0)));
        // Another last address: it was no rule.
        rules.learn(&record(&[(4, 70), (6, 80), (0, 91)], &[]), 2, true);
        assert_eq!(rule_of(&rules, 80), Some((NONE, 0)));
    }

    #[test]
    fn an_end_that_goes_on_is_no_end() {
        let mut rules = Rules::new();
        rules.learn(&record(&[(4, 70), (0, 80)], &[]), 2, true);
        assert_eq!(rule_of(&rules, 80), Some((END, 0)));
        rules.learn(&record(&[(4, 70), (6, 80), (0, 90)], &[]), 2, true);
        assert_eq!(rule_of(&rules, 80), Some((NONE, 0)));
    }

    #[test]
    fn an_entry_from_a_fault_is_no_end() {
        let mut rules = Rules::new();
        rules.learn(&record(&[(4, 70), (0, 80)], &[]), 2, false);
        assert_eq!((rule_of(&rules, 70), rule_of(&rules, 80)), (Some((STEP, 32)), None));
        rules.learn(&record(&[(4, 70), (6, 80), (0, 90)], &[]), 2, true);
        assert_eq!((rule_of(&rules, 80), rule_of(&rules, 90)), (Some((STEP, 48)), Some((END, 0))));
    }

    #[test]
    fn recursion_steps_from_an_address_to_itself() {
        let mut rules = Rules::new();
        rules.learn(&record(&[(4, 70), (4, 70), (4, 70), (0, 90)], &[]), 2, true);
        assert_eq!(rule_of(&rules, 70), None, "70 is followed by 70 and by 90: no single next, but a single distance");
    }
}
