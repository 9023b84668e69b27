//! Which lock lies where in which struct, by the index.

use super::family_named;
use crate::Error;
use crate::names::{Name, Names};
use crate::words::is_common_part;
use lima_index::store::Index;
use lima_model::{IndexTable, LockType};
use rustc_hash::{FxHashMap, FxHashSet};

/// A lock in a struct.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// What the index calls it.
    pub object: Name,
    /// Its path from the struct: `STRUCT.path`.
    pub path: Name,
    /// Its type.
    pub lock_type: LockType,
    offset: u32,
    size: u32,
    count: u32,
}

/// A row of the index.
struct Lock<'a> {
    object: &'a str,
    composite: &'a str,
    path: &'a str,
    lock_type: LockType,
    offset: u32,
    size: u32,
    count: u32,
}

/// The locks of all structs.
#[derive(Debug, Default)]
pub struct Layouts {
    by_struct: FxHashMap<String, Vec<Member>>,
    /// Objects by type and the last part of their path; none where several end alike.
    by_ending: FxHashMap<(LockType, String), Option<Name>>,
    /// All objects, with their types.
    declared: FxHashSet<(String, LockType)>,
    /// Structs that have an object, with its path from them.
    with_object: FxHashMap<Name, Vec<(String, String)>>,
}

impl Layouts {
    /// Reads them.
    pub fn of(index: &Index, names: &mut Names) -> Result<Self, Error> {
        let columns = ["object", "lock_type", "struct", "path", "offset", "size", "array_count"];
        let table = index.read(IndexTable::Locks, &columns)?;
        let (objects, types) = (table.texts("object")?, table.texts("lock_type")?);
        let (structs, paths) = (table.texts("struct")?, table.texts("path")?);
        let (offsets, sizes) = (table.small("offset")?, table.small("size")?);
        let counts = table.small("array_count")?;
        let mut layouts = Self::default();
        for row in 0..table.len() {
            let Some(lock_type) = family_named(types.get(row)) else { continue };
            let lock = Lock {
                object: objects.get(row),
                composite: structs.get(row),
                path: paths.get(row),
                lock_type,
                offset: offsets.get(row),
                size: sizes.get(row),
                count: counts.maybe(row).unwrap_or(1),
            };
            layouts.add(&lock, names);
        }
        Ok(layouts)
    }

    fn add(&mut self, lock: &Lock<'_>, names: &mut Names) {
        let &Lock { object, composite, path, lock_type, offset, size, count } = lock;
        let name = names.keep(object);
        let whole = names.keep(&format!("{composite}.{path}"));
        let member = Member { object: name, path: whole, lock_type, offset, size, count };
        match self.by_struct.get_mut(composite) {
            Some(members) => members.push(member),
            None => drop(self.by_struct.insert(composite.to_owned(), vec![member])),
        }
        self.declared.insert((object.to_owned(), lock_type));
        self.with_object.entry(name).or_default().push((composite.to_owned(), path.to_owned()));
        let ending = object.rsplit('.').next().unwrap_or_default().to_owned();
        let entry = self.by_ending.entry((lock_type, ending)).or_insert(Some(name));
        *entry = entry.filter(|&known| known == name);
    }

    /// Whether a struct of this name has locks.
    pub fn has(&self, composite: &str) -> bool {
        self.by_struct.contains_key(composite)
    }

    /// The locks of a type at an offset of a struct. Of an array whose elements are locks and nothing else, any of them.
    pub fn at(&self, composite: &str, offset: u32, lock_type: LockType) -> impl Iterator<Item = &Member> {
        let members = self.by_struct.get(composite).map_or(&[][..], Vec::as_slice);
        members.iter().filter(move |member| {
            let behind = offset.checked_sub(member.offset);
            member.lock_type == lock_type
                && behind.is_some_and(|behind| {
                    behind == 0 || (behind % member.size.max(1) == 0 && behind / member.size.max(1) < member.count)
                })
        })
    }

    /// Whether some struct declares an object of this name and type.
    pub fn declares(&self, object: &str, lock_type: LockType) -> bool {
        self.declared.contains(&(object.to_owned(), lock_type))
    }

    /// The only object of a type whose path ends in this.
    pub fn only_called(&self, ending: &str, lock_type: LockType) -> Option<Name> {
        self.by_ending.get(&(lock_type, ending.to_owned())).copied().flatten()
    }

    /// The lock at a path of a struct.
    pub fn member(&self, composite: &str, path: &str, names: &Names) -> Option<&Member> {
        let wanted = format!("{composite}.{path}");
        self.by_struct.get(composite)?.iter().find(|member| **names.text(member.path) == *wanted)
    }

