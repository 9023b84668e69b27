//! Where the variables of functions are kept, and of what types they are.

use super::locations::{Found, FrameBase, frame_base, locate};
use super::reading::{Place, Reading};
use super::skim::{Entry, Next};
use super::types::{TypeFinder, TypeMap};
use super::unit::{CHAIN, Unit, Value};
use super::{Binding, Debug, Location, Variables};
use crate::types::{TypeId, VOID};
use gimli::AttributeValue;
use gimli::constants as dw;
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

impl Debug<'_> {
    /// Where the variables and parameters of functions are kept, inlined ones included. A function is asked for by an
    /// address in it. Ask for some thousands at once and in ascending order: each unit is read once.
    pub fn variables_of(&self, types: &TypeMap, functions: &[u64]) -> Vec<Variables> {
        let answers: Vec<Vec<(usize, Variables)>> = self
            .by_unit(functions)
            .into_par_iter()
            .map_init(
                || self.sections.dwarf(),
                |dwarf, (number, asked)| {
                    let Ok(reading) = Reading::new(dwarf, &self.index.starts, number) else {
                        self.counters.add(&self.counters.units);
                        return Vec::new();
                    };
                    let mut finder = TypeFinder::new(types);
                    let mut types_of = FxHashMap::default();
                    let mut answers = Vec::with_capacity(asked.len());
                    for (position, start, piece) in asked {
                        let mut gathering = Gathering::new(self, &reading, &mut finder, &mut types_of, start);
                        if gathering.function(piece.entry as usize).is_err() {
                            self.counters.add(&self.counters.units);
                        }
                        answers.push((position, gathering.finish()));
                    }
                    answers
                },
            )
            .collect();
        let mut variables = vec![Variables::default(); functions.len()];
        for (position, answer) in answers.into_iter().flatten() {
            if let Some(slot) = variables.get_mut(position) {
                *slot = answer;
            }
        }
        variables
    }
}

/// What is being found out of one function.
struct Gathering<'g, 'd, 'a> {
    debug: &'g Debug<'g>,
    reading: &'g Reading<'d, 'a>,
    finder: &'g mut TypeFinder<'d>,
    /// The types of declarations that instances refer to.
    types_of: &'g mut FxHashMap<Place, Option<TypeId>>,
    /// Where the function starts.
    start: u64,
    frame: FrameBase,
    /// The addresses of the scopes around the present entry, with their depth.
    scopes: Vec<(usize, Vec<(u64, u64)>)>,
    bindings: Vec<Binding>,
    seen: FxHashSet<TypeId>,
    /// What was noted of the entry of the function.
    at_entry: FxHashSet<(Location, TypeId)>,
}

