//! Variables at fixed addresses.

use super::bindings::declared_type;
use super::locations::{Found, FrameBase, locate};
use super::reading::{Place, Reading};
use super::skim::{Entry, Next};
use super::types::{TypeFinder, TypeMap};
use super::{Debug, Location, Variable};
use crate::types::VOID;
use gimli::AttributeValue;
use gimli::constants as dw;
use rayon::prelude::*;

impl Debug<'_> {
    /// All variables at fixed addresses, with their types, ascending by address: global ones, those local to a file,
    /// static ones of functions, and per-CPU ones (their addresses are offsets in each CPU's share, as the image has
    /// them). Of several for an address the one that is the symbol's is taken.
    pub fn variables(&self, types: &TypeMap) -> Vec<Variable> {
        let mut variables: Vec<Variable> = self
            .index
            .good
            .par_iter()
            .map_init(
                || self.sections.dwarf(),
                |dwarf, &number| {
                    let mut found = Vec::new();
                    let read = Reading::new(dwarf, &self.index.starts, number)
                        .and_then(|reading| self.variables_of_unit(&reading, types, &mut found));
                    if read.is_err() {
                        self.counters.add(&self.counters.units);
                    }
                    found
                },
            )
            .flatten_iter()
            .collect();
        // What takes room comes before what does not (empty lock class keys lie where the next variable begins); then a
        // name that a symbol has there.
        variables.par_sort_by_cached_key(|variable| {
            let named = self.has_symbol(variable.address, &variable.name);
            (variable.address, types.types().bytes(variable.of) == 0, !named, variable.name.clone())
        });
        variables.dedup_by_key(|variable| variable.address);
        variables
    }

    fn variables_of_unit(
        &self,
        reading: &Reading<'_, '_>,
        types: &TypeMap,
        found: &mut Vec<Variable>,
    ) -> gimli::Result<()> {
        let unit = &reading.unit;
        let mut finder = TypeFinder::new(types);
        // The functions around the present entry, with their depth.
        let mut functions: Vec<(usize, Place)> = Vec::new();
        unit.walk(unit.root(), |entry| {
            while functions.last().is_some_and(|(depth, _)| *depth >= entry.depth) {
                functions.pop();
            }
            match entry.tag {
                dw::DW_TAG_subprogram => {
                    functions.push((entry.depth, reading.here(entry.offset)));
                    Next::Into
                }
                dw::DW_TAG_compile_unit
                | dw::DW_TAG_partial_unit
                | dw::DW_TAG_namespace
                | dw::DW_TAG_module
                | dw::DW_TAG_lexical_block => Next::Into,
                dw::DW_TAG_variable if entry.single => {
                    let function = functions.last().map(|(_, function)| *function);
                    found.extend(self.variable(reading, &mut finder, entry, function));
                    Next::Over
                }
                _ => Next::Over,
            }
        })
    }

    fn variable(
        &self,
        reading: &Reading<'_, '_>,
        finder: &mut TypeFinder<'_>,
        entry: Entry,
        function: Option<Place>,
    ) -> Option<Variable> {
        let unit = &reading.unit;
        let mut location = None;
        unit.attributes(entry.offset, |at, value| {
            if at == dw::DW_AT_location {
                location = Some(value);
            }
        })
        .ok()?;
        let Some(AttributeValue::Exprloc(expression)) = location else { return None };
        let Found::Location(Location::Static(address)) = locate(reading.dwarf, unit, expression, FrameBase::Unknown)
        else {
            return None;
        };
        let place = reading.here(entry.offset);
        let name = reading.name(place)?.to_string_lossy().into_owned();
        // The linker gives the address 0 to what it leaves out.
        if address == 0 && !self.has_symbol(0, &name) {
            return None;
        }
        let of = declared_type(reading, place).and_then(|of| finder.find(reading, of)).unwrap_or_else(|| {
            self.counters.add(&self.counters.types);
            VOID
        });
        let function = function.and_then(|function| reading.name(function));
        Some(Variable { name, address, of, function: function.map(|name| name.to_string_lossy().into_owned()) })
    }

    /// Whether a symbol at an address has a name. A static variable of a function has a number behind it (gcc) or the
    /// function's name before it (clang).
    fn has_symbol(&self, address: u64, name: &str) -> bool {
        let first = self.symbols.partition_point(|symbol| symbol.address < address);
        self.symbols.iter().skip(first).take_while(|symbol| symbol.address == address).any(|symbol| {
            let (behind, before) = (symbol.name.strip_prefix(name), symbol.name.strip_suffix(name));
            behind.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                || before.is_some_and(|rest| rest.ends_with('.'))
        })
    }
}
