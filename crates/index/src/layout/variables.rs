//! Every single lock in a variable, elements of arrays one by one.

use crate::types::{Type, TypeId, Types};
use lima_model::LockType;
use std::fmt::Write;

/// No variable of a kernel has as many locks; what a broken file says it has more is counted, not listed.
const MAX_LOCKS: u64 = 65_536;

/// A lock in a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub offset: u32,
    /// `slots[3].lock`; empty when the variable is the lock.
    pub path: String,
    pub bytes: u32,
    pub lock_type: LockType,
}

/// All locks in a variable of this type. Returns how many were left out.
pub(super) fn each_lock_of(types: &Types, id: TypeId, found: &mut dyn FnMut(Found)) -> u64 {
    let mut walk = Walk { types, path: String::new(), left: MAX_LOCKS, left_out: 0, found };
    walk.at(id, 0);
    walk.left_out
}

struct Walk<'a> {
    types: &'a Types,
    path: String,
    left: u64,
    left_out: u64,
    found: &'a mut dyn FnMut(Found),
}

impl Walk<'_> {
    fn at(&mut self, id: TypeId, offset: u32) {
        let types = self.types;
        if !types.holds_lock(id) {
            return;
        }
        if let Some(lock_type) = types.lock_type(id) {
            if self.left == 0 {
                self.left_out += 1;
                return;
            }
            self.left -= 1;
            (self.found)(Found { offset, path: self.path.clone(), bytes: types.bytes(id), lock_type });
            if !lock_type.is_compound() {
                return;
            }
        }
        let before = self.path.len();
        match types.resolved(id) {
            Type::Array { element, count } => {
                let stride = types.bytes(element);
                for number in 0..count {
                    if self.left == 0 {
                        self.left_out += u64::from(count - number);
                        break;
                    }
                    let _ = write!(self.path, "[{number}]");
                    self.at(element, offset.saturating_add(number.saturating_mul(stride)));
                    self.path.truncate(before);
                }
            }
            Type::Composite(_) => {
                for member in types.members(id) {
                    let name = types.text(member.name);
                    if !name.is_empty() && !self.path.is_empty() {
                        self.path.push('.');
                    }
                    self.path.push_str(name);
                    self.at(member.of, offset.saturating_add(member.offset()));
                    self.path.truncate(before);
                }
            }
            _ => {}
        }
    }
}
