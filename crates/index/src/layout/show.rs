//! A struct's layout, member by member, for people.

use super::members::LINE_BYTES;
use crate::types::{Composite, Member, Type, TypeId, Types};
use lima_model::LockType;

/// A member of a struct, or a hole between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutRow {
    /// Offset in the struct, bytes.
    pub offset: u32,
    /// Its size, bytes; 0 for a bit field, a flexible array, an empty struct.
    pub bytes: u32,
    /// First bit and number of bits of a bit field.
    pub bits: Option<(u32, u32)>,
    /// How deep in anonymous or expanded structs it is; 0 for the struct's own members.
    pub depth: u32,
    /// Path from the struct, empty for an anonymous struct or union and for a hole.
    pub path: String,
    /// Its type in words; `hole` for a hole.
    pub type_name: String,
    /// The cache line that it begins in, from 0.
    pub line: u32,
    /// The lock that it is.
    pub lock_type: Option<LockType>,
    /// How many locks are inside it, those not counted that are a lock's own; those of an array count once.
    pub locks_inside: u32,
}

/// The members of a struct or union in order, those of anonymous structs and unions after these, and with `expand` those
/// of every struct that has locks inside. None when the type is no struct.
pub fn layout(types: &Types, id: TypeId, expand: bool) -> Option<Vec<LayoutRow>> {
    let id = types.resolve(id);
    types.composite(id)?;
    let mut show = Show { types, expand, path: String::new(), rows: Vec::new() };
    show.inside(id, 0, 0);
    Some(show.rows)
}

struct Show<'a> {
    types: &'a Types,
    expand: bool,
    path: String,
    rows: Vec<LayoutRow>,
}

impl Show<'_> {
    fn inside(&mut self, id: TypeId, from: u32, depth: u32) {
        let Some(composite) = self.types.composite(id) else { return };
        let members = self.types.members(id);
        let mut end = 0;
        for member in members {
            if !composite.union {
                self.hole(from, end, u64::from(member.bit_offset), depth);
            }
            end = end.max(u64::from(member.bit_offset) + self.bits_of(member));
            self.member(member, from, depth);
        }
        if !composite.union && !members.is_empty() {
            self.hole(from, end, u64::from(composite.bytes) * 8, depth);
        }
    }

    fn bits_of(&self, member: &Member) -> u64 {
        match member.bit_size {
            0 => u64::from(self.types.bytes(member.of)) * 8,
            bits => u64::from(bits),
        }
    }

    /// The bytes between two members that belong to neither.
    fn hole(&mut self, from: u32, end: u64, next: u64, depth: u32) {
        let (start, end) = ((end.div_ceil(8)) as u32, (next / 8) as u32);
        if start < end {
            let mut row = self.row(from.saturating_add(start), end - start, depth);
            row.type_name = "hole".to_owned();
            self.rows.push(row);
        }
    }

    fn row(&self, offset: u32, bytes: u32, depth: u32) -> LayoutRow {
        LayoutRow {
            offset,
            bytes,
            bits: None,
            depth,
            path: String::new(),
            type_name: String::new(),
            line: offset / LINE_BYTES,
            lock_type: None,
            locks_inside: 0,
        }
    }

    fn member(&mut self, member: &Member, from: u32, depth: u32) {
        let types = self.types;
        let offset = from.saturating_add(member.offset());
        let name = types.text(member.name);
        let before = self.path.len();
        if !name.is_empty() {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(name);
        }
        let mut row = self.row(offset, if member.bit_size > 0 { 0 } else { types.bytes(member.of) }, depth);
        row.bits = (member.bit_size > 0).then_some((member.bit_offset % 8, member.bit_size));
        row.path = if name.is_empty() { String::new() } else { self.path.clone() };
        row.type_name = types.spelled(member.of);
        row.lock_type = types.lock_type(element(types, member.of));
        row.locks_inside = count_locks(types, member.of).saturating_sub(u32::from(row.lock_type.is_some()));
        let inside = row.locks_inside > 0;
        self.rows.push(row);
        let (of, brackets) = self.through_arrays(member.of);
        if let Type::Composite(Composite { .. }) = types.get(of)
            && (name.is_empty() || self.expand && inside)
        {
            self.path.push_str(&brackets);
            self.inside(of, offset, depth + 1);
        }
        self.path.truncate(before);
    }

    fn through_arrays(&self, id: TypeId) -> (TypeId, String) {
        let (mut of, mut brackets) = (self.types.resolve(id), String::new());
        while let Some((element, _)) = self.types.element(of) {
            brackets.push_str("[]");
            of = element;
        }
        (of, brackets)
    }
}

/// The type that an array, of arrays or not, is made of, as declared; of anything else itself.
fn element(types: &Types, mut id: TypeId) -> TypeId {
    while let Type::Array { element, .. } = types.resolved(id) {
        id = element;
    }
    id
}

fn count_locks(types: &Types, id: TypeId) -> u32 {
    let id = element(types, id);
    let own = match types.lock_type(id) {
        Some(own) if !own.is_compound() => return 1,
        None if !types.holds_lock(id) => return 0,
        own => u32::from(own.is_some()),
    };
    types.members(id).iter().fold(own, |sum, member| sum.saturating_add(count_locks(types, member.of)))
}
