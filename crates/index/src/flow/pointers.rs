//! Calls through pointers: which member an indirect call loads, and which functions that member points to.
//!
//! Members are told apart by the struct that declares them, not by the variable: `file->f_op->write_iter` may be any
//! file system's. That is what can be said without knowing which file it is.

use super::engine::Engine;
use super::evidence::place_in;
use super::follow::{Callee, Event};
use super::known::{Known, in_registers};
use super::learn::{Observer, SURE};
use super::values::{Node, Value, ZERO};
use crate::image::Image;
use crate::types::{Spot, Type, TypeId, Types};
use rustc_hash::{FxHashMap, FxHashSet};

/// A pointer: what the image has in a word.
const WORD: u64 = 8;

/// What code does with pointers to functions.
#[derive(Debug, Default)]
pub struct PointerNotes {
    /// Indirect calls by address, and the member whose pointer they call.
    calls: Vec<(u64, Spot)>,
    /// Functions that code stores into members.
    stored: Vec<(Spot, u64)>,
    /// Variables that code uses as structs of a type, by address.
    used_as: Vec<(u64, TypeId)>,
}

impl PointerNotes {
    /// Adds what was noted of other functions.
    pub fn add(&mut self, other: Self) {
        self.calls.extend(other.calls);
        self.stored.extend(other.stored);
        self.used_as.extend(other.used_as);
    }
}

/// A function that a member points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Held {
    /// The member.
    pub member: Spot,
    /// The function's address.
    pub function: u64,
    /// Where the pointer stands in the image; `None` when code stores it.
    pub at: Option<u64>,
}

/// The calls through pointers of an image, and whom they may call.
#[derive(Debug, Default)]
pub struct Pointers {
    /// Indirect calls by address, ascending, and the member whose pointer they call.
    pub calls: Vec<(u64, Spot)>,
    /// What members point to.
    pub held: Vec<Held>,
}

impl Observer<'_> {
    /// Notes what the function does with pointers to functions.
    pub(super) fn note_pointers(&mut self) {
        for event in &self.follower.events {
            match *event {
                Event::Call { instruction, callee: Callee::Indirect(value), .. } => {
                    let at = self.graph.instructions.get(instruction as usize);
                    if let (Some(at), Some(member)) = (at, self.loaded(value)) {
                        self.pointers.calls.push((at.address, member));
                    }
                }
                Event::Call { callee: Callee::Direct(callee), ref arguments, .. } => {
                    let Some(prototype) = self.known.prototype(callee) else { continue };
                    for (place, of) in in_registers(self.types, prototype.parameters) {
                        self.note_use(arguments[place], self.types.pointee(of));
                    }
                }
                Event::Store { address, per_cpu: false, value } => self.note_stored(address, value),
                _ => {}
            }
        }
    }

    /// The member that a value was loaded from, when it points to a function and there is only one.
    fn loaded(&self, value: Value) -> Option<Spot> {
        let Node::Load { address, bytes: 8, per_cpu: false } = self.follower.values.node(value.node) else {
            return None;
        };
        let mut only = Only::default();
        self.members(address, &mut |member, pointee| only.add(self.types, member, pointee));
        only.member().filter(|_| value.offset == 0)
    }

    /// The pointers that are at an address, by the best that is known of it: members and what they point to.
    fn members(&self, address: Value, each: &mut impl FnMut(Spot, TypeId)) {
        let types = self.types;
        if address.node == ZERO {
            if let Some((of, rest)) = self.known.variable_at(address.offset.cast_unsigned(), false) {
                types.each_pointer_at(of, rest, &mut |member, pointee| each(member.spot, pointee));
            }
            return;
        }
        let best = self.evidence.clues(address.node).map(|clue| clue.strength).max().unwrap_or(0);
        for clue in self.evidence.clues(address.node).filter(|clue| clue.strength == best && best >= SURE) {
            let Some(at) = place_in(types, clue, address.offset) else { continue };
            types.each_pointer_at(clue.of, at, &mut |member, pointee| each(member.spot, pointee));
        }
    }

    fn note_stored(&mut self, address: Value, value: Value) {
        let Some(number) = value.number().map(i64::cast_unsigned).filter(|&number| number != 0) else { return };
        let function = self.functions.starting(number).is_some();
        let (mut only, mut used) = (Only::default(), None);
        self.members(address, &mut |member, pointee| {
            only.add(self.types, member, pointee);
            used = Some(pointee);
        });
        if let Some(member) = only.member().filter(|_| function) {
            self.pointers.stored.push((member, number));
        }
        self.note_use(value, used);
    }

    /// The address of a variable is used as a pointer to a struct that has pointers.
    fn note_use(&mut self, value: Value, of: Option<TypeId>) {
        let (Some(of), Some(number)) = (of, value.number()) else { return };
        let number = number.cast_unsigned();
        if is_struct(self.types, of) && self.known.is_data(number, false) {
            self.pointers.used_as.push((number, of));
        }
    }
}