impl<'g, 'd, 'a> Gathering<'g, 'd, 'a>
where
    'd: 'g,
{
    fn new(
        debug: &'g Debug<'g>,
        reading: &'g Reading<'d, 'a>,
        finder: &'g mut TypeFinder<'d>,
        types_of: &'g mut FxHashMap<Place, Option<TypeId>>,
        start: u64,
    ) -> Self {
        Self {
            debug,
            reading,
            finder,
            types_of,
            start,
            frame: FrameBase::Unknown,
            scopes: Vec::new(),
            bindings: Vec::new(),
            seen: FxHashSet::default(),
            at_entry: FxHashSet::default(),
        }
    }

    fn finish(self) -> Variables {
        let mut bindings = self.bindings;
        bindings.sort_unstable_by_key(|binding| (binding.start, binding.end));
        bindings.shrink_to_fit();
        let mut seen: Vec<TypeId> = self.seen.into_iter().filter(|id| *id != VOID).collect();
        seen.sort_unstable();
        Variables { bindings, seen }
    }

    fn function(&mut self, entry: usize) -> gimli::Result<()> {
        let unit: &Unit<'a> = &self.reading.unit;
        let mut result = Ok(());
        unit.walk(entry, |entry| {
            while self.scopes.last().is_some_and(|(depth, _)| *depth >= entry.depth) {
                self.scopes.pop();
            }
            match self.entry(unit, entry) {
                Ok(next) => next,
                Err(error) => {
                    result = Err(error);
                    Next::Stop
                }
            }
        })?;
        result
    }

    fn entry(&mut self, unit: &Unit<'a>, entry: Entry) -> gimli::Result<Next> {
        match entry.tag {
            dw::DW_TAG_subprogram if entry.depth > 0 => Ok(Next::Over),
            dw::DW_TAG_subprogram | dw::DW_TAG_inlined_subroutine | dw::DW_TAG_lexical_block => {
                let code = unit.code(self.reading.dwarf, entry.offset)?;
                let mut ranges = Vec::new();
                unit.ranges(self.reading.dwarf, &code, |start, end| ranges.push((start, end)))?;
                if entry.tag == dw::DW_TAG_subprogram {
                    self.frame = match code.frame_base {
                        Some(AttributeValue::Exprloc(expression)) => frame_base(self.reading.dwarf, unit, expression),
                        _ => FrameBase::Unknown,
                    };
                }
                if entry.tag == dw::DW_TAG_inlined_subroutine
                    && let Some(origin) = code.origin.and_then(|origin| self.reading.place(unit, &origin))
                    && let Some(returned) = self.type_of(origin)
                {
                    self.seen.insert(returned);
                }
                if !ranges.is_empty() {
                    self.scopes.push((entry.depth, ranges));
                }
                Ok(Next::Into)
            }
            dw::DW_TAG_formal_parameter | dw::DW_TAG_variable => {
                self.variable(unit, entry)?;
                Ok(Next::Over)
            }
            _ => Ok(Next::Over),
        }
    }

    fn variable(&mut self, unit: &Unit<'a>, entry: Entry) -> gimli::Result<()> {
        let (mut location, mut constant, mut origin, mut of) = (None, None, None, None);
        unit.attributes(entry.offset, |at, value| match at {
            dw::DW_AT_location => location = Some(value),
            dw::DW_AT_const_value => constant = Some(value),
            dw::DW_AT_abstract_origin | dw::DW_AT_specification => origin = self.reading.place(unit, &value),
            dw::DW_AT_type => of = self.reading.place(unit, &value),
            _ => {}
        })?;
        let of = match (of, origin) {
            (Some(of), _) => self.finder.find(self.reading, of),
            (None, Some(origin)) => self.type_of(origin),
            (None, None) => None,
        };
        let Some(of) = of else {
            self.debug.counters.add(&self.debug.counters.types);
            return Ok(());
        };
        self.seen.insert(of);
        let parameter = entry.tag == dw::DW_TAG_formal_parameter;
        let binding = Binding { start: 0, end: 0, location: Location::Constant(0), of, parameter };
        match location {
            Some(AttributeValue::Exprloc(expression)) => {
                let found = locate(self.reading.dwarf, unit, expression, self.frame);
                self.everywhere(unit, found, binding)?;
            }
            Some(value) => self.listed(unit, value, binding)?,
            None => {
                if let Some(value) = constant.as_ref().and_then(constant_value) {
                    self.everywhere(unit, Found::Location(Location::Constant(value)), binding)?;
                }
            }
        }
        Ok(())
    }

    /// Notes a location that holds in the whole scope.
    fn everywhere(&mut self, unit: &Unit<'a>, found: Found, binding: Binding) -> gimli::Result<()> {
        let Some((depth, ranges)) = self.scopes.pop() else { return Ok(()) };
        unit.spend(ranges.len() as u64)?;
        for &(start, end) in &ranges {
            self.note(found, start, end, binding);
        }
        self.scopes.push((depth, ranges));
        Ok(())
    }

    /// Notes the locations of a list.
    fn listed(&mut self, unit: &Unit<'a>, value: Value<'a>, binding: Binding) -> gimli::Result<()> {
        let Some(mut list) = self.reading.dwarf.attr_locations(&unit.inner, value)? else { return Ok(()) };
        while let Some(item) = list.next()? {
            unit.spend(1)?;
            if item.range.begin < item.range.end {
                let found = locate(self.reading.dwarf, unit, item.data, self.frame);
                self.note(found, item.range.begin, item.range.end, binding);
            }
        }
        Ok(())
    }

    fn note(&mut self, found: Found, start: u64, end: u64, binding: Binding) {
        match found {
            Found::Location(location) => self.bindings.push(Binding { start, end, location, ..binding }),
            // So it was when the function was entered, whatever the register is used for since.
            Found::AtEntry(location) => {
                let (start, end) = (self.start, self.start.saturating_add(1));
                if self.at_entry.insert((location, binding.of)) {
                    self.bindings.push(Binding { start, end, location, ..binding });
                }
            }
            // Then a pointer to its type is there.
            Found::Pointed(location) => match self.finder.map().pointer_to(binding.of) {
                Some(of) => self.bindings.push(Binding { start, end, location, of, parameter: false }),
                None => self.debug.counters.add(&self.debug.counters.locations),
            },
            Found::Nothing => {}
            Found::Elsewhere => self.debug.counters.add(&self.debug.counters.locations),
        }
    }

    /// The type that a declaration, or one that it refers to, gives: of a variable its own, of a function the returned.
    fn type_of(&mut self, place: Place) -> Option<TypeId> {
        if let Some(known) = self.types_of.get(&place) {
            return *known;
        }
        let found = declared_type(self.reading, place).map_or(Some(VOID), |of| self.finder.find(self.reading, of));
        self.types_of.insert(place, found);
        found
    }
}

/// The type that a declaration refers to, or one that it stems from.
pub(super) fn declared_type(reading: &Reading<'_, '_>, place: Place) -> Option<Place> {
    let mut place = place;
    for _ in 0..CHAIN {
        let unit = reading.unit_of(place)?;
        let (mut of, mut origin) = (None, None);
        unit.attributes(place.offset as usize, |at, value| match at {
            dw::DW_AT_type => of = reading.place(&unit, &value),
            dw::DW_AT_abstract_origin | dw::DW_AT_specification => origin = reading.place(&unit, &value),
            _ => {}
        })
        .ok()?;
        if of.is_some() {
            return of;
        }
        place = origin?;
    }
    None
}

/// A constant of up to eight bytes.
fn constant_value(value: &Value<'_>) -> Option<u64> {
    match value {
        AttributeValue::Sdata(value) => Some(value.cast_unsigned()),
        other => other.udata_value(),
    }
}
