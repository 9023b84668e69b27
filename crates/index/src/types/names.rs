//! Names, kept in one run of text, and the lists of what has a name.

use super::TypeId;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A name in the text of a [`Types`](super::Types). 0 is the empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Name(pub(crate) u32);

/// Names one after the other, each ended by a zero byte.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// The number of the first byte: where the text of the types below ends.
    first: u32,
    text: String,
}

impl Text {
    /// Text that goes on at byte `first`.
    pub fn from(first: u32, text: String) -> Self {
        Self { first, text }
    }

    /// The number of the byte after the last.
    pub fn end(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.text.len()).unwrap_or(u32::MAX))
    }

    /// Whether the name is kept here, not in the text below.
    pub fn has(&self, name: Name) -> bool {
        name.0 >= self.first
    }

    /// Adds a name. When the text is full, which takes 4 GB of names, it becomes the empty one.
    pub fn add(&mut self, name: &str) -> Name {
        if name.is_empty() || self.end() > u32::MAX / 2 {
            return Name(0);
        }
        if self.end() == 0 {
            self.text.push('\0');
        }
        let at = self.end();
        self.text.extend(name.chars().filter(|&c| c != '\0'));
        self.text.push('\0');
        Name(at)
    }

    /// Gives back room that is not used.
    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
    }

    /// The name; empty for a number that is none.
    pub fn get(&self, name: Name) -> &str {
        let Some(start) = name.0.checked_sub(self.first) else { return "" };
        let rest = self.text.get(start as usize..).unwrap_or("");
        rest.split_once('\0').map_or(rest, |(name, _)| name)
    }
}

const NONE: u32 = u32::MAX;

/// Types by name, as a hash table whose entries of one name are chained in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct ByName {
    hasher: RandomState,
    /// Numbers of chains; the size is a power of two.
    slots: Vec<u32>,
    chains: Vec<Chain>,
    links: Vec<(TypeId, u32)>,
}

#[derive(Debug)]
struct Chain {
    name: Name,
    first: u32,
    last: u32,
}

impl ByName {
    /// Adds a type under a name that `text` has. Empty names are not kept.
    pub fn add(&mut self, text: &Text, name: Name, id: TypeId) {
        let string = text.get(name);
        if string.is_empty() {
            return;
        }
        if (self.chains.len() + 1) * 2 > self.slots.len() {
            self.grow(text);
        }
        let link = self.links.len() as u32;
        self.links.push((id, NONE));
        match self.slot(text, string) {
            Ok(chain) => {
                let chain = &mut self.chains[chain as usize];
                self.links[chain.last as usize].1 = link;
                chain.last = link;
            }
            Err(slot) => {
                self.slots[slot] = self.chains.len() as u32;
                self.chains.push(Chain { name, first: link, last: link });
            }
        }
    }

    /// The types of this name, in the order in which they were added.
    pub fn get<'a>(&'a self, text: &Text, name: &str) -> impl Iterator<Item = TypeId> + use<'a> {
        let mut next = match self.slots.is_empty() {
            true => NONE,
            false => self.slot(text, name).map_or(NONE, |chain| self.chains[chain as usize].first),
        };
        std::iter::from_fn(move || {
            let &(id, after) = self.links.get(next as usize)?;
            next = after;
            Some(id)
        })
    }

    /// The chain of a name, or the slot where one would go. The table is never full.
    fn slot(&self, text: &Text, name: &str) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = self.hasher.hash_one(name) as usize & mask;
        loop {
            let chain = self.slots[slot];
            if chain == NONE {
                return Err(slot);
            }
            if text.get(self.chains[chain as usize].name) == name {
                return Ok(chain);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self, text: &Text) {
        let size = (self.slots.len() * 2).max(64);
        self.slots = vec![NONE; size];
        for (number, chain) in self.chains.iter().enumerate() {
            let mut slot = self.hasher.hash_one(text.get(chain.name)) as usize & (size - 1);
            while self.slots[slot] != NONE {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = number as u32;
        }
    }
}
