//! What a value is a part of, when what is known of it is too small for a lock to be there.
//!
//! Each clue says that a part of the container lies at some place. A container must have all of the parts where the
//! clues have them, its fields must be the pointers that are loaded from there, and it must have a lock of the right
//! kind at the value. Often only one struct of the whole kernel is left.

use super::answer::Candidate;
use super::evidence::{Clue, Evidence};
use super::known::Known;
use super::values::{Node, Value, Values};
use crate::code::FunctionId;
use crate::types::{Type, TypeId, Types, takes};
use lima_model::LockType;
use rustc_hash::{FxHashMap, FxHashSet};

/// More containers are not weighed.
const CONTAINERS: usize = 4096;
/// More clues are not weighed.
const CLUES: usize = 32;
/// Clues as strong as this must fit.
const MUST_FIT: u8 = 7;
/// A type that is inside of more structs than this says little by being there.
const COMMON: usize = 12;
/// Deeper than this no struct is looked into for a part.
const DEPTH: u32 = 12;
/// Functions nearer than this, in the order of the image, are mostly of the same part of the kernel.
const NEAR: u32 = 60;
/// What speaks for a container when its type is in use nearby, or in the function itself.
const IN_USE: i32 = 3;
/// What speaks against one that is itself a part of many.
const PART_OF_MANY: i32 = 6;
/// How much must speak for an answer.
const ENOUGH: i32 = 4;
/// How much more than for any other.
const MARGIN: i32 = 3;
/// Both together. These three were chosen by the answers that debug information gives for the same sites.
const TOGETHER: i32 = 8;

/// A struct and the place of the value's node in it.
#[derive(Clone, Copy, Debug)]
struct Guess {
    candidate: Candidate,
    /// Where in the struct the node is.
    node: i64,
    /// How much speaks for it.
    weight: i32,
}

/// Looks for containers.
#[derive(Debug)]
pub struct Containers<'a> {
    /// The function.
    pub function: FunctionId,
    /// Its values.
    pub values: &'a Values,
    /// The types.
    pub types: &'a Types,
    /// What is known outside.
    pub known: &'a Known,
    /// What is known of values.
    pub evidence: &'a Evidence,
    /// Types that occur in the function.
    pub seen: &'a FxHashSet<TypeId>,
    /// Whether `seen` has all types that the source of the function names.
    pub complete: bool,
}

