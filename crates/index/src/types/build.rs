//! Filling a [`Types`]: adding types, and then, once, finding out what every later question needs of each of them.

use super::embed::Embedding;
use super::locks::lock_named;
use super::names::Text;
use super::{Composite, Member, Name, Span, Type, TypeId, Types, VOID, Variable};
use lima_model::LockType;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::hash_map::Entry;
use std::sync::Arc;

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

/// Types that are being gathered.
///
/// A type may be declared before it is defined, so that types can refer to each other. What is never defined stays
/// [`Type::Void`].
#[derive(Debug)]
pub struct TypesBuilder {
    pub(super) types: Types,
}

impl Default for TypesBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TypesBuilder {
    /// No types but `void`.
    pub fn new() -> Self {
        let mut types = Types::default();
        types.kinds.push(Type::Void);
        types.names.push(Name(0));
        Self { types }
    }

    /// Types on top of others, those of a module on its kernel's.
    pub fn on(base: Arc<Types>) -> Self {
        let (first, text) = (base.end().0, Text::from(base.text.end(), String::new()));
        Self { types: Types { first, text, base: Some(base), ..Types::default() } }
    }

    /// Room for a type that is defined later.
    pub fn declare(&mut self) -> TypeId {
        let id = self.types.end();
        self.types.kinds.push(Type::Void);
        self.types.names.push(Name(0));
        id
    }

    /// Defines a type that was declared here: a scalar, pointer, array, typedef, qualifier or forward. `name` is the tag
    /// or the typedef's name, and may be empty.
    pub fn define(&mut self, id: TypeId, name: &str, of: Type) {
        let name = self.types.text.add(name);
        self.define_named(id, name, of);
    }

    pub(super) fn define_named(&mut self, id: TypeId, name: Name, of: Type) {
        let types = &mut self.types;
        let Some(place) = id.0.checked_sub(types.first).map(|place| place as usize) else { return };
        let (Some(kind), Some(own)) = (types.kinds.get_mut(place), types.names.get_mut(place)) else { return };
        *kind = of;
        *own = name;
        match of {
            Type::Composite(_) => types.composites.add(&types.text, name, id),
            Type::Alias(_) => types.aliases.add(&types.text, name, id),
            _ => {}
        }
    }

    /// A name for a [`Member`], kept once more each time it is asked for.
    pub fn member_name(&mut self, name: &str) -> Name {
        self.types.text.add(name)
    }

    /// A member for [`define_composite`](Self::define_composite), no bit field.
    pub fn member(&mut self, name: &str, of: TypeId, bit_offset: u32) -> Member {
        Member { name: self.types.text.add(name), of, bit_offset, bit_size: 0 }
    }

    /// Defines a struct or union that was declared here.
    pub fn define_composite(&mut self, id: TypeId, name: &str, union: bool, bytes: u32, members: &[Member]) {
        let name = self.types.text.add(name);
        let members = self.keep_members(members.iter().copied());
        self.define_named(id, name, Type::Composite(Composite { union, bytes, members }));
    }

    /// Keeps members, in the order of their offsets: Rust's structs are declared in another.
    pub(super) fn keep_members(&mut self, members: impl Iterator<Item = Member>) -> Span {
        let list = &mut self.types.members;
        let first = list.len();
        list.extend(members);
        if !list[first..].is_sorted_by_key(|member| member.bit_offset) {
            list[first..].sort_by_key(|member| member.bit_offset);
        }
        Span { first: first as u32, count: (list.len() - first) as u32 }
    }

    /// Defines a function type that was declared here.
    pub fn define_function(&mut self, id: TypeId, returns: TypeId, parameters: &[TypeId]) {
        let parameters = self.keep_parameters(parameters.iter().copied());
        self.define_named(id, Name(0), Type::Function { returns, parameters });
    }

    pub(super) fn keep_parameters(&mut self, parameters: impl Iterator<Item = TypeId>) -> Span {
        let first = self.types.parameters.len();
        self.types.parameters.extend(parameters);
        Span { first: first as u32, count: (self.types.parameters.len() - first) as u32 }
    }

    /// [`declare`](Self::declare) and [`define`](Self::define).
    pub fn add(&mut self, name: &str, of: Type) -> TypeId {
        let id = self.declare();
        self.define(id, name, of);
        id
    }

    /// Says that a function of this name has this function type, for [`Types::prototype`].
    pub fn function(&mut self, name: &str, prototype: TypeId) {
        let name = self.types.text.add(name);
        self.function_named(name, prototype);
    }

    pub(super) fn function_named(&mut self, name: Name, prototype: TypeId) {
        self.types.functions.add(&self.types.text, name, prototype);
    }

    pub(super) fn variable_named(&mut self, variable: Variable) {
        let number = TypeId(self.types.variables.len() as u32);
        self.types.variables.push(variable);
        self.types.variables_by_name.add(&self.types.text, variable.name, number);
    }

    /// The struct or union of this tag and size, when there is just one: so that what DWARF says is found again among
    /// the types of BTF.
    pub fn composite_named(&self, name: &str, bytes: u32) -> Option<TypeId> {
        self.types.composite_named(name, bytes)
    }

    /// All structs and unions of this tag, to be told apart with [`get`](Self::get) and [`members`](Self::members).
    pub fn composites_named(&self, name: &str) -> impl Iterator<Item = TypeId> {
        self.types.composites_named(name)
    }

    /// The typedefs of this name.
    pub fn aliases_named(&self, name: &str) -> impl Iterator<Item = TypeId> {
        self.types.aliases_named(name)
    }

    /// What was defined so far.
    pub fn get(&self, id: TypeId) -> Type {
        self.types.get(id)
    }

    /// The members of a struct or union that was defined.
    pub fn members(&self, of: Composite, id: TypeId) -> &[Member] {
        self.types.part(id).members_of(of.members)
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.types.text(name)
    }

    /// The types. What is wrong with them is said in words that follow the name of the section: a type inside itself,
    /// or one of an absurd size.
    pub fn build(self) -> Result<Types, String> {
        let Self { mut types } = self;
        types.text.shrink();
        types.facts = gather(&types)?;
        types.name_anonymous();
        types.facts.embeddings = types.gather_embeddings();
        Ok(types)
    }
}

impl Types {
    /// Gives anonymous structs and unions the names of their typedefs, and makes those locks whose typedefs all say so.
    fn name_anonymous(&mut self) {
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
fn gather(types: &Types) -> Result<Facts, String> {
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
