//! What is found out of every type once, when all are there, so that later questions are answered at once: sizes, what
//! is behind typedefs, which types are locks, and what holds them. Here types that cannot be are refused.

use super::embed::Embedding;
use super::locks::lock_named;
use super::{Member, Name, Type, TypeId, Types, VOID};
use lima_model::LockType;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::hash_map::Entry;

/// Types nest by value in structs, arrays and typedefs, no deeper than this. A kernel's go to about 25.
const MAX_DEPTH: u16 = 250;
/// All structs of one part together, flattened, have no more members than this; those of an array count once. A kernel
/// has about half a million.
const MAX_LEAVES: u64 = 20_000_000;
/// And no more locks than this. A kernel has about 2,000.
const MAX_LOCKS: u64 = 100_000;

/// What is found out of each type when a part is complete; lists are by the type's place in the part.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub resolved: Vec<TypeId>,
    pub bytes: Vec<u32>,
    pub locks: Vec<Option<LockType>>,
    pub holds: Vec<Holds>,
    depth: Vec<u16>,
    leaves: Vec<u32>,
    /// The first typedef of each anonymous struct and union.
    pub typedefs: FxHashMap<TypeId, Name>,
    /// The struct or union that is meant where only a name is known, of types here and below.
    pub forwards: FxHashMap<TypeId, TypeId>,
    /// Those for which there is none, or several.
    pub unfound: Vec<TypeId>,
    /// Who has a struct or union as a member, by that.
    pub embeddings: Vec<Embedding>,
}

/// What is in a type, by value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Holds {
    /// How many, those of an array once.
    pub locks: u32,
    pub pointers: bool,
}

impl Types {
    /// Gives anonymous structs and unions the names of their typedefs, and makes those locks whose typedefs all say so.
    pub(super) fn name_anonymous(&mut self) {
        let mut doubtful = FxHashSet::default();
        for id in self.own() {
            let (Type::Alias(_), Some(&name)) = (self.get(id), self.names.get((id.0 - self.first) as usize)) else {
                continue;
            };
            let composite = self.resolve(id);
            let Some(place) = composite.0.checked_sub(self.first).map(|place| place as usize) else { continue };
            if self.names.get(place) != Some(&Name(0)) || !matches!(self.get(composite), Type::Composite(_)) {
                continue;
            }
            let lock = lock_named(self.text(name));
            match self.facts.typedefs.entry(composite) {
                Entry::Vacant(entry) => {
                    entry.insert(name);
                    self.composites.add(&self.text, name, composite);
                    self.facts.locks[place] = lock;
                }
                // The same empty struct may stand behind a lock's name and others.
                Entry::Occupied(_) if self.facts.locks[place] != lock => {
                    doubtful.insert(place);
                }
                Entry::Occupied(_) => {}
            }
        }
        for place in doubtful {
            self.facts.locks[place] = None;
        }
        for (holds, lock) in self.facts.holds.iter_mut().zip(&self.facts.locks) {
            holds.locks = holds.locks.max(u32::from(lock.is_some()));
        }
    }

    /// Finds the struct that is meant where only a name is known, when a single one has it.
    pub(super) fn find_forwards(&mut self) {
        let own = self.own().filter(|&id| self.get(id) == Type::Forward);
        let below = self.base().into_iter().flat_map(|base| base.facts.unfound.iter().copied());
        for id in own.chain(below).collect::<Vec<_>>() {
            let only = {
                let mut named = self.composites_named(self.name(id));
                named.next().filter(|_| named.next().is_none())
            };
            match only {
                Some(only) => drop(self.facts.forwards.insert(id, only)),
                None => self.facts.unfound.push(id),
            }
        }
    }
}

/// What a type is made of, by value.
enum Parts<'a> {
    Nothing,
    One(TypeId),
    Members(&'a [Member]),
}

impl Parts<'_> {
    fn get(&self, number: usize) -> Option<TypeId> {
        match self {
            Self::Nothing => None,
            Self::One(of) => (number == 0).then_some(*of),
            Self::Members(members) => members.get(number).map(|member| member.of),
        }
    }
}

fn parts(types: &Types, of: Type) -> Parts<'_> {
    match of {
        Type::Alias(of) | Type::Qualified(of) | Type::Array { element: of, .. } => Parts::One(of),
        Type::Composite(composite) => Parts::Members(types.members_of(composite.members)),
        _ => Parts::Nothing,
    }
}