impl Containers<'_> {
    /// The containers that fit best, and whether that is enough for an answer.
    pub fn find(&self, value: Value, lock_type: LockType) -> (Vec<Candidate>, bool) {
        let (guesses, enough) = self.weighed(value, lock_type);
        let best = guesses.first().map_or(0, |guess| guess.weight);
        let best = guesses.iter().filter(|guess| guess.weight >= best - i32::from(!enough));
        (best.map(|guess| guess.candidate).collect(), enough)
    }

    /// The containers and what speaks for them, in words.
    pub fn explain(&self, value: Value, lock_type: LockType) -> String {
        let (guesses, enough) = self.weighed(value, lock_type);
        let each = guesses.iter().take(4).map(|guess| {
            let name = self.types.name(guess.candidate.outer);
            let spot = &guess.candidate.lock.spot;
            format!("{name}/{}.{}:{}", self.types.name(spot.declaring), self.types.path(spot), guess.weight)
        });
        format!("enough {enough} {}", each.collect::<Vec<_>>().join(" "))
    }

    /// The containers, the best one first, and whether it is good enough for an answer.
    fn weighed(&self, value: Value, lock_type: LockType) -> (Vec<Guess>, bool) {
        let itself = |clue: &Clue| {
            // That the lock is one is no news.
            i64::from(clue.at) == value.offset.wrapping_neg()
                && self.types.lock_type(clue.of).is_some_and(|own| takes(lock_type, own))
        };
        let clues: Vec<Clue> = self
            .evidence
            .clues(value.node)
            .filter(|clue| matches!(self.types.get(clue.of), Type::Composite(_)) && !itself(clue))
            .take(CLUES)
            .collect();
        let mut guesses = self.guesses(value, lock_type, &clues);
        self.by_lock(value, lock_type, &mut guesses);
        guesses.retain(|guess| clues.iter().all(|clue| clue.strength < MUST_FIT || self.fits(guess, clue)));
        // A pointer into the middle of a struct points to something there.
        let is_there = |guess: &Guess, clue: &Clue| clue.at == 0 && self.fits(guess, clue);
        guesses.retain(|guess| guess.node == 0 || clues.iter().any(|clue| is_there(guess, clue)));
        for guess in &mut guesses {
            self.weigh_pointers(guess, value);
            self.weigh_accesses(guess, value);
        }
        if self.complete && guesses.iter().any(|guess| self.seen.contains(&guess.candidate.outer)) {
            guesses.retain(|guess| self.seen.contains(&guess.candidate.outer));
            let most = guesses.iter().map(|guess| guess.weight).max().unwrap_or(0);
            guesses.retain(|guess| guess.weight == most);
            return (guesses, most > 0);
        }
        for guess in &mut guesses {
            let outer = guess.candidate.outer;
            let near = self.known.learned.distance(outer, self.function).is_some_and(|distance| distance <= NEAR);
            if near || self.seen.contains(&outer) {
                guess.weight += IN_USE;
            }
            if self.embedders(outer) > COMMON {
                guess.weight -= PART_OF_MANY;
            }
        }
        guesses.sort_by_key(|guess| std::cmp::Reverse(guess.weight));
        let Some(best) = guesses.first().map(|guess| guess.weight) else { return (guesses, false) };
        let other = |guess: &&Guess| guess.candidate.lock.spot != guesses[0].candidate.lock.spot;
        let next = guesses.iter().find(other).map_or(0, |guess| guess.weight);
        let margin = best - next.max(0);
        let enough = best >= ENOUGH && margin >= MARGIN && best + margin >= TOGETHER;
        (guesses, enough)
    }

    /// Every struct that has the lock where it would be if the value's node were its beginning.
    fn by_lock(&self, value: Value, lock_type: LockType, guesses: &mut Vec<Guess>) {
        let types = self.types;
        let Ok(at) = u32::try_from(value.offset) else { return };
        for &outer in self.known.holders(types, at) {
            if guesses.len() >= CONTAINERS || guesses.iter().any(|guess| guess.candidate.outer == outer) {
                continue;
            }
            types.each_lock_at(outer, at, &mut |lock| {
                if lock.taken_by(lock_type) && !lock.inner {
                    let candidate = Candidate { lock, outer, at, strength: 0, variable: false };
                    guesses.push(Guess { candidate, node: 0, weight: 0 });
                }
            });
        }
    }

    /// Every struct that has a clue's type where it should be, and a lock at the value.
    fn guesses(&self, value: Value, lock_type: LockType, clues: &[Clue]) -> Vec<Guess> {
        let types = self.types;
        let mut places: FxHashMap<(TypeId, u32), (usize, u32)> = FxHashMap::default();
        let mut guesses: Vec<Guess> = Vec::new();
        for (number, clue) in (0_u32..).zip(clues) {
            let weight = if self.embedders(clue.of) > COMMON { 1 } else { 3 };
            types.each_embedder(clue.of, &mut |embedder| {
                let node = i64::from(embedder.offset) + i64::from(clue.at);
                let Some(at) = node.checked_add(value.offset).and_then(|at| u32::try_from(at).ok()) else { return };
                if at >= types.bytes(embedder.outer) {
                    return;
                }
                types.each_lock_at(embedder.outer, at, &mut |lock| {
                    if !lock.taken_by(lock_type) || lock.inner {
                        return;
                    }
                    let (place, counted) = places.entry((embedder.outer, at)).or_insert((guesses.len(), u32::MAX));
                    if *place == guesses.len() && guesses.len() < CONTAINERS {
                        let candidate = Candidate { lock, outer: embedder.outer, at, strength: 0, variable: false };
                        guesses.push(Guess { candidate, node, weight: 0 });
                    }
                    if let Some(guess) = guesses.get_mut(*place)
                        && *counted != number
                    {
                        *counted = number;
                        guess.weight += weight;
                    }
                });
            });
        }
        guesses
    }

    /// How many structs have a type inside.
    fn embedders(&self, of: TypeId) -> usize {
        let mut count = 0;
        self.types.each_embedder(of, &mut |_| count += 1);
        count
    }

    /// Whether a clue can be true when a guess is.
    fn fits(&self, guess: &Guess, clue: &Clue) -> bool {
        let from = guess.node.wrapping_sub(i64::from(clue.at));
        self.contains(guess.candidate.outer, from, clue.of, DEPTH)
            || self.contains(clue.of, from.wrapping_neg(), guess.candidate.outer, DEPTH)
    }

    /// Whether a type has another at an offset.
    fn contains(&self, outer: TypeId, at: i64, inner: TypeId, depth: u32) -> bool {
        let (Some(depth), Ok(at)) = (depth.checked_sub(1), u32::try_from(at)) else { return false };
        let outer = self.types.resolve(outer);
        if at == 0 && outer == inner {
            return true;
        }
        if let Some((element, bytes)) = self.types.element(outer) {
            return at.checked_rem(bytes).is_some_and(|at| self.contains(element, at.into(), inner, depth));
        }
        self.types.members(outer).iter().any(|member| {
            let Some(rest) = at.checked_sub(member.offset()) else { return false };
            let open = matches!(self.types.resolved(member.of), Type::Array { count: 0, .. });
            (rest < self.types.bytes(member.of) || open) && self.contains(member.of, rest.into(), inner, depth)
        })
    }

    /// Adds what the pointers in a container say: what is loaded from there must be what they point to.
    fn weigh_pointers(&self, guess: &mut Guess, value: Value) {
        let types = self.types;
        let outer = guess.candidate.outer;
        self.evidence.each_field(value.node, &mut |more, loaded, back| {
            let sure = |clue: &Clue| clue.strength >= MUST_FIT && !clue.one_of && i64::from(clue.at) == -back;
            let composite = |clue: &Clue| matches!(types.get(clue.of), Type::Composite(_));
            let Some(used) = self.evidence.clues(loaded).find(|clue| sure(clue) && composite(clue)) else { return };
            let Ok(at) = u32::try_from(guess.node.wrapping_add(more)) else {
                guess.weight -= 3;
                return;
            };
            let (mut pointer, mut same) = (false, false);
            types.each_pointer_at(outer, at, &mut |_, pointee| {
                pointer = true;
                same |= pointee == used.of;
            });
            guess.weight += match (same, pointer) {
                (true, _) => 3,
                // Of a base type, or without a type.
                (false, true) => 0,
                (false, false) => -3,
            };
        });
    }

    /// Adds what the widths of loads say: where fields begin, and how wide they are.
    fn weigh_accesses(&self, guess: &mut Guess, value: Value) {
        let types = self.types;
        let mut known: Vec<i64> = Vec::new();
        for (_, node) in self.values.iter() {
            let Node::Load { address, bytes, per_cpu: false } = node else { continue };
            if address.node != value.node || known.contains(&address.offset) {
                continue;
            }
            known.push(address.offset);
            let place = u32::try_from(guess.node.wrapping_add(address.offset)).ok();
            let Some(at) = place.filter(|&at| at < types.bytes(guess.candidate.outer)) else {
                guess.weight -= 2;
                continue;
            };
            guess.weight += match types.member_at(guess.candidate.outer, at) {
                Some(member) if member.rest == 0 && types.bytes(member.of) == u32::from(bytes) => 1,
                Some(member) if member.rest + u32::from(bytes) <= types.bytes(member.of) => 0,
                _ => -2,
            };
        }
    }
}
