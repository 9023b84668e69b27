//! What the code of a whole image says of values that no declaration says enough of.
//!
//! A `void *` field holds what is stored there, and what it is used as; a list holds what is put into it; a function
//! without a prototype takes what its callers hand over; a callback is called with what it was registered with. Each
//! such observation is a [`Fact`]: seen in one function, of use in others.

use super::evidence::{Evidence, place_in};
use super::follow::{ARGUMENTS, Callee, Event, Follower};
use super::known::{Known, in_registers};
use super::pointers::PointerNotes;
use super::values::{JUNK, Node, NodeId, STACK, Value, ZERO};
use crate::code::{FunctionId, Functions, Graph};
use crate::types::{MemberAt, Prototype, Type, TypeId, Types};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;

/// Clues weaker than this are no observation.
pub const SURE: u8 = 6;
/// More clues of one value are not kept.
const CLUES: usize = 4;
/// Types larger than this are no links that structs are chained with.
const LINK: u32 = 64;
/// Functions further apart than this, in the order of the image, were hardly in one source file.
const NEAR: u32 = 200;

/// What an observation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// What the pointer in a field points to; of a link, what it links.
    Field(TypeId, u32),
    /// The same of a variable.
    Variable(u64),
    /// The argument of a function, by the place of its register.
    Parameter(u64, u8),
    /// What a function returns.
    Result(u64),
}

/// An observation: it is an address inside this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is about.
    pub key: Key,
    /// The type.
    pub of: TypeId,
    /// The offset in it.
    pub at: i32,
    /// Who was seen doing it.
    pub by: FunctionId,
}

/// All observations, by what they are about.
#[derive(Debug, Default)]
pub struct Learned {
    facts: Vec<Fact>,
    keys: FxHashMap<Key, Range<u32>>,
    /// Types, and the functions that they are used in, ascending.
    used: Vec<(TypeId, FunctionId)>,
    /// Functions whose address the code hands on.
    taken: FxHashSet<u64>,
}

impl Learned {
    /// Sorts observations.
    pub fn new(mut facts: Vec<Fact>, mut used: Vec<(TypeId, FunctionId)>, taken: FxHashSet<u64>) -> Self {
        used.sort_unstable();
        used.dedup();
        facts.sort_unstable_by_key(|fact| (fact.key, fact.of, fact.at, fact.by));
        facts.dedup();
        let mut keys = FxHashMap::default();
        let mut start = 0;
        for group in facts.chunk_by(|a, b| a.key == b.key) {
            let end = start + group.len() as u32;
            keys.insert(group[0].key, start..end);
            start = end;
        }
        Self { facts, keys, used, taken }
    }

    /// How many observations there are.
    pub fn len(&self) -> usize {
        self.facts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Whether the code hands on the address of the function there.
    pub fn is_taken(&self, function: u64) -> bool {
        self.taken.contains(&function)
    }

    /// How far from a function another one is that uses a type, in the order of the image.
    pub fn distance(&self, of: TypeId, from: FunctionId) -> Option<u32> {
        let at = self.used.partition_point(|&used| used < (of, from));
        let around = [at.checked_sub(1), Some(at)].into_iter().flatten().filter_map(|at| self.used.get(at));
        around.filter(|used| used.0 == of).map(|used| used.1.0.abs_diff(from.0)).min()
    }

    /// What was observed, as seen from a function (of another image when there is none): all when it is one thing; else what was seen nearest to it.
    pub fn about(&self, key: Key, from: Option<FunctionId>, each: &mut impl FnMut(TypeId, i32)) {
        let Some(range) = self.keys.get(&key) else { return };
        let facts = &self.facts[range.start as usize..range.end as usize];
        let groups = || facts.chunk_by(|a, b| (a.of, a.at) == (b.of, b.at));
        if groups().nth(1).is_none() || matches!(key, Key::Parameter(..) | Key::Result(_)) {
            for group in groups().take(8) {
                each(group[0].of, group[0].at);
            }
            return;
        }
        let Some(from) = from else { return };
        let distance = |fact: &Fact| fact.by.0.abs_diff(from.0);
        let Some(nearest) = facts.iter().map(distance).min() else { return };
        if nearest <= NEAR {
            for group in groups().filter(|group| group.iter().any(|fact| distance(fact) == nearest)).take(4) {
                each(group[0].of, group[0].at);
            }
        }
    }
}

/// The key of a field that has this pointer, when its declaration says too little.
pub fn field_key(types: &Types, outer: TypeId, at: u32, member: &MemberAt, pointee: TypeId) -> Option<Key> {
    let spot = &member.spot;
    match types.get(pointee) {
        Type::Void => Some(Key::Field(spot.declaring, spot.offset)),
        Type::Composite(composite) if composite.bytes <= LINK && !types.holds_lock(pointee) => {
            // Both pointers of a link are one.
            let start = if spot.declaring == pointee { at.checked_sub(spot.offset)? } else { at };
            (outer != spot.declaring).then_some(Key::Field(outer, start))
        }
        _ => None,
    }
}

/// Looks at a function that was followed, and notes what can be learned from it.
#[derive(Debug)]
pub struct Observer<'a> {
    /// The function.
    pub function: FunctionId,
    /// Its address.
    pub address: u64,
    /// Its values.
    pub follower: &'a Follower,
    /// Their types.
    pub evidence: &'a Evidence,
    /// What is known outside.
    pub known: &'a Known,
    /// The types.
    pub types: &'a Types,
    /// The functions of the image.
    pub functions: &'a Functions,
    /// The graph of this one.
    pub graph: &'a Graph,
    /// What was noted.
    pub facts: &'a mut Vec<Fact>,
    /// Types that the function uses.
    pub used: &'a mut Vec<(TypeId, FunctionId)>,
    /// Functions whose address it hands on.
    pub taken: &'a mut Vec<u64>,
    /// What it does with pointers to functions.
    pub pointers: &'a mut PointerNotes,
}

