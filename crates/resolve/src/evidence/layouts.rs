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
            let composite = structs.get(row);
            let member = Member {
                object: names.keep(objects.get(row)),
                path: names.keep(&format!("{composite}.{}", paths.get(row))),
                lock_type,
                offset: offsets.get(row),
                size: sizes.get(row),
                count: counts.maybe(row).unwrap_or(1),
            };
            match layouts.by_struct.get_mut(composite) {
                Some(members) => members.push(member),
                None => drop(layouts.by_struct.insert(composite.to_owned(), vec![member])),
            }
            let place = (composite.to_owned(), paths.get(row).to_owned());
            layouts.with_object.entry(member.object).or_default().push(place);
            layouts.declared.insert((objects.get(row).to_owned(), lock_type));
            let ending = objects.get(row).rsplit('.').next().unwrap_or_default().to_owned();
            let entry = layouts.by_ending.entry((lock_type, ending)).or_insert(Some(member.object));
            *entry = entry.filter(|&known| known == member.object);
        }
        Ok(layouts)
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