/// Visits every type after those that it is made of.
pub(super) fn gather(types: &Types) -> Result<Facts, String> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let count = types.kinds.len();
    let mut facts = Facts {
        resolved: vec![VOID; count],
        bytes: vec![0; count],
        locks: vec![None; count],
        holds: vec![Holds::default(); count],
        depth: vec![0; count],
        leaves: vec![0; count],
        ..Facts::default()
    };
    let mut states = vec![State::New; count];
    let (mut leaves, mut locks) = (0_u64, 0_u64);
    let mut path: Vec<(usize, usize)> = Vec::new();
    for start in 0..count {
        if states[start] != State::New {
            continue;
        }
        states[start] = State::Open;
        path.push((start, 0));
        while let Some((place, next)) = path.last_mut() {
            let (kind, number) = (types.kinds[*place], *next);
            *next += 1;
            let place = *place;
            if let Some(part) = parts(types, kind).get(number) {
                let Some(below) = part.0.checked_sub(types.first).map(|below| below as usize) else { continue };
                match states.get(below) {
                    Some(State::New) => {
                        states[below] = State::Open;
                        path.push((below, 0));
                        if path.len() > usize::from(MAX_DEPTH) {
                            return Err(format!("type {} is nested too deeply", number_of(types, start)));
                        }
                    }
                    Some(State::Open) => {
                        return Err(format!("type {} is part of itself", number_of(types, below)));
                    }
                    Some(State::Done) | None => {}
                }
                continue;
            }
            facts.learn(types, place)?;
            if matches!(kind, Type::Composite(_)) {
                leaves += u64::from(facts.leaves[place]);
                locks += u64::from(facts.holds[place].locks);
                if leaves > MAX_LEAVES || locks > MAX_LOCKS {
                    let (what, most) = if leaves > MAX_LEAVES { ("members", MAX_LEAVES) } else { ("locks", MAX_LOCKS) };
                    return Err(format!(
                        "the {what} of all structs, those of structs inside again, are more than {most}"
                    ));
                }
            }
            states[place] = State::Done;
            path.pop();
        }
    }
    Ok(facts)
}

fn number_of(types: &Types, place: usize) -> u64 {
    u64::from(types.first) + place as u64
}

/// What is known of one type.
#[derive(Clone, Copy, Default)]
struct Known {
    resolved: TypeId,
    bytes: u32,
    lock: Option<LockType>,
    holds: Holds,
    depth: u16,
    leaves: u32,
}

impl Facts {
    fn known(&self, types: &Types, id: TypeId) -> Known {
        let (part, place) = types.place(id);
        let facts = if id.0 >= types.first { self } else { &part.facts };
        let Some(&resolved) = facts.resolved.get(place) else { return Known::default() };
        Known {
            resolved,
            bytes: facts.bytes[place],
            lock: facts.locks[place],
            holds: facts.holds[place],
            depth: facts.depth[place],
            leaves: facts.leaves[place],
        }
    }

    /// Learns of a type from what is known of its parts.
    fn learn(&mut self, types: &Types, place: usize) -> Result<(), String> {
        let id = TypeId(types.first + place as u32);
        let too_big = || format!("type {} is larger than 4 GiB", id.0);
        let itself = Known { resolved: id, leaves: 1, ..Known::default() };
        let name = types.text(types.names[place]);
        let known = match types.kinds[place] {
            Type::Void | Type::Forward => itself,
            Type::Function { .. } => itself,
            Type::Scalar { bytes } => Known { bytes, ..itself },
            Type::Pointer(_) => Known { bytes: 8, holds: Holds { pointers: true, locks: 0 }, ..itself },
            Type::Alias(of) | Type::Qualified(of) => {
                let known = self.known(types, of);
                let composite = known.holds.locks > 0 || matches!(types.get(known.resolved), Type::Composite(_));
                let lock = if composite { lock_named(name).or(known.lock) } else { None };
                let holds = Holds { locks: known.holds.locks.max(u32::from(lock.is_some())), ..known.holds };
                Known { lock, holds, depth: known.depth + 1, ..known }
            }
            Type::Array { element, count } => {
                let known = self.known(types, element);
                let bytes = known.bytes.checked_mul(count).ok_or_else(too_big)?;
                Known { bytes, holds: known.holds, leaves: known.leaves, depth: known.depth + 1, ..itself }
            }
            Type::Composite(composite) => {
                let mut sum = Known { bytes: composite.bytes, lock: lock_named(name), ..itself };
                for member in types.members_of(composite.members) {
                    let known = self.known(types, member.of);
                    sum.holds.locks = sum.holds.locks.saturating_add(known.holds.locks);
                    sum.holds.pointers |= known.holds.pointers;
                    sum.depth = sum.depth.max(known.depth + 1);
                    sum.leaves = sum.leaves.saturating_add(known.leaves);
                }
                sum.holds.locks = sum.holds.locks.max(u32::from(sum.lock.is_some()));
                sum
            }
        };
        if known.depth > MAX_DEPTH {
            return Err(format!("type {} is nested too deeply", id.0));
        }
        self.resolved[place] = known.resolved;
        self.bytes[place] = known.bytes;
        self.locks[place] = known.lock;
        self.holds[place] = known.holds;
        self.depth[place] = known.depth;
        self.leaves[place] = known.leaves;
        Ok(())
    }
}
