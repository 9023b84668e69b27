//! Types of the debug information as types of the image.
//!
//! Debug information repeats its types in every unit; the image's [`Types`], mostly from BTF, have each once. A
//! [`TypeMap`] finds one for the other: structs by name and size, and by their members where that is not enough. The
//! result is without qualifiers, and of typedefs only those of structs are kept: `const spinlock_t *` becomes a pointer to
//! `struct spinlock`.

use super::entries::{TypeEntry, counts, members, named_below, read_entry};
use super::reading::{Place, Reading};
use super::unit::{Bytes, CHAIN, Unit};
use crate::types::{Type, TypeId, Types, VOID};
use gimli::constants as dw;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHasher};
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// Finds types of debug information among those of an image. Make one for the kernel, and one on top of it for each
/// module; it is shared between threads.
#[derive(Debug)]
pub struct TypeMap {
    types: Arc<Types>,
    base: Option<Arc<TypeMap>>,
    /// Pointers by what they point to, resolved.
    pointers: FxHashMap<TypeId, TypeId>,
    /// Arrays by their elements, resolved, and how many there are.
    arrays: FxHashMap<(TypeId, u32), TypeId>,
    /// Scalars by their size.
    scalars: FxHashMap<u32, TypeId>,
    /// Structs and unions of which the image has only the name.
    forwards: FxHashMap<String, TypeId>,
    /// Structs and unions by tag or typedef, size and kind, once looked up.
    composites: RwLock<FxHashMap<u64, Answer>>,
    /// Structs and unions without a name, by their shape.
    anonymous: OnceLock<FxHashMap<u64, Answer>>,
}

/// The struct or union that a question means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    One(TypeId),
    /// Several fit.
    Several,
    None,
}

impl Answer {
    fn of(mut fitting: impl Iterator<Item = TypeId>) -> Self {
        match fitting.next() {
            None => Self::None,
            Some(first) if fitting.all(|other| other == first) => Self::One(first),
            Some(_) => Self::Several,
        }
    }

    fn one(self) -> Option<TypeId> {
        match self {
            Self::One(id) => Some(id),
            Self::Several | Self::None => None,
        }
    }
}

impl TypeMap {
    /// For the types of a kernel.
    pub fn new(types: Arc<Types>) -> Self {
        Self::with(types, None)
    }

    /// For the types of a module, on top of its kernel's.
    pub fn on(base: Arc<Self>, types: Arc<Types>) -> Self {
        Self::with(types, Some(base))
    }

    fn with(types: Arc<Types>, base: Option<Arc<Self>>) -> Self {
        let mut map = Self {
            base,
            pointers: FxHashMap::default(),
            arrays: FxHashMap::default(),
            scalars: FxHashMap::default(),
            forwards: FxHashMap::default(),
            composites: RwLock::default(),
            anonymous: OnceLock::new(),
            types,
        };
        for id in map.types.own() {
            match map.types.get(id) {
                Type::Pointer(_) => {
                    if let Some(pointee) = map.types.pointee(id) {
                        map.pointers.entry(pointee).or_insert(id);
                    }
                }
                Type::Array { element, count } => {
                    map.arrays.entry((map.types.resolve(element), count)).or_insert(id);
                }
                Type::Scalar { bytes } => {
                    map.scalars.entry(bytes).or_insert(id);
                }
                Type::Forward => {
                    map.forwards.entry(map.types.name(id).to_owned()).or_insert(id);
                }
                _ => {}
            }
        }
        map
    }

    /// The types that are found.
    pub fn types(&self) -> &Arc<Types> {
        &self.types
    }

