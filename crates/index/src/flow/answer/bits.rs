//! Locks that are bits of a word: any member that is a word may have them.

use super::{Judge, found, unknown};
use crate::flow::evidence::{NAMED, place_in};
use crate::flow::values::Value;
use crate::flow::{Answer, Object};
use crate::types::{Spot, Type};
use lima_model::words::SiteMethod;

/// What bits can be waited for in: `unsigned long`, and what was `int` once.
const WORD_BYTES: [u32; 2] = [4, 8];

impl Judge<'_> {
    /// The bit with this number of the word at the value.
    pub(super) fn bit(&self, value: Value, bit: Option<u64>) -> Answer {
        if let Some(address) = self.global(value) {
            return found(Object::Global { address }, SiteMethod::Address);
        }
        if self.follower.values.is_stack(value.node) {
            return found(Object::Local, SiteMethod::Local);
        }
        let words: Vec<(u8, bool, Spot)> = self
            .evidence
            .clues(value.node)
            .filter(|clue| !clue.array)
            .filter_map(|clue| {
                let member = self.types.member_at(clue.of, place_in(self.types, clue, value.offset)?)?;
                let word =
                    matches!(self.types.resolved(member.of), Type::Scalar { bytes } if WORD_BYTES.contains(&bytes));
                let variable = clue.strength >= NAMED && !clue.one_of;
                (word && member.rest == 0).then_some((clue.strength, variable, member.spot))
            })
            .collect();
        let Some(strongest) = words.iter().map(|&(strength, ..)| strength).max() else {
            return match self.handed_over(value) {
                Some(_) => unknown(super::LOCK_OF_THE_CALLER),
                None => unknown("no word there"),
            };
        };
        let mut objects = Vec::new();
        let mut variable = false;
        for (_, named, spot) in words.iter().filter(|&&(strength, ..)| strength == strongest) {
            self.push(&mut objects, self.bit_of(spot, bit));
            variable |= named;
        }
        let method = if variable { SiteMethod::Variable } else { SiteMethod::Flow };
        match objects.len() {
            1 => Answer { object: objects.swap_remove(0), alternatives: Vec::new(), method },
            _ => Answer {
                object: Object::Unknown("evidence conflicts"),
                alternatives: objects,
                method: SiteMethod::Unknown,
            },
        }
    }

    fn bit_of(&self, word: &Spot, bit: Option<u64>) -> Object {
        let path = self.types.path(word);
        let known = bit.and_then(|bit| self.types.bit_lock_of(word.declaring, &path, bit));
        let (declaring, path) = known.unwrap_or_else(|| {
            let path = bit.map_or_else(|| path.clone(), |bit| format!("{path}.bit_{bit}"));
            (word.declaring, path)
        });
        Object::Member { declaring, path }
    }
}
