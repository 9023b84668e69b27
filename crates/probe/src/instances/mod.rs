//! Which object a lock lies in: this inode, that socket. Read from the kernel's memory, from user space, at the end of the
//! time bucket in which the lock was seen.
//!
//! What lies at an address is known from the slab cache that it was allocated from (`places.rs`), read field by field
//! (`reader.rs`), and believed when the object itself says so: an inode's page cache points back to its inode, a task is
//! found from its process. What does not fit gives nothing. Memory is used again: an object that was freed and another one
//! in its place before the end of the bucket pass for the one that was locked.

mod places;
mod reader;
pub mod types;

use crate::kernel_memory::KernelMemory;
use crate::symbols::KernelSymbols;
use places::{Area, Place, place};
use reader::Reader;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use types::Types;

/// Which object it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Instance {
    /// What it is.
    pub kind: &'static str,
    /// As people would say it.
    pub name: String,
    /// Type of the file system.
    pub filesystem: Option<String>,
    /// Its device, `major:minor`.
    pub device: Option<String>,
    /// What the kernel calls this instance of it.
    pub volume: Option<String>,
    /// Inode number, id, or port.
    pub number: Option<u64>,
    /// Inode number of the network namespace of a socket or network device.
    pub netns: Option<u64>,
    /// Thread or process.
    pub pid: Option<u32>,
    /// Its own name.
    pub text: Option<String>,
    /// Path in the file system.
    pub path: Option<String>,
}

/// What a lock lies in.
#[derive(Debug)]
struct Seen {
    /// Where it begins.
    object: u64,
    place: Place,
    cache: Arc<str>,
    /// How often it was acquired, or waited for.
    uses: u64,
}

/// A lock: its address, and which one at that address.
pub type Lock = (u64, u32);

/// Reads which objects locks lie in.
#[derive(Debug)]
pub struct Instances {
    reader: Reader,
    /// Where stacks lie, where the kernel tells.
    area: Option<Area>,
    /// By slab cache; `None` for those whose objects have no names.
    places: HashMap<Arc<str>, Option<Place>>,
    /// The locks of this time bucket that lie in objects which may have names: where the object begins, and in what.
    seen: HashMap<Lock, Seen>,
    /// A fingerprint of what was found the last time.
    known: HashMap<Lock, Option<u64>>,
    /// Locks that were seen and never read.
    unread: HashSet<Lock>,
}

impl Instances {
    /// For the running kernel; `None` when it does not show its memory or its types.
    pub fn of_running(symbols: &KernelSymbols) -> Option<Self> {
        let memory = KernelMemory::of_running()
            .inspect_err(|error| tracing::debug!("objects cannot be told apart: the kernel's memory: {error}"))
            .ok()?;
        let reader = Reader::new(memory, Types::of_running()?);
        Some(Self {
            area: symbols.variables("vmalloc_base").first().and_then(|&variable| reader.area(variable)),
            reader,
            places: HashMap::new(),
            seen: HashMap::new(),
            known: HashMap::new(),
            unread: HashSet::new(),
        })
    }

    /// Takes note of a lock at `offset` in an object of a slab cache that was used so often.
    pub fn see(&mut self, lock: Lock, cache: &Arc<str>, offset: u32, uses: u64) {
        let found = match self.places.get(cache) {
            Some(&found) => found,
            None => {
                let found = place(cache, &self.reader.types);
                self.places.insert(Arc::clone(cache), found);
                found
            }
        };
        if let (Some(place), Some(object)) = (found, lock.0.checked_sub(offset.into())) {
            let seen = || Seen { object, place, cache: Arc::clone(cache), uses: 0 };
            self.seen.entry(lock).or_insert_with(seen).uses += uses;
        }
    }

    /// Takes note of a lock in no slab object: it may lie on a stack.
    pub fn see_elsewhere(&mut self, lock: Lock, uses: u64) {
        if let Some(object) = self.area.and_then(|area| area.stack(lock.0)) {
            let seen = || Seen { object, place: Place::Stack, cache: Arc::default(), uses: 0 };
            self.seen.entry(lock).or_insert_with(seen).uses += uses;
        }
    }

    /// Reads the objects of the locks seen since the last call, for a while: first of those that are new, the most used ones
    /// before the others, then again of those that are known. Gives those that are new or have changed.
    pub fn read(&mut self, longest: Duration) -> Vec<(Lock, Instance)> {
        let begin = Instant::now();
        let (mut seen, old): (Vec<_>, Vec<_>) = self.seen.drain().partition(|(lock, _)| !self.known.contains_key(lock));
        seen.sort_unstable_by_key(|(_, seen)| Reverse(seen.uses));
        let new = seen.len();
        self.reader.forget_files();
        // Of memory for anything most has no name, and will not have one the next time.
        seen.extend(old.into_iter().filter(|(lock, seen)| {
            !matches!(seen.place, Place::General(_) | Place::Stack) || self.known.get(lock).is_some_and(Option::is_some)
        }));
        let mut rows = Vec::new();
        for (number, (lock, seen)) in seen.into_iter().enumerate() {
            if begin.elapsed() > longest {
                if number < new {
                    self.unread.insert(lock);
                }
                continue;
            }
            let found = self.reader.read(seen.place, seen.object, lock.0, &seen.cache);
            self.unread.remove(&lock);
            let before = self.known.get(&lock).copied().flatten();
            // What cannot be read any more was freed: the lock had been in what was found before.
            let now = found.as_ref().map(fingerprint).or(before);
            self.known.insert(lock, now);
            rows.extend(found.filter(|_| now != before).map(|found| (lock, found)));
        }
        rows
    }

    /// How many locks were seen of which it was never read what they lie in.
    pub fn unread(&self) -> u64 {
        self.unread.len() as u64
    }
}

fn fingerprint(instance: &Instance) -> u64 {
    let mut hasher = DefaultHasher::new();
    instance.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
