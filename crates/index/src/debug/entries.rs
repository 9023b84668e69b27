//! The entries of the debug information that stand for types, read one by one.

use super::reading::{Place, Reading};
use super::skim::Next;
use super::unit::{Bytes, CHAIN, Unit};
use gimli::AttributeValue;
use gimli::constants as dw;

/// The attributes of an entry that stands for a type.
pub(super) struct TypeEntry<'a> {
    pub tag: gimli::DwTag,
    pub name: Option<Bytes<'a>>,
    pub bytes: Option<u32>,
    /// The type that it is made from; none: `void`.
    pub of: Option<Place>,
    pub declaration: bool,
}

/// Reads an entry that stands for a type.
pub(super) fn read_entry<'a>(reading: &Reading<'_, 'a>, unit: &Unit<'a>, place: Place) -> Option<TypeEntry<'a>> {
    let mut entry = TypeEntry { tag: dw::DW_TAG_null, name: None, bytes: None, of: None, declaration: false };
    let mut name = None;
    let tag = unit.attributes(place.offset as usize, |at, value| match at {
        dw::DW_AT_name => name = Some(value),
        dw::DW_AT_byte_size => entry.bytes = value.udata_value().and_then(|bytes| u32::try_from(bytes).ok()),
        dw::DW_AT_type => entry.of = reading.place(unit, &value),
        dw::DW_AT_declaration => entry.declaration = value == AttributeValue::Flag(true),
        _ => {}
    });
    entry.tag = tag.ok()?;
    entry.name = name.and_then(|name| reading.dwarf.attr_string(&unit.inner, name).ok());
    Some(entry)
}

/// The numbers of elements of an array, of each dimension; 0 for a flexible one.
pub(super) fn counts(unit: &Unit<'_>, place: Place) -> Option<Vec<u32>> {
    let mut counts = Vec::new();
    unit.walk(place.offset as usize, |entry| {
        if entry.depth == 1 && entry.tag == dw::DW_TAG_subrange_type && counts.len() < CHAIN {
            let mut count = 0;
            let read = unit.attributes(entry.offset, |at, value| match at {
                dw::DW_AT_count => count = value.udata_value().unwrap_or(0),
                dw::DW_AT_upper_bound => count = value.udata_value().map_or(0, |bound| bound.wrapping_add(1)),
                _ => {}
            });
            if read.is_ok() {
                counts.push(u32::try_from(count).unwrap_or(0));
            }
        }
        if entry.depth == 0 { Next::Into } else { Next::Over }
    })
    .ok()?;
    Some(counts)
}

/// A member of a struct or union of the debug information.
pub(super) struct MemberEntry<'a> {
    pub name: &'a [u8],
    pub of: Option<Place>,
    /// Bits from the start.
    pub bit_offset: u32,
    /// Of a bit field, else 0.
    pub bit_size: u32,
}

/// The members of the struct or union at a place.
pub(super) fn members<'a>(
    reading: &Reading<'_, 'a>,
    unit: &Unit<'a>,
    place: Place,
    mut each: impl FnMut(MemberEntry<'a>),
) -> Option<()> {
    let mut damaged = false;
    unit.walk(place.offset as usize, |entry| {
        if entry.depth == 0 {
            return Next::Into;
        }
        if entry.depth == 1 && entry.tag == dw::DW_TAG_member {
            match member(reading, unit, entry.offset) {
                Some(Some(member)) => each(member),
                Some(None) => {}
                None => damaged = true,
            }
        }
        Next::Over
    })
    .ok()?;
    (!damaged).then_some(())
}

/// A member; none inside for a static one, which takes no room.
fn member<'a>(reading: &Reading<'_, 'a>, unit: &Unit<'a>, offset: usize) -> Option<Option<MemberEntry<'a>>> {
    let (mut name, mut of, mut fixed) = (None, None, true);
    let (mut byte, mut bit, mut old_bit, mut bits, mut storage) = (0_u64, None, None, 0_u64, None);
    unit.attributes(offset, |at, value| match at {
        dw::DW_AT_name => name = Some(value),
        dw::DW_AT_type => of = reading.place(unit, &value),
        dw::DW_AT_data_member_location => byte = value.udata_value().unwrap_or(0),
        dw::DW_AT_data_bit_offset => bit = value.udata_value(),
        dw::DW_AT_bit_offset => old_bit = value.udata_value(),
        dw::DW_AT_bit_size => bits = value.udata_value().unwrap_or(0),
        dw::DW_AT_byte_size => storage = value.udata_value(),
        dw::DW_AT_external | dw::DW_AT_declaration => fixed = false,
        _ => {}
    })
    .ok()?;
    if !fixed {
        return Some(None);
    }
    let start = byte.checked_mul(8)?;
    let bit_offset = match (bit, old_bit, storage) {
        (Some(bit), _, _) => start.checked_add(bit)?,
        // DWARF 3 counted from the other end of the storage unit.
        (None, Some(old), Some(storage)) => {
            start.wrapping_add(storage.wrapping_mul(8)).wrapping_sub(old).wrapping_sub(bits)
        }
        _ => start,
    };
    let name = name.and_then(|name| reading.dwarf.attr_string(&unit.inner, name).ok());
    Some(Some(MemberEntry {
        name: name.map_or(&[], |name| name.slice()),
        of,
        bit_offset: u32::try_from(bit_offset).ok()?,
        bit_size: u32::try_from(bits).ok()?,
    }))
}

/// The first name below pointers, arrays and qualifiers.
pub(super) fn named_below<'a>(reading: &Reading<'_, 'a>, place: Place) -> Option<Bytes<'a>> {
    let mut place = place;
    for _ in 0..CHAIN {
        let unit = reading.unit_of(place)?;
        let entry = read_entry(reading, &unit, place)?;
        match entry.tag {
            dw::DW_TAG_typedef | dw::DW_TAG_structure_type | dw::DW_TAG_union_type | dw::DW_TAG_class_type => {
                return entry.name;
            }
            dw::DW_TAG_base_type | dw::DW_TAG_enumeration_type | dw::DW_TAG_subroutine_type => return None,
            _ => place = entry.of?,
        }
    }
    None
}