impl Observer<'_> {
    /// Notes everything.
    pub fn observe(mut self) {
        let start = self.used.len();
        for clue in self.evidence.all().filter(|clue| clue.strength > SURE) {
            if self.types.holds_lock(clue.of) && !self.used[start..].contains(&(clue.of, self.function)) {
                self.used.push((clue.of, self.function));
            }
        }
        self.note_taken();
        self.note_pointers();
        for event in &self.follower.events {
            match *event {
                Event::Call { callee: Callee::Direct(address), ref arguments, .. } => self.call(address, arguments),
                Event::Store { address, per_cpu: false, value } => self.store(address, value),
                Event::Return(value) => {
                    let prototype = self.known.prototype(self.address);
                    if prototype.is_none_or(|prototype| self.says_little(prototype.returns)) {
                        self.note(Key::Result(self.address), value);
                    }
                }
                _ => {}
            }
        }
        for (id, node) in self.follower.values.iter() {
            if let Node::Load { address, bytes: 8, per_cpu: false } = node {
                self.load(address, id);
            }
        }
    }

    /// Notes the functions whose addresses are handed over, stored, returned, or one of several values.
    fn note_taken(&mut self) {
        let functions = self.functions;
        let taken = &mut *self.taken;
        let mut note = |value: Value| {
            let function = value.number().map(i64::cast_unsigned).filter(|&to| functions.starting(to).is_some());
            taken.extend(function);
        };
        for event in &self.follower.events {
            match *event {
                Event::Call { ref arguments, .. } => arguments.iter().copied().for_each(&mut note),
                Event::Store { value, .. } | Event::Return(value) => note(value),
                Event::Became { .. } | Event::Bound { .. } => {}
            }
        }
        self.follower.values.operands().iter().for_each(|&(_, value)| note(value));
    }

    /// Whether a parameter of this type may be more than the type says.
    fn says_little(&self, of: TypeId) -> bool {
        match self.types.pointee(of) {
            Some(pointee) => match self.types.get(pointee) {
                Type::Void => true,
                Type::Composite(composite) => composite.bytes <= LINK && !self.types.holds_lock(pointee),
                _ => false,
            },
            None => self.types.bytes(of) == 8,
        }
    }

    /// What a value is known to be, beyond `declared`.
    fn clues(&self, value: Value) -> impl Iterator<Item = (TypeId, i32)> + use<> {
        let mut found = [(crate::types::VOID, 0); CLUES];
        let mut count = 0;
        if !matches!(value.node, ZERO | STACK | JUNK) {
            for clue in self.evidence.clues(value.node) {
                let at = i64::from(clue.at).wrapping_add(value.offset);
                if clue.strength >= SURE
                    && count < CLUES
                    && matches!(self.types.get(clue.of), Type::Composite(_))
                    && (0..i64::from(self.types.bytes(clue.of))).contains(&at)
                {
                    found[count] = (clue.of, at as i32);
                    count += 1;
                }
            }
        }
        found.into_iter().take(count)
    }

    fn note(&mut self, key: Key, value: Value) {
        for (of, at) in self.clues(value) {
            self.facts.push(Fact { key, of, at, by: self.function });
        }
    }

    /// The same, but for what the declaration says anyway.
    fn note_more(&mut self, key: Key, value: Value, declared: TypeId) {
        for (of, at) in self.clues(value) {
            if of != declared {
                self.facts.push(Fact { key, of, at, by: self.function });
            }
        }
    }

    /// A call: its arguments, and callbacks among them.
    fn call(&mut self, address: u64, arguments: &[Value; 6]) {
        let types = self.types;
        let Some(prototype) = self.known.prototype(address) else {
            for (place, &argument) in (0..).zip(arguments) {
                self.note(Key::Parameter(address, place), argument);
            }
            return;
        };
        for (place, of) in in_registers(types, prototype.parameters) {
            if self.says_little(of) {
                let declared = types.pointee(of).unwrap_or_default();
                self.note_more(Key::Parameter(address, place as u8), arguments[place], declared);
            }
            if let Some(callback) = self.function_at(arguments[place]) {
                self.callback(callback, &prototype, arguments);
            }
        }
    }

    /// The function that a constant is the address of, and its prototype.
    fn function_at(&self, value: Value) -> Option<u64> {
        let address = value.number()?.cast_unsigned();
        self.known.prototype(address).map(|_| address)
    }

    /// A function is handed over together with what it will be called with.
    fn callback(&mut self, callback: u64, prototype: &Prototype<'_>, arguments: &[Value; 6]) {
        let types = self.types;
        let Some(own) = self.known.prototype(callback) else { return };
        for (place, of) in in_registers(types, own.parameters) {
            let Some(pointee) = types.pointee(of).filter(|_| self.says_little(of)) else { continue };
            let same = |&(_, other): &(usize, TypeId)| types.pointee(other) == Some(pointee);
            let mut handed = in_registers(types, prototype.parameters).filter(same);
            let mut taken = in_registers(types, own.parameters).filter(same);
            if let (Some((from, _)), None, Some(_), None) = (handed.next(), handed.next(), taken.next(), taken.next()) {
                self.note_more(Key::Parameter(callback, place as u8), arguments[from], pointee);
            }
        }
    }

    fn store(&mut self, address: Value, value: Value) {
        if let Some(callback) = self.function_at(value) {
            self.stored_callback(address, callback);
            return;
        }
        if self.clues(value).next().is_none() {
            return;
        }
        self.places(address, &mut |observer, key, declared| observer.note_more(key, value, declared));
    }

    fn load(&mut self, address: Value, node: NodeId) {
        let value = Value::of(node);
        if self.clues(value).next().is_some() {
            self.places(address, &mut |observer, key, declared| observer.note_more(key, value, declared));
        }
    }

    /// What can be learned about at an address, with what the declaration says it points to.
    fn places(&mut self, address: Value, each: &mut impl FnMut(&mut Self, Key, TypeId)) {
        let types = self.types;
        if address.node == ZERO {
            let number = address.offset.cast_unsigned();
            let declared = match self.known.variable_at(number, false) {
                Some((of, rest)) => {
                    let mut fields = types.pointers_at(of, rest);
                    let Some(only) = fields.pop().filter(|_| fields.is_empty()) else { return };
                    match types.get(only) {
                        Type::Void => only,
                        Type::Composite(composite) if composite.bytes <= LINK && !types.holds_lock(only) => only,
                        _ => return,
                    }
                }
                None => crate::types::VOID,
            };
            if self.known.is_data(number, false) {
                each(self, Key::Variable(number), declared);
            }
            return;
        }
        let evidence = self.evidence;
        for clue in evidence.clues(address.node).filter(|clue| clue.strength >= SURE) {
            let Some(at) = place_in(types, clue, address.offset) else { continue };
            types.each_pointer_at(clue.of, at, &mut |member, pointee| {
                if let Some(key) = field_key(types, clue.of, at, &member, pointee) {
                    each(self, key, pointee);
                }
            });
        }
    }

    /// A function is stored into a struct that it will be called with: work, timers, RCU heads.
    fn stored_callback(&mut self, address: Value, callback: u64) {
        let types = self.types;
        let Some(own) = self.known.prototype(callback) else { return };
        let evidence = self.evidence;
        for clue in evidence.clues(address.node).filter(|clue| clue.strength >= SURE) {
            let Some(at) = place_in(types, clue, address.offset) else { continue };
            let Some(member) = types.member_at(clue.of, at).filter(|member| member.rest == 0) else { continue };
            let holder = member.spot.declaring;
            let Some(start) = at.checked_sub(member.spot.offset).filter(|_| holder != clue.of) else { continue };
            for (place, of) in in_registers(types, own.parameters) {
                if types.pointee(of) == Some(holder) {
                    let key = Key::Parameter(callback, place as u8);
                    self.facts.push(Fact { key, of: clue.of, at: start as i32, by: self.function });
                }
            }
        }
    }
}

/// The place of a register among those of arguments.
pub fn argument_place(register: crate::code::Register) -> Option<u8> {
    ARGUMENTS.iter().position(|&other| other == register).map(|place| place as u8)
}