    /// This, then what it stands on.
    fn parts(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |part| part.base.as_deref())
    }

    /// The pointer to a type, when the image has one.
    pub fn pointer_to(&self, id: TypeId) -> Option<TypeId> {
        let id = self.types.complete(self.types.resolve(id));
        self.parts().find_map(|part| part.pointers.get(&id).copied())
    }

    fn array_of(&self, element: TypeId, count: u32) -> Option<TypeId> {
        self.parts().find_map(|part| part.arrays.get(&(element, count)).copied())
    }

    fn scalar(&self, bytes: u32) -> Option<TypeId> {
        self.parts().find_map(|part| part.scalars.get(&bytes).copied())
    }

    /// The structs and unions that a tag or a typedef stands for.
    fn named(&self, name: &str, union: bool, bytes: Option<u32>) -> impl Iterator<Item = TypeId> {
        let aliases = self.types.aliases_named(name).map(|id| self.types.resolve(id));
        self.types.composites_named(name).chain(aliases).filter(move |&id| match self.types.get(id) {
            Type::Composite(composite) => {
                composite.union == union && bytes.is_none_or(|bytes| bytes == composite.bytes)
            }
            _ => false,
        })
    }

    fn composite(&self, wanted: &Wanted<'_>, shape: impl Fn() -> Option<u64>) -> Option<TypeId> {
        let Some(name) = wanted.name else {
            let shape = shape()?;
            return self.parts().find_map(|part| part.anonymous().get(&shape)?.one());
        };
        let key = wanted.key(name);
        let known = self.composites.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        let answer = known.unwrap_or_else(|| {
            let name = String::from_utf8_lossy(name);
            let mut answer = Answer::of(self.named(&name, wanted.union, wanted.bytes));
            if answer == Answer::None && wanted.bytes.is_none() {
                answer = Answer::of(self.parts().filter_map(|part| part.forwards.get(&*name).copied()).take(1));
            }
            self.composites.write().unwrap_or_else(PoisonError::into_inner).insert(key, answer);
            answer
        });
        match answer {
            Answer::Several if wanted.bytes.is_some() => {
                let (name, shape) = (String::from_utf8_lossy(name), shape()?);
                Answer::of(self.named(&name, wanted.union, wanted.bytes).filter(|&id| self.shape(id) == shape)).one()
            }
            answer => answer.one(),
        }
    }

    /// The typedef of this name for a struct or union, so that it is spelled as the source does; or that itself.
    fn aliased(&self, name: Option<Bytes<'_>>, found: TypeId) -> TypeId {
        let Some(name) = name.filter(|_| matches!(self.types.get(found), Type::Composite(_))) else { return found };
        let name = name.to_string_lossy();
        self.types.aliases_named(&name).find(|alias| self.types.resolve(*alias) == found).unwrap_or(found)
    }

    fn anonymous(&self) -> &FxHashMap<u64, Answer> {
        self.anonymous.get_or_init(|| {
            let mut anonymous = FxHashMap::default();
            for id in self.types.own() {
                if matches!(self.types.get(id), Type::Composite(_)) && !self.types.is_named(id) {
                    match anonymous.entry(self.shape(id)) {
                        Entry::Vacant(vacant) => {
                            vacant.insert(Answer::One(id));
                        }
                        Entry::Occupied(mut known) => {
                            known.insert(Answer::Several);
                        }
                    }
                }
            }
            anonymous
        })
    }

    /// What a struct or union looks like from outside: size, and names and places of its members.
    fn shape(&self, id: TypeId) -> u64 {
        let bytes = self.types.bytes(id);
        let union = self.types.composite(id).is_some_and(|composite| composite.union);
        let mut shape = Shape::new(union, bytes);
        for member in self.types.members(id) {
            let place = if member.bit_size == 0 { member.offset() } else { 0 };
            shape.member(self.types.text(member.name).as_bytes(), place, self.named_below(member.of).as_bytes());
        }
        shape.0.finish()
    }

    /// The first name below pointers, arrays and qualifiers.
    fn named_below(&self, id: TypeId) -> &str {
        let mut id = id;
        for _ in 0..CHAIN {
            id = match self.types.get(id) {
                Type::Pointer(of) | Type::Qualified(of) | Type::Array { element: of, .. } => of,
                Type::Alias(_) | Type::Composite(_) | Type::Forward => return self.types.name(id),
                _ => return "",
            }
        }
        ""
    }
}

/// What is asked for.
struct Wanted<'n> {
    name: Option<&'n [u8]>,
    union: bool,
    /// None for a struct that is only declared.
    bytes: Option<u32>,
}

impl Wanted<'_> {
    fn key(&self, name: &[u8]) -> u64 {
        FxBuildHasher.hash_one((name, self.union, self.bytes))
    }
}

/// A hash of members.
struct Shape(FxHasher);

impl Shape {
    fn new(union: bool, bytes: u32) -> Self {
        let mut hasher = FxHasher::default();
        (union, bytes).hash(&mut hasher);
        Self(hasher)
    }

