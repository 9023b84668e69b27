//! A unit that is being read, together with the units that it refers to.

use super::unit::{Bytes, CHAIN, Dwarf, Unit, Value};
use gimli::constants as dw;
use gimli::{AttributeValue, DebugInfoOffset, UnitOffset};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;

/// An entry: its unit, and its offset in that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub unit: u32,
    pub offset: u32,
}

/// A unit being read. Other units (after link-time optimisation entries refer to them) are read when they are needed.
#[derive(Debug)]
pub(super) struct Reading<'d, 'a> {
    pub dwarf: &'d Dwarf<'a>,
    pub unit: Rc<Unit<'a>>,
    /// Where each unit starts in `.debug_info`.
    starts: &'d [usize],
    others: RefCell<FxHashMap<u32, Option<Rc<Unit<'a>>>>>,
}

impl<'d, 'a> Reading<'d, 'a> {
    pub fn new(dwarf: &'d Dwarf<'a>, starts: &'d [usize], number: u32) -> gimli::Result<Self> {
        let start = usize::try_from(number).ok().and_then(|index| starts.get(index));
        let start = *start.ok_or(gimli::Error::MissingUnitDie)?;
        let unit = Rc::new(Unit::read(dwarf, number, start)?);
        Ok(Self { dwarf, unit, starts, others: RefCell::default() })
    }

    /// The entry at an offset of this unit.
    pub fn here(&self, offset: usize) -> Place {
        Place { unit: self.unit.number, offset: u32::try_from(offset).unwrap_or(u32::MAX) }
    }

    /// What a reference in `unit` refers to.
    pub fn place(&self, unit: &Unit<'a>, value: &Value<'a>) -> Option<Place> {
        match *value {
            AttributeValue::UnitRef(UnitOffset(offset)) => {
                Some(Place { unit: unit.number, offset: u32::try_from(offset).ok()? })
            }
            AttributeValue::DebugInfoRef(DebugInfoOffset(offset)) => {
                let number = self.starts.partition_point(|start| *start <= offset).checked_sub(1)?;
                let inside = offset - self.starts.get(number)?;
                Some(Place { unit: u32::try_from(number).ok()?, offset: u32::try_from(inside).ok()? })
            }
            _ => None,
        }
    }

    /// The unit that an entry is in; none when it cannot be read.
    pub fn unit_of(&self, place: Place) -> Option<Rc<Unit<'a>>> {
        if place.unit == self.unit.number {
            return Some(Rc::clone(&self.unit));
        }
        let mut others = self.others.borrow_mut();
        let other = others.entry(place.unit).or_insert_with(|| {
            let start = *self.starts.get(usize::try_from(place.unit).ok()?)?;
            Unit::read(self.dwarf, place.unit, start).ok().map(Rc::new)
        });
        other.clone()
    }

    /// The name of what an entry stands for: its own, or that of the declaration that it refers to.
    pub fn name(&self, place: Place) -> Option<Bytes<'a>> {
        let mut place = place;
        for _ in 0..CHAIN {
            let unit = self.unit_of(place)?;
            let (mut name, mut origin) = (None, None);
            let read = unit.attributes(place.offset as usize, |at, value| match at {
                dw::DW_AT_name => name = Some(value),
                dw::DW_AT_abstract_origin | dw::DW_AT_specification => origin = Some(value),
                _ => {}
            });
            read.ok()?;
            if let Some(name) = name {
                return self.dwarf.attr_string(&unit.inner, name).ok();
            }
            place = self.place(&unit, &origin?)?;
        }
        None
    }
}
