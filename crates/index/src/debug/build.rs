//! The types of an image that has no BTF, from its debug information.
//!
//! Every unit repeats the types that it uses. Structs are told apart by their names, sizes and members, typedefs by
//! their names and what they stand for; of each the first is kept, and everything else is built on those.

use super::Debug;
use super::entries::{TypeEntry, counts, members, named_below, read_entry};
use super::reading::{Place, Reading};
use super::skim::Next;
use super::types::shape;
use super::unit::{CHAIN, Unit};
use crate::Error;
use crate::types::{Member, Type, TypeId, Types, TypesBuilder, VOID};
use gimli::constants as dw;
use rayon::prelude::*;
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::hash::BuildHasher as _;
use std::path::Path;
use std::sync::Arc;

impl Debug<'_> {
    /// The types that the debug information describes, for an image without BTF; those of a module on its kernel's.
    ///
    /// # Errors
    /// [`Error::Malformed`] when they contradict each other: a type inside itself, or of an absurd size.
    pub fn types(&self, path: &Path, base: Option<Arc<Types>>) -> Result<Types, Error> {
        let keys: Vec<Vec<(u32, u64)>> = self
            .index
            .good
            .par_iter()
            .map_init(
                || self.sections.dwarf(),
                |dwarf, &number| {
                    let keys = Reading::new(dwarf, &self.index.starts, number).and_then(|reading| keys(&reading));
                    keys.unwrap_or_else(|_| {
                        self.counters.add(&self.counters.units);
                        Vec::new()
                    })
                },
            )
            .collect();
        let dwarf = self.sections.dwarf();
        let mut building = Building::new(base.map_or_else(TypesBuilder::new, TypesBuilder::on));
        for (&number, keys) in self.index.good.iter().zip(keys) {
            let Ok(reading) = Reading::new(&dwarf, &self.index.starts, number) else { continue };
            building.unit(&reading, &keys);
        }
        building.builder.build().map_err(|what| Error::malformed(path, ".debug_info", what))
    }
}

/// All entries of a unit that stand for types, with a key for structs, unions and typedefs that is the same in every
/// unit; 0 for the others.
fn keys(reading: &Reading<'_, '_>) -> gimli::Result<Vec<(u32, u64)>> {
    let unit = &reading.unit;
    let mut keys = Vec::new();
    unit.walk(unit.root(), |entry| {
        let key = match entry.tag {
            dw::DW_TAG_structure_type | dw::DW_TAG_union_type | dw::DW_TAG_class_type | dw::DW_TAG_typedef => {
                key(reading, unit, reading.here(entry.offset)).unwrap_or(0)
            }
            dw::DW_TAG_pointer_type | dw::DW_TAG_array_type | dw::DW_TAG_base_type | dw::DW_TAG_enumeration_type => 0,
            dw::DW_TAG_compile_unit
            | dw::DW_TAG_partial_unit
            | dw::DW_TAG_namespace
            | dw::DW_TAG_module
            | dw::DW_TAG_subprogram
            | dw::DW_TAG_lexical_block => return Next::Into,
            _ => return Next::Over,
        };
        keys.extend(u32::try_from(entry.offset).ok().map(|offset| (offset, key)));
        Next::Into
    })?;
    Ok(keys)
}

/// What tells a struct, union or typedef from others; none of one that is only declared.
fn key<'a>(reading: &Reading<'_, 'a>, unit: &Unit<'a>, place: Place) -> Option<u64> {
    let entry = read_entry(reading, unit, place)?;
    let name = entry.name.map(|name| name.slice());
    if entry.tag != dw::DW_TAG_typedef {
        return if entry.declaration {
            None
        } else {
            Some(FxBuildHasher.hash_one((name, shape(reading, unit, place, &entry)?)) | 1)
        };
    }
    // A typedef of something without a name: what that looks like.
    let Some(of) = entry.of else { return Some(FxBuildHasher.hash_one(name) | 1) };
    let below = reading.unit_of(of)?;
    let target = read_entry(reading, &below, of)?;
    let look = match target.tag {
        dw::DW_TAG_structure_type | dw::DW_TAG_union_type | dw::DW_TAG_class_type => {
            shape(reading, &below, of, &target)
        }
        _ => None,
    };
    let named = named_below(reading, of).map(|name| name.slice());
    Some(FxBuildHasher.hash_one((name, target.tag.0, target.bytes, look, named)) | 1)
}