    fn member(&mut self, name: &[u8], offset: u32, of: &[u8]) {
        (name, offset, of).hash(&mut self.0);
    }
}

/// Finds the types of one unit.
#[derive(Debug)]
pub(super) struct TypeFinder<'m> {
    map: &'m TypeMap,
    known: FxHashMap<Place, Option<TypeId>>,
}

impl<'m> TypeFinder<'m> {
    pub fn new(map: &'m TypeMap) -> Self {
        Self { map, known: FxHashMap::default() }
    }

    /// Where the types are found.
    pub fn map(&self) -> &'m TypeMap {
        self.map
    }

    /// The type that an entry describes; none when the image's types do not have it.
    pub fn find(&mut self, reading: &Reading<'_, '_>, place: Place) -> Option<TypeId> {
        self.find_below(reading, place, None, 0)
    }

    fn find_below(
        &mut self,
        reading: &Reading<'_, '_>,
        place: Place,
        alias: Option<Bytes<'_>>,
        depth: usize,
    ) -> Option<TypeId> {
        if let Some(known) = self.known.get(&place) {
            return *known;
        }
        if depth > CHAIN {
            return None;
        }
        let unit = reading.unit_of(place)?;
        let entry = read_entry(reading, &unit, place)?;
        let below = |finder: &mut Self, alias| match entry.of {
            Some(of) => finder.find_below(reading, of, alias, depth + 1),
            None => Some(VOID),
        };
        let found = match entry.tag {
            dw::DW_TAG_typedef => below(self, entry.name).map(|found| self.map.aliased(entry.name, found)),
            dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_atomic_type
            | dw::DW_TAG_immutable_type => below(self, alias),
            dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type => {
                below(self, None).and_then(|of| self.map.pointer_to(of))
            }
            dw::DW_TAG_structure_type | dw::DW_TAG_union_type | dw::DW_TAG_class_type => {
                let wanted = Wanted {
                    name: entry.name.or(alias).map(|name| name.slice()),
                    union: entry.tag == dw::DW_TAG_union_type,
                    bytes: if entry.declaration { None } else { Some(entry.bytes.unwrap_or(0)) },
                };
                self.map.composite(&wanted, || shape(reading, &unit, place, &entry))
            }
            dw::DW_TAG_array_type => below(self, None).and_then(|of| self.array(&unit, place, of)),
            dw::DW_TAG_base_type | dw::DW_TAG_enumeration_type => self.map.scalar(entry.bytes.unwrap_or(0)),
            // Nothing is done with these; a pointer to one is a pointer to something.
            dw::DW_TAG_subroutine_type | dw::DW_TAG_unspecified_type => Some(VOID),
            _ => None,
        };
        // What an anonymous struct is depends on the typedef that led to it.
        if alias.is_none() || entry.name.is_some() {
            self.known.insert(place, found);
        }
        found
    }

    fn array(&self, unit: &Unit<'_>, place: Place, element: TypeId) -> Option<TypeId> {
        let element = self.map.types.resolve(element);
        let counts = counts(unit, place)?;
        let mut array = Some(element);
        for count in counts.iter().rev() {
            array = array.and_then(|array| self.map.array_of(array, *count));
        }
        // BTF, as pahole makes it, has all dimensions as one.
        array.or_else(|| {
            let all = counts.iter().try_fold(1_u32, |all, count| all.checked_mul(*count))?;
            self.map.array_of(element, all)
        })
    }
}

/// What a struct or union looks like from outside, as [`TypeMap::shape`] has it.
pub(super) fn shape<'a>(
    reading: &Reading<'_, 'a>,
    unit: &Unit<'a>,
    place: Place,
    entry: &TypeEntry<'a>,
) -> Option<u64> {
    let mut shape = Shape::new(entry.tag == dw::DW_TAG_union_type, entry.bytes.unwrap_or(0));
    members(reading, unit, place, |member| {
        let offset = if member.bit_size == 0 { member.bit_offset / 8 } else { 0 };
        let of = member.of.and_then(|of| named_below(reading, of));
        shape.member(member.name, offset, of.map_or(&[], |name| name.slice()));
    })?;
    Some(shape.0.finish())
}