    /// An object by the nearest struct around it that is no common part, inside the struct that `container` begins with.
    pub fn nearest(&self, object: Name, container: Name, names: &Names) -> Option<String> {
        let (outer, path) = names.text(container).split_once('.')?;
        let inside = |composite: &str, inner: &str| match path.strip_suffix(inner)?.strip_suffix('.') {
            None if inner == path => (composite == outer).then_some(()),
            None => None,
            Some(before) => self.embeds(outer, before, composite, names).then_some(()),
        };
        let around = self.with_object.get(&object)?.iter().filter(|(composite, _)| !is_common_part(composite));
        let mut around: Vec<_> = around.filter(|(composite, inner)| inside(composite, inner).is_some()).collect();
        around.sort_by_key(|(composite, inner)| (inner.len(), composite));
        // Several structs may have their only lock at the same path: none of them is named then.
        let mut groups = around.chunk_by(|one, other| one.1 == other.1);
        let [(composite, inner)] = groups.find(|group| group.len() == 1)? else { return None };
        Some(format!("{composite}.{inner}"))
    }

    /// Whether at a path of a struct there can be another one: all locks of that are there.
    fn embeds(&self, outer: &str, path: &str, inner: &str, names: &Names) -> bool {
        let paths = |composite: &str| self.by_struct.get(composite).map_or(&[][..], Vec::as_slice);
        let start = format!("{outer}.{path}.");
        let has = |wanted: &str| {
            paths(outer)
                .iter()
                .any(|member| names.text(member.path).strip_prefix(&*start).is_some_and(|rest| rest == wanted))
        };
        paths(inner).iter().all(|member| names.text(member.path).split_once('.').is_some_and(|(_, path)| has(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spinlocks: object, struct, path, offset and how many.
    fn layouts(rows: &[(&str, &str, &str, u32, u32)]) -> (Layouts, Names) {
        let (mut layouts, mut names) = (Layouts::default(), Names::default());
        for &(object, composite, path, offset, count) in rows {
            let lock = Lock { object, composite, path, lock_type: LockType::Spinlock, offset, size: 4, count };
            layouts.add(&lock, &mut names);
        }
        (layouts, names)
    }

    #[test]
    fn a_lock_is_found_at_its_offset_and_type_alone() {
        let (layouts, names) =
            layouts(&[("inode.i_lock", "inode", "i_lock", 8, 1), ("hash.locks[]", "hash", "locks[]", 16, 4)]);
        let at = |composite, offset, lock_type| {
            layouts
                .at(composite, offset, lock_type)
                .map(|member| names.text(member.object).to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(at("inode", 8, LockType::Spinlock), ["inode.i_lock"]);
        assert!(at("inode", 8, LockType::Mutex).is_empty() && at("inode", 12, LockType::Spinlock).is_empty());
        assert_eq!(at("hash", 28, LockType::Spinlock), ["hash.locks[]"]);
        assert!(at("hash", 32, LockType::Spinlock).is_empty() && at("hash", 18, LockType::Spinlock).is_empty());
        assert!(at("unheard_of", 0, LockType::Spinlock).is_empty());
    }

    #[test]
    fn a_part_is_named_by_the_nearest_struct_that_is_none() {
        const WAIT: &str = "wait_queue_head.lock";
        let (layouts, mut names) = layouts(&[
            (WAIT, "wait_queue_head", "lock", 0, 1),
            (WAIT, "socket_wq", "wait.lock", 0, 1),
            (WAIT, "outer", "wq.wait.lock", 8, 1),
            (WAIT, "whole", "own.lock", 0, 1),
            (WAIT, "wider", "inner.own.lock", 16, 1),
        ]);
        let wait = names.keep(WAIT);
        let mut nearest = |container: &str| {
            let container = names.keep(container);
            layouts.nearest(wait, container, &names)
        };
        assert_eq!(nearest("outer.wq.wait.lock").as_deref(), Some("socket_wq.wait.lock"));
        assert_eq!(nearest("wider.inner.own.lock").as_deref(), Some("whole.own.lock"));
        assert_eq!(nearest("whole.own.lock").as_deref(), Some("whole.own.lock"));
        assert_eq!(nearest("wait_queue_head.lock"), None);
        assert_eq!(nearest("stranger.queue.lock"), None);
    }

    #[test]
    fn where_several_structs_fit_none_of_them_is_named() {
        const WAIT: &str = "wait_queue_head.lock";
        let (layouts, mut names) = layouts(&[
            (WAIT, "socket_wq", "wait.lock", 0, 1),
            (WAIT, "btrfs_private", "wait.lock", 0, 1),
            (WAIT, "unix_sock", "peer_wq.wait.lock", 8, 1),
        ]);
        let (wait, container) = (names.keep(WAIT), names.keep("unix_sock.peer_wq.wait.lock"));
        assert_eq!(layouts.nearest(wait, container, &names).as_deref(), Some("unix_sock.peer_wq.wait.lock"));
    }

    #[test]
    fn an_ending_that_several_objects_have_names_none() {
        let (layouts, names) = layouts(&[
            ("a.lock", "a", "lock", 0, 1),
            ("b.lock", "b", "lock", 0, 1),
            ("tty_struct.ldisc_sem", "tty_struct", "ldisc_sem", 0, 1),
        ]);
        let only = |ending| layouts.only_called(ending, LockType::Spinlock).map(|name| names.text(name).to_string());
        assert_eq!(only("lock"), None);
        assert_eq!(only("ldisc_sem").as_deref(), Some("tty_struct.ldisc_sem"));
        assert!(layouts.declares("a.lock", LockType::Spinlock) && !layouts.declares("a.lock", LockType::Mutex));
    }
}