/// Types being built.
struct Building {
    builder: TypesBuilder,
    /// Structs, unions and typedefs by their keys.
    keyed: FxHashMap<u64, TypeId>,
    /// Everything else by what it is made of.
    made: FxHashMap<Made, TypeId>,
    /// Of the present unit.
    known: FxHashMap<Place, TypeId>,
    pending: Vec<(Place, TypeId)>,
}

/// What a type without a name of its own is made of.
#[derive(PartialEq, Eq, Hash)]
enum Made {
    Pointer(TypeId),
    Array(TypeId, u32),
    Qualified(TypeId),
    Scalar(Vec<u8>, u32),
    Forward(Vec<u8>),
    Function(TypeId, Vec<TypeId>),
}

impl Building {
    fn new(builder: TypesBuilder) -> Self {
        Self {
            builder,
            keyed: FxHashMap::default(),
            made: FxHashMap::default(),
            known: FxHashMap::default(),
            pending: Vec::new(),
        }
    }

    fn unit(&mut self, reading: &Reading<'_, '_>, keys: &[(u32, u64)]) {
        self.known.clear();
        let place = |offset| Place { unit: reading.unit.number, offset };
        let keyed = &self.keyed;
        let known = keys.iter().filter_map(|&(offset, key)| Some((place(offset), *keyed.get(&key)?)));
        self.known.extend(known);
        let keys: FxHashMap<Place, u64> = keys.iter().map(|&(offset, key)| (place(offset), key)).collect();
        let mut order: Vec<Place> = keys.keys().copied().collect();
        order.sort_unstable();
        for place in order {
            self.convert(reading, &keys, place, 0);
            while let Some((place, id)) = self.pending.pop() {
                self.define(reading, &keys, place, id);
            }
        }
    }

    /// The type of an entry, made when there is none yet. Structs and unions are defined later.
    fn convert(
        &mut self,
        reading: &Reading<'_, '_>,
        keys: &FxHashMap<Place, u64>,
        place: Place,
        depth: usize,
    ) -> TypeId {
        if let Some(known) = self.known.get(&place) {
            return *known;
        }
        let Some(unit) = reading.unit_of(place) else { return VOID };
        let Some(entry) = read_entry(reading, &unit, place) else { return VOID };
        if depth > CHAIN {
            return VOID;
        }
        let of = |building: &mut Self| match entry.of {
            Some(of) => building.convert(reading, keys, of, depth + 1),
            None => VOID,
        };
        let name = entry.name.map(|name| name.slice().to_vec()).unwrap_or_default();
        let id = match entry.tag {
            dw::DW_TAG_typedef => return self.alias(reading, keys, place, &entry, depth),
            dw::DW_TAG_structure_type | dw::DW_TAG_union_type | dw::DW_TAG_class_type if !entry.declaration => {
                let key = keys.get(&place).copied().or_else(|| key(reading, &unit, place)).filter(|key| *key != 0);
                let known = key.and_then(|key| self.keyed.get(&key).copied());
                known.unwrap_or_else(|| {
                    let id = self.builder.declare();
                    if let Some(key) = key {
                        self.keyed.insert(key, id);
                    }
                    self.pending.push((place, id));
                    id
                })
            }
            dw::DW_TAG_structure_type | dw::DW_TAG_union_type | dw::DW_TAG_class_type => {
                self.make(Made::Forward(name), &entry, Type::Forward)
            }
            dw::DW_TAG_pointer_type | dw::DW_TAG_reference_type | dw::DW_TAG_rvalue_reference_type => {
                let of = of(self);
                self.make(Made::Pointer(of), &entry, Type::Pointer(of))
            }
            dw::DW_TAG_const_type
            | dw::DW_TAG_volatile_type
            | dw::DW_TAG_restrict_type
            | dw::DW_TAG_atomic_type
            | dw::DW_TAG_immutable_type => {
                let of = of(self);
                self.make(Made::Qualified(of), &entry, Type::Qualified(of))
            }
            dw::DW_TAG_base_type | dw::DW_TAG_enumeration_type => {
                let bytes = entry.bytes.unwrap_or(0);
                self.make(Made::Scalar(name, bytes), &entry, Type::Scalar { bytes })
            }
            dw::DW_TAG_array_type => {
                let mut array = of(self);
                for count in counts(&unit, place).unwrap_or_default().into_iter().rev() {
                    array = self.make(Made::Array(array, count), &entry, Type::Array { element: array, count });
                }
                array
            }
            dw::DW_TAG_subroutine_type => {
                let returns = of(self);
                let parameters: Vec<TypeId> = parameters(reading, &unit, place)
                    .into_iter()
                    .map(|of| of.map_or(VOID, |of| self.convert(reading, keys, of, depth + 1)))
                    .collect();
                self.function(returns, parameters)
            }
            _ => VOID,
        };
        self.known.insert(place, id);
        id
    }

