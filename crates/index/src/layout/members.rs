//! The locks that are members of structs, each with the members that share its cache line.

use crate::rows::LockMember;
use crate::types::{BitLock, Member, Type, TypeId, Types};
use lima_model::LockType;
use std::sync::Arc;

/// The size of a cache line, bytes.
pub const LINE_BYTES: u32 = 64;

/// No more members of a line are listed; a line of 64 bytes in which there are more is that of a broken file.
const MAX_MATES: usize = 512;

/// All locks inside the named structs and unions that are kept in `types`, also those inside their members; a lock's own
/// parts are only listed for the lock's struct itself (`mutex.wait_lock`).
pub fn lock_members(types: &Types) -> Vec<LockMember> {
    let mut rows = Vec::new();
    for id in types.own() {
        let stands_for_itself = matches!(types.lock_type(id), Some(LockType::Spinlock | LockType::Seqlock));
        let composite = matches!(types.get(id), Type::Composite(_)) && types.is_named(id);
        if !composite || !(types.holds_lock(id) || types.bit_lock(id).is_some()) || stands_for_itself {
            continue;
        }
        let mut walk = Walk {
            types,
            name: types.name(id).into(),
            bytes: types.bytes(id),
            path: String::new(),
            declaring: id,
            declared_from: 0,
            array_count: None,
            levels: Vec::new(),
            rows: &mut rows,
        };
        walk.inside(id, 0);
    }
    rows
}

/// A struct or union on the way from the outermost one to a lock.
struct Level<'a> {
    members: &'a [Member],
    /// The member that the way goes through.
    through: usize,
    offset: u32,
    /// How much of the path names this struct, its dot included.
    prefix: usize,
}

struct Walk<'a, 'r> {
    types: &'a Types,
    name: Arc<str>,
    bytes: u32,
    path: String,
    declaring: TypeId,
    /// Where in the path the part begins that the declaring struct declares.
    declared_from: usize,
    array_count: Option<u32>,
    levels: Vec<Level<'a>>,
    rows: &'r mut Vec<LockMember>,
}

impl<'a> Walk<'a, '_> {
    /// Looks at all members of a struct or union at `offset`.
    fn inside(&mut self, id: TypeId, offset: u32) {
        let members = self.types.members(id);
        let before = (self.path.len(), self.array_count);
        let prefix = match self.path.len() {
            0 => 0,
            length if self.path.ends_with('.') => length,
            length => {
                self.path.push('.');
                length + 1
            }
        };
        if let Some(bit) = self.types.bit_lock(id) {
            self.bit(&bit, offset, members, prefix);
        }
        for (through, member) in members.iter().enumerate() {
            if !self.types.holds_lock(member.of) {
                continue;
            }
            self.path.truncate(prefix);
            self.path.push_str(self.types.text(member.name));
            self.levels.push(Level { members, through, offset, prefix });
            self.at(member.of, offset.saturating_add(member.offset()));
            self.levels.pop();
            self.array_count = before.1;
        }
        self.path.truncate(before.0);
    }

    /// A lock that is a bit: its place is that of the member that has it.
    fn bit(&mut self, bit: &BitLock<'a>, offset: u32, members: &'a [Member], prefix: usize) {
        let outside = (self.declaring, self.declared_from);
        (self.declaring, self.declared_from) = (bit.declaring, prefix);
        self.path.truncate(prefix);
        self.path.push_str(&bit.path());
        let above = self.levels.len();
        let (mut members, mut from) = (members, offset);
        // The member may be in one without a name.
        let same = |member: &Member| std::ptr::eq(member, bit.member);
        while let Some(through) = members.iter().position(|member| same(member) || self.types.has(member, bit.member)) {
            self.levels.push(Level { members, through, offset: from, prefix });
            let member = &members[through];
            if same(member) {
                break;
            }
            (members, from) = (self.types.members(member.of), from.saturating_add(member.offset()));
        }
        self.found(LockType::BitLock, offset.saturating_add(bit.offset), self.types.bytes(bit.member.of));
        self.levels.truncate(above);
        self.path.truncate(prefix);
        (self.declaring, self.declared_from) = outside;
    }

    fn at(&mut self, id: TypeId, offset: u32) {
        if let Some(lock_type) = self.types.lock_type(id) {
            self.found(lock_type, offset, self.types.bytes(id));
            if !lock_type.is_compound() {
                return;
            }
        }
        let id = self.types.resolve(id);
        match self.types.get(id) {
            Type::Array { element, count } => {
                self.path.push_str("[]");
                self.array_count = Some(self.array_count.unwrap_or(1).saturating_mul(count));
                self.at(element, offset);
            }
            Type::Composite(_) if self.types.is_named(id) => {
                let outside = (self.declaring, self.declared_from);
                self.declaring = id;
                let anonymous = self.path.is_empty() || self.path.ends_with('.');
                self.declared_from = self.path.len() + usize::from(!anonymous);
                self.inside(id, offset);
                (self.declaring, self.declared_from) = outside;
            }
            Type::Composite(_) => self.inside(id, offset),
            _ => {}
        }
    }

    fn found(&mut self, lock_type: LockType, offset: u32, bytes: u32) {
        let own = self.declaring;
        self.rows.push(LockMember {
            composite: Arc::clone(&self.name),
            path: self.path.clone(),
            declaring: if self.levels.is_empty() { Arc::clone(&self.name) } else { self.types.name(own).into() },
            declared_path: self.path.get(self.declared_from..).unwrap_or("").to_owned(),
            offset,
            bytes,
            lock_type,
            array_count: self.array_count,
            composite_bytes: self.bytes,
            line_mates: self.line_mates(offset, bytes),
        });
    }

    /// The members next to those on the way to the lock that lie in the lines of the lock.
    fn line_mates(&self, offset: u32, bytes: u32) -> Vec<String> {
        let first = offset / LINE_BYTES * LINE_BYTES;
        let end = (offset.saturating_add(bytes.max(1))).div_ceil(LINE_BYTES).saturating_mul(LINE_BYTES);
        let mut mates = Vec::new();
        for level in &self.levels {
            let prefix = self.path.get(..level.prefix).unwrap_or("");
            for (index, member) in level.members.iter().enumerate() {
                if index != level.through {
                    self.mates_of(member, level.offset, prefix, first..end, &mut mates);
                }
            }
        }
        mates
    }

    fn mates_of(&self, member: &Member, from: u32, prefix: &str, line: std::ops::Range<u32>, mates: &mut Vec<String>) {
        let start = from.saturating_add(member.offset());
        let bytes = self.types.bytes(member.of);
        if mates.len() > MAX_MATES {
            return;
        }
        if mates.len() == MAX_MATES {
            mates.push("...".to_owned());
            return;
        }
        if start >= line.end || start.saturating_add(bytes) <= line.start {
            return;
        }
        let name = self.types.text(member.name);
        if name.is_empty() {
            for member in self.types.members(member.of) {
                self.mates_of(member, start, prefix, line.clone(), mates);
            }
        } else {
            mates.push(format!("{prefix}{name}"));
        }
    }
}
