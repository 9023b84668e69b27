//! The locks that could be meant: those of the right kind where the clues of a value put it.

use super::{Candidate, Judge};
use crate::flow::evidence::{Clue, NAMED, ends_open, place_in};
use crate::flow::values::{Node, Value};
use crate::types::Type;
use lima_model::LockType;

impl Judge<'_> {
    /// Locks of the right kind at the value, and whether the value was said to point to a lock itself.
    pub(super) fn candidates(&self, value: Value, lock_type: LockType) -> (Vec<Candidate>, bool) {
        let mut candidates = Vec::new();
        // The lock inside of a lock, when nothing is known of what the lock is in.
        let mut inside = Vec::new();
        let mut itself = false;
        for clue in self.evidence.clues(value.node) {
            let place = if clue.array { self.element(clue, value) } else { place_in(self.types, clue, value.offset) };
            let Some(at) = place else { continue };
            let is_lock = self.is_lock(clue.of).filter(|own| !own.is_compound());
            if at == 0 && self.takes(clue.of, lock_type) {
                itself = true;
                continue;
            }
            self.types.each_lock_at(clue.of, at, &mut |lock| {
                if lock.taken_by(lock_type) {
                    let list = if is_lock.is_some() { &mut inside } else { &mut candidates };
                    let variable = clue.strength >= NAMED && !clue.one_of && !clue.array;
                    list.push(Candidate { lock, outer: clue.of, at, strength: clue.strength, variable });
                }
            });
        }
        // The spinlock of a seqlock stands for it.
        inside.retain(|candidate: &Candidate| self.is_lock(candidate.outer) != Some(LockType::Seqlock));
        if candidates.is_empty() { (inside, itself) } else { (candidates, itself) }
    }

    /// The place in what the clue says, of an element of an array: in an array there, or of such. What was added to the
    /// index may have ended up in the offset, and the other way round.
    fn element(&self, clue: Clue, value: Value) -> Option<u32> {
        let plain = place_in(self.types, clue, value.offset);
        let Node::Indexed { stride, .. } = self.follower.values.node(value.node) else { return plain };
        if stride == 1 {
            return plain;
        }
        let bytes = self.types.bytes(clue.of);
        let at = i64::from(clue.at).checked_add(value.offset)?;
        let whole = |bytes: u32| stride.checked_rem(bytes) == Some(0);
        if !matches!(self.types.get(clue.of), Type::Composite(_)) {
            return plain;
        }
        // What ends with an array of any length is no element of one.
        if whole(bytes) && !ends_open(self.types, clue.of) {
            return u32::try_from(at.checked_rem_euclid(bytes.into())?).ok();
        }
        let arrays: Vec<(u32, u32, u32)> = self
            .types
            .members(clue.of)
            .iter()
            .filter_map(|member| {
                let (_, bytes) = self.types.element(member.of)?;
                whole(bytes).then(|| (member.offset(), self.types.bytes(member.of), bytes))
            })
            .collect();
        let inside = |&(start, bytes, _): &(u32, u32, u32)| {
            let start = i64::from(start);
            at >= start && (bytes == 0 || at < start + i64::from(bytes))
        };
        if arrays.iter().any(inside) {
            return u32::try_from(at).ok();
        }
        match arrays.as_slice() {
            // The array is deeper inside.
            [] => plain,
            [(start, _, bytes)] => {
                let rest = at.checked_sub(i64::from(*start))?.checked_rem_euclid(i64::from(*bytes))?;
                start.checked_add(u32::try_from(rest).ok()?)
            }
            _ => None,
        }
    }
}