    fn make(&mut self, made: Made, entry: &TypeEntry<'_>, of: Type) -> TypeId {
        let (builder, named) = (&mut self.builder, matches!(of, Type::Scalar { .. } | Type::Forward));
        *self.made.entry(made).or_insert_with(|| {
            let name = entry.name.filter(|_| named).map(|name| name.to_string_lossy()).unwrap_or_default();
            builder.add(&name, of)
        })
    }

    fn function(&mut self, returns: TypeId, parameters: Vec<TypeId>) -> TypeId {
        let builder = &mut self.builder;
        *self.made.entry(Made::Function(returns, parameters.clone())).or_insert_with(|| {
            let id = builder.declare();
            builder.define_function(id, returns, &parameters);
            id
        })
    }

    fn alias(
        &mut self,
        reading: &Reading<'_, '_>,
        keys: &FxHashMap<Place, u64>,
        place: Place,
        entry: &TypeEntry<'_>,
        depth: usize,
    ) -> TypeId {
        let id = self.builder.declare();
        // Before what it stands for, which may lead back here.
        self.known.insert(place, id);
        if let Some(key) = keys.get(&place).filter(|key| **key != 0) {
            self.keyed.insert(*key, id);
        }
        let of = entry.of.map_or(VOID, |of| self.convert(reading, keys, of, depth + 1));
        let name = entry.name.map(|name| name.to_string_lossy()).unwrap_or_default();
        self.builder.define(id, &name, Type::Alias(of));
        id
    }

    /// Defines a struct or union that was declared.
    fn define(&mut self, reading: &Reading<'_, '_>, keys: &FxHashMap<Place, u64>, place: Place, id: TypeId) {
        let Some(unit) = reading.unit_of(place) else { return };
        let Some(entry) = read_entry(reading, &unit, place) else { return };
        let mut list = Vec::new();
        // Of a damaged one the members up to the damage.
        let _ = members(reading, &unit, place, |member| list.push(member));
        let list: Vec<Member> = list
            .into_iter()
            .map(|member| Member {
                name: self.builder.member_name(&String::from_utf8_lossy(member.name)),
                of: member.of.map_or(VOID, |of| self.convert(reading, keys, of, 0)),
                bit_offset: member.bit_offset,
                bit_size: member.bit_size,
            })
            .collect();
        let name = entry.name.map(|name| name.to_string_lossy()).unwrap_or_default();
        let union = entry.tag == dw::DW_TAG_union_type;
        self.builder.define_composite(id, &name, union, entry.bytes.unwrap_or(0), &list);
    }
}

/// The types of the parameters of a function type; none inside for `void`.
fn parameters<'a>(reading: &Reading<'_, 'a>, unit: &Unit<'a>, place: Place) -> Vec<Option<Place>> {
    let mut parameters = Vec::new();
    let walked = unit.walk(place.offset as usize, |entry| {
        if entry.depth == 0 {
            return Next::Into;
        }
        if entry.depth == 1 && entry.tag == dw::DW_TAG_formal_parameter && parameters.len() < 64 {
            let mut of = None;
            let read = unit.attributes(entry.offset, |at, value| {
                if at == dw::DW_AT_type {
                    of = reading.place(unit, &value);
                }
            });
            if read.is_ok() {
                parameters.push(of);
            }
        }
        Next::Over
    });
    if walked.is_err() {
        parameters.clear();
    }
    parameters
}
