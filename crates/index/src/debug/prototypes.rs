//! Functions as the source declares them.

use super::bindings::declared_type;
use super::files::Files;
use super::reading::{Place, Reading};
use super::skim::Next;
use super::types::{TypeFinder, TypeMap};
use super::unit::CHAIN;
use super::{Debug, Function};
use crate::types::{TypeId, VOID};
use gimli::AttributeValue;
use gimli::constants as dw;
use rayon::prelude::*;

impl Debug<'_> {
    /// Where functions are declared, what they take and what they return. A function is asked for by an address in it;
    /// ask for many at once.
    pub fn functions(&self, types: &TypeMap, addresses: &[u64]) -> Vec<Option<Function>> {
        let answers: Vec<Vec<(usize, Function)>> = self
            .by_unit(addresses)
            .into_par_iter()
            .map_init(
                || self.sections.dwarf(),
                |dwarf, (number, asked)| {
                    let Ok(reading) = Reading::new(dwarf, &self.index.starts, number) else {
                        self.counters.add(&self.counters.units);
                        return Vec::new();
                    };
                    let mut files = self.files(&reading);
                    let mut finder = TypeFinder::new(types);
                    let answers = asked.into_iter().filter_map(|(position, _, piece)| {
                        let place = Place { unit: number, offset: piece.entry };
                        Some((position, self.function(&reading, &mut finder, &mut files, place)?))
                    });
                    answers.collect()
                },
            )
            .collect();
        let mut functions = vec![None; addresses.len()];
        for (position, answer) in answers.into_iter().flatten() {
            if let Some(slot) = functions.get_mut(position) {
                *slot = Some(answer);
            }
        }
        functions
    }

    /// The files of a unit.
    fn files<'d, 'a>(&'d self, reading: &Reading<'d, 'a>) -> Files<'d, 'a> {
        let inner = &reading.unit.inner;
        let program = reading.unit.lines.and_then(|offset| {
            reading.dwarf.debug_line.program(offset, inner.address_size(), inner.comp_dir, inner.name).ok()
        });
        let header = program.map(|program| program.header().clone());
        Files::new(reading.dwarf, &reading.unit, header, &self.index.roots, &self.texts)
    }

    fn function(
        &self,
        reading: &Reading<'_, '_>,
        finder: &mut TypeFinder<'_>,
        files: &mut Files<'_, '_>,
        place: Place,
    ) -> Option<Function> {
        let mut find = |of: Option<Place>| {
            let found = of.map_or(Some(VOID), |of| finder.find(reading, of));
            found.unwrap_or_else(|| {
                self.counters.add(&self.counters.types);
                VOID
            })
        };
        let source = declaration(reading, place)?;
        let unit = reading.unit_of(source)?;
        let (mut file, mut line) = (0, 0);
        unit.attributes(source.offset as usize, |at, value| match (at, value) {
            (dw::DW_AT_decl_file, AttributeValue::FileIndex(number)) => file = number,
            (dw::DW_AT_decl_line, value) => line = value.udata_value().unwrap_or(0),
            _ => {}
        })
        .ok()?;
        let mut parameters: Vec<Place> = Vec::new();
        unit.walk(source.offset as usize, |entry| {
            if entry.depth == 0 {
                return Next::Into;
            }
            if entry.tag == dw::DW_TAG_formal_parameter && parameters.len() < 64 {
                let offset = u32::try_from(entry.offset).unwrap_or(u32::MAX);
                parameters.push(Place { unit: unit.number, offset });
            }
            Next::Over
        })
        .ok()?;
        let parameters: Vec<TypeId> = parameters.into_iter().map(|of| find(declared_type(reading, of))).collect();
        // A function of another unit has that unit's files.
        let file = if unit.number == reading.unit.number {
            files.name(file)
        } else {
            Reading::new(reading.dwarf, &self.index.starts, unit.number)
                .map_or_else(|_| self.texts.shared(""), |other| self.files(&other).name(file))
        };
        Some(Function {
            name: self.texts.shared(&reading.name(place)?.to_string_lossy()),
            file,
            line: u32::try_from(line).unwrap_or(0),
            returns: find(declared_type(reading, place)),
            parameters,
        })
    }
}

/// The entry of the source's function that a copy of it (inlined elsewhere too, or a clone) is an instance of.
fn declaration(reading: &Reading<'_, '_>, place: Place) -> Option<Place> {
    let mut place = place;
    for _ in 0..CHAIN {
        let unit = reading.unit_of(place)?;
        let mut origin = None;
        unit.attributes(place.offset as usize, |at, value| {
            if at == dw::DW_AT_abstract_origin {
                origin = reading.place(&unit, &value);
            }
        })
        .ok()?;
        match origin {
            Some(origin) => place = origin,
            None => return Some(place),
        }
    }
    None
}
