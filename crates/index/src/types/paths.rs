//! Members and types in words.

use super::walk::Spot;
use super::{Type, TypeId, Types, VOID};
use std::fmt::Write;

impl Types {
    /// The path of a member in the struct that declares it, `tree.lock` or `slots[].lock`: anonymous members left out.
    pub fn path(&self, spot: &Spot) -> String {
        self.path_from(spot.declaring, spot.offset, spot)
    }

    /// The path of a member from a type that has it at `offset`; empty when it has not.
    pub fn path_from(&self, id: TypeId, offset: u32, spot: &Spot) -> String {
        let mut path = String::new();
        if spot.parent != VOID {
            self.spell(id, offset, spot, &mut path);
        }
        path
    }

    fn spell(&self, id: TypeId, offset: u32, spot: &Spot, path: &mut String) -> bool {
        let id = self.resolve(id);
        let before = path.len();
        for (index, member) in self.members(id).iter().enumerate() {
            let Some(rest) = offset.checked_sub(member.offset()) else { continue };
            let bytes = self.bytes(member.of);
            if rest > 0 && rest >= bytes && !(bytes == 0 && self.element(member.of).is_some()) {
                continue;
            }
            let name = self.text(member.name);
            if !name.is_empty() {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
            }
            if id == spot.parent && index as u32 == spot.index {
                self.brackets(member.of, path);
                return true;
            }
            let (of, rest) = self.first_element(member.of, rest, path);
            if matches!(self.get(of), Type::Composite(_)) && self.spell(of, rest, spot, path) {
                return true;
            }
            path.truncate(before);
        }
        false
    }

    /// Through arrays to what they are made of, with `[]` for each.
    fn first_element(&self, id: TypeId, mut offset: u32, path: &mut String) -> (TypeId, u32) {
        let mut of = self.resolve(id);
        while let Some((element, stride)) = self.element(of) {
            path.push_str("[]");
            offset = offset.checked_rem(stride).unwrap_or(offset);
            of = element;
        }
        (of, offset)
    }

    fn brackets(&self, id: TypeId, path: &mut String) {
        let mut of = id;
        while let Some((element, _)) = self.element(of) {
            path.push_str("[]");
            of = element;
        }
    }

    /// The type in words, as C would have it: `struct inode *`, `spinlock_t`, `int [4]`.
    pub fn spelled(&self, id: TypeId) -> String {
        let mut text = String::new();
        self.spell_type(id, &mut text, 0);
        text
    }

    fn spell_type(&self, id: TypeId, text: &mut String, depth: u32) {
        if depth > 20 {
            text.push_str("...");
            return;
        }
        let name = self.name(id);
        match self.get(id) {
            Type::Void => text.push_str("void"),
            Type::Scalar { bytes } if name.is_empty() => {
                let _ = write!(text, "enum of {bytes}");
            }
            Type::Scalar { .. } | Type::Alias(_) => text.push_str(name),
            Type::Qualified(of) => self.spell_type(of, text, depth + 1),
            Type::Pointer(of) => {
                self.spell_type(of, text, depth + 1);
                text.push_str(if text.ends_with('*') { "*" } else { " *" });
            }
            Type::Array { .. } => {
                let (mut of, mut counts) = (id, String::new());
                while let Type::Array { element, count } = self.get(of) {
                    let _ = write!(counts, "[{count}]");
                    of = element;
                }
                self.spell_type(of, text, depth + 1);
                text.push_str(&counts);
            }
            Type::Composite(composite) => {
                text.push_str(if composite.union { "union " } else { "struct " });
                text.push_str(if name.is_empty() { "{...}" } else { name });
            }
            Type::Forward => {
                let _ = write!(text, "struct {name}");
            }
            Type::Function { returns, .. } => {
                self.spell_type(returns, text, depth + 1);
                text.push_str(" (...)");
            }
        }
    }
}