impl Engine<'_> {
    /// The calls through pointers, and whom they may call.
    pub fn pointers(&self) -> Pointers {
        let types = self.sources.types;
        let mut calls = self.pointers.calls.clone();
        calls.sort_unstable();
        calls.dedup_by_key(|&mut (address, _)| address);
        let stored = self.pointers.stored.iter().map(|&(member, function)| Held { member, function, at: None });
        let mut held: Vec<Held> = stored.collect();
        let used_as = spread(self.sources.image, types, &self.known, &self.pointers.used_as);
        self.each_word(&mut |at, function| {
            let Some((of, rest)) = self.known.variable_at(at, false).or_else(|| variable_at(types, &used_as, at))
            else {
                return;
            };
            let mut only = Only::default();
            types.each_pointer_at(of, rest, &mut |member, pointee| only.add(types, member.spot, pointee));
            held.extend(only.member().map(|member| Held { member, function, at: Some(at) }));
        });
        held.sort_unstable();
        held.dedup();
        Pointers { calls, held }
    }

    /// Every word of the image's data that is the address of a function.
    fn each_word(&self, each: &mut impl FnMut(u64, u64)) {
        let (image, functions) = (self.sources.image, self.sources.functions);
        let text = image.text().filter(|text| !text.is_empty());
        let Some(text) = text.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)) else { return };
        for section in image.sections.iter().filter(|section| section.loaded && !section.executable && !section.per_cpu)
        {
            let start = section.address.next_multiple_of(WORD);
            let bytes = image.bytes_from(start).unwrap_or_default();
            for (at, word) in (start..).step_by(WORD as usize).zip(bytes.chunks_exact(WORD as usize)) {
                let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
                if text.contains(&word) && functions.starting(word).is_some() {
                    each(at, word);
                }
            }
        }
    }
}

/// The one member of several that points to a function: in a union nobody knows which is meant.
#[derive(Clone, Copy, Debug, Default)]
struct Only {
    member: Option<Spot>,
    several: bool,
}

impl Only {
    fn add(&mut self, types: &Types, member: Spot, pointee: TypeId) {
        if is_function(types, pointee) {
            self.several |= self.member.is_some_and(|before| before != member);
            self.member = Some(member);
        }
    }

    fn member(self) -> Option<Spot> {
        self.member.filter(|_| !self.several)
    }
}

fn is_function(types: &Types, pointee: TypeId) -> bool {
    matches!(types.get(pointee), Type::Function { .. })
}

fn is_struct(types: &Types, of: TypeId) -> bool {
    matches!(types.get(of), Type::Composite(_))
}

/// The struct that an address lies in, of those that code uses variables as.
fn variable_at(types: &Types, used_as: &[(u64, TypeId)], at: u64) -> Option<(TypeId, u32)> {
    let after = used_as.partition_point(|&(start, _)| start <= at);
    let &(start, of) = used_as.get(after.checked_sub(1)?)?;
    let rest = u32::try_from(at - start).ok()?;
    (rest < types.bytes(of)).then_some((of, rest))
}

/// Adds the structs that pointers in known structs lead to. A variable that is used as two types is left out.
fn spread(image: &Image, types: &Types, known: &Known, used_as: &[(u64, TypeId)]) -> Vec<(u64, TypeId)> {
    let mut found: FxHashMap<u64, TypeId> = FxHashMap::default();
    let mut doubtful: FxHashSet<u64> = FxHashSet::default();
    let mut queue: Vec<(u64, TypeId)> = used_as.to_vec();
    while let Some((start, of)) = queue.pop() {
        if known.variable_at(start, false).is_some() {
            continue;
        }
        match found.insert(start, of) {
            Some(before) if before != of => {
                doubtful.insert(start);
                continue;
            }
            Some(_) => continue,
            None => {}
        }
        let words = (0..types.bytes(of)).step_by(WORD as usize);
        for rest in words.take_while(|&rest| known.is_data(start + u64::from(rest), false)) {
            let Some(to) = image.u64_at(start + u64::from(rest)).filter(|&to| known.is_data(to, false)) else {
                continue;
            };
            let mut pointees = types.pointers_at(of, rest);
            if let Some(only) = pointees.pop().filter(|&only| pointees.is_empty() && is_struct(types, only)) {
                queue.push((to, only));
            }
        }
    }
    let mut list: Vec<_> = found.into_iter().filter(|(start, _)| !doubtful.contains(start)).collect();
    list.sort_unstable();
    list
}
