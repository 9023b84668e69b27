//! What changed from one kernel to another.

use super::sites::Table;
use crate::Error;
use crate::store::Index;
use lima_model::IndexTable;
use lima_model::table::{Kind, Rows, Value};
use std::collections::BTreeMap;

const COLUMNS: &[(&str, Kind)] = &[
    ("change", Kind::Text),
    ("what", Kind::Text),
    ("object", Kind::Text),
    ("where", Kind::Text),
    ("lock_type", Kind::Text),
    ("operation", Kind::Text),
    ("before", Kind::Text),
    ("after", Kind::Text),
    ("module", Kind::Text),
];

/// A function with more sites than this is compared site by site, without looking for insertions: no real one has.
const MOST_SITES: usize = 2_000;

/// Locks and sites that were added, are gone, or changed. Sites are matched by function and order, not by address.
pub fn diff(before: &Index, after: &Index) -> Result<Rows, Error> {
    let mut rows = Rows::new(COLUMNS.iter().copied());
    keyed(&mut rows, "lock", members(before)?, members(after)?);
    keyed(&mut rows, "global", globals(before)?, globals(after)?);
    sites(&mut rows, functions(before)?, functions(after)?);
    Ok(rows)
}

/// What a lock is known by: module, struct or function, path or symbol.
type Key = (String, String, String);

/// What may change of a lock.
#[derive(PartialEq, Eq)]
struct Lock {
    object: String,
    lock_type: String,
    detail: String,
}

fn members(index: &Index) -> Result<BTreeMap<Key, Vec<Lock>>, Error> {
    let table = index.read_all(IndexTable::Locks)?;
    let (objects, types, modules) = (table.texts("object")?, table.texts("lock_type")?, table.texts("module")?);
    let (composites, paths) = (table.texts("struct")?, table.texts("path")?);
    let (offsets, sizes) = (table.small("offset")?, table.small("size")?);
    let mut locks: BTreeMap<Key, Vec<Lock>> = BTreeMap::new();
    for row in 0..table.len() {
        let key = (modules.get(row).to_owned(), composites.get(row).to_owned(), paths.get(row).to_owned());
        let detail = format!("{}, offset {}, {} bytes", types.get(row), offsets.get(row), sizes.get(row));
        let lock = Lock { object: objects.get(row).to_owned(), lock_type: types.get(row).to_owned(), detail };
        locks.entry(key).or_default().push(lock);
    }
    Ok(locks)
}

fn globals(index: &Index) -> Result<BTreeMap<Key, Vec<Lock>>, Error> {
    let table = index.read_all(IndexTable::Globals)?;
    let (objects, types, modules) = (table.texts("object")?, table.texts("lock_type")?, table.texts("module")?);
    let (functions, sections, sizes) = (table.texts("function")?, table.texts("section")?, table.small("size")?);
    let mut locks: BTreeMap<Key, Vec<Lock>> = BTreeMap::new();
    for row in 0..table.len() {
        // A static variable's number (`lock.12`) changes with whatever else the compiler numbers.
        let object = objects.get(row);
        let name = object.rsplit_once('.').filter(|(_, number)| number.parse::<u32>().is_ok());
        let name = name.map_or(object, |(name, _)| name).to_owned();
        let key = (modules.get(row).to_owned(), functions.get(row).to_owned(), name);
        let detail = format!("{}, {}, {} bytes", types.get(row), sections.get(row), sizes.get(row));
        let lock = Lock { object: object.to_owned(), lock_type: types.get(row).to_owned(), detail };
        locks.entry(key).or_default().push(lock);
    }
    Ok(locks)
}

/// Compares what has keys; several of one key are matched in order.
fn keyed(rows: &mut Rows, what: &str, before: BTreeMap<Key, Vec<Lock>>, mut after: BTreeMap<Key, Vec<Lock>>) {
    let mut add = |change: &str, key: &Key, lock: &Lock, before: Option<&str>, after: Option<&str>| {
        rows.rows.push(vec![
            change.into(),
            what.into(),
            lock.object.as_str().into(),
            key.1.as_str().into(),
            lock.lock_type.as_str().into(),
            Value::Missing,
            before.into(),
            after.into(),
            Some(key.0.as_str()).filter(|module| !module.is_empty()).into(),
        ]);
    };
    for (key, old) in before {
        let new = after.remove(&key).unwrap_or_default();
        for (at, old) in old.iter().enumerate() {
            match new.get(at) {
                None => add("gone", &key, old, Some(&old.detail), None),
                Some(new) if new.detail != old.detail => {
                    add("changed", &key, new, Some(&old.detail), Some(&new.detail));
                }
                Some(_) => {}
            }
        }
        new.iter().skip(old.len()).for_each(|new| add("added", &key, new, None, Some(&new.detail)));
    }
    for (key, new) in after {
        new.iter().for_each(|new| add("added", &key, new, None, Some(&new.detail)));
    }
}

/// A site, without its address.
struct Site {
    operation: String,
    primitive: String,
    lock_type: String,
    object: String,
    place: String,
}

impl Site {
    /// What makes two sites the same one.
    fn key(&self) -> (&str, &str) {
        (&self.operation, &self.primitive)
    }
}

/// The sites of each function, by module and name, in order.
fn functions(index: &Index) -> Result<BTreeMap<(String, String), Vec<Site>>, Error> {
    let columns = index.read_all(IndexTable::Sites)?;
    let table = Table::of(&columns)?;
    let mut functions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for row in 0..table.len {
        let place = table.file.maybe(row).map(|file| format!(" at {file}:{}", table.line.get(row)));
        let site = Site {
            operation: table.operation.get(row).to_owned(),
            primitive: table.primitive.get(row).to_owned(),
            lock_type: table.lock_type.get(row).to_owned(),
            object: table.object.get(row).to_owned(),
            place: place.unwrap_or_default(),
        };
        let key = (table.module.get(row).to_owned(), table.function.get(row).to_owned());
        functions.entry(key).or_default().push(site);
    }
    Ok(functions)
}

fn sites(
    rows: &mut Rows,
    before: BTreeMap<(String, String), Vec<Site>>,
    mut after: BTreeMap<(String, String), Vec<Site>>,
) {
    let mut add = |key: &(String, String), old: Option<&Site>, new: Option<&Site>| {
        let Some(site) = new.or(old) else { return };
        let change = match (old, new) {
            (None, _) => "added",
            (_, None) => "gone",
            _ => "changed",
        };
        let said = |site: &Site| format!("{}({}){}", site.primitive, site.object, site.place);
        rows.rows.push(vec![
            change.into(),
            "site".into(),
            site.object.as_str().into(),
            key.1.as_str().into(),
            site.lock_type.as_str().into(),
            site.operation.as_str().into(),
            old.map(said).into(),
            new.map(said).into(),
            Some(key.0.as_str()).filter(|module| !module.is_empty()).into(),
        ]);
    };
    for (key, old) in before {
        let new = after.remove(&key).unwrap_or_default();
        for (old, new) in matched(&old, &new) {
            match (old, new) {
                (Some(old), Some(new)) if old.object == new.object => {}
                (old, new) => add(&key, old, new),
            }
        }
    }
    for (key, new) in &after {
        new.iter().for_each(|new| add(key, None, Some(new)));
    }
}

/// Pairs of sites in order, as many as can be made of sites with the same key: a longest common subsequence.
fn matched<'a>(old: &'a [Site], new: &'a [Site]) -> Vec<(Option<&'a Site>, Option<&'a Site>)> {
    // Most functions did not change at their begin and end.
    let same = |(a, b): &(&Site, &Site)| a.key() == b.key();
    let head = old.iter().zip(new).take_while(same).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (a, b) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut pairs: Vec<_> = old.iter().zip(new).take(head).map(|(a, b)| (Some(a), Some(b))).collect();
    if a.len() > MOST_SITES || b.len() > MOST_SITES {
        pairs.extend((0..a.len().max(b.len())).map(|at| (a.get(at), b.get(at))));
    } else {
        pairs.extend(common(a, b));
    }
    let ends = old[old.len() - tail..].iter().zip(&new[new.len() - tail..]);
    pairs.extend(ends.map(|(a, b)| (Some(a), Some(b))));
    pairs
}

fn common<'a>(a: &'a [Site], b: &'a [Site]) -> Vec<(Option<&'a Site>, Option<&'a Site>)> {
    // lengths[i][j]: the longest common subsequence of a[i..] and b[j..].
    let width = b.len() + 1;
    let mut lengths = vec![0_u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            lengths[i * width + j] = if a[i].key() == b[j].key() {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i].key() == b[j].key() {
            pairs.push((Some(&a[i]), Some(&b[j])));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || i < a.len() && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            pairs.push((Some(&a[i]), None));
            i += 1;
        } else {
            pairs.push((None, Some(&b[j])));
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(primitive: &str, object: &str) -> Site {
        let word = |text: &str| text.to_owned();
        Site {
            operation: word("acquire"),
            primitive: word(primitive),
            lock_type: word("mutex"),
            object: word(object),
            place: String::new(),
        }
    }

    #[test]
    fn an_inserted_site_does_not_shift_the_others() {
        let old = [site("mutex_lock", "a.l"), site("down_read", "b.s"), site("mutex_lock", "c.l")];
        let new = [
            site("mutex_lock", "a.l"),
            site("_raw_spin_lock", "x.l"),
            site("down_read", "b.t"),
            site("mutex_lock", "c.l"),
        ];
        let all = |sites: Vec<Site>| BTreeMap::from([((String::new(), "f".to_owned()), sites)]);
        let mut rows = Rows::new(COLUMNS.iter().copied());
        sites(&mut rows, all(old.into()), all(new.into()));
        let said: Vec<_> = (0..rows.rows.len())
            .map(|row| (rows.text(row, "change"), rows.text(row, "before"), rows.text(row, "after")))
            .collect();
        assert_eq!(said, [("added", "", "_raw_spin_lock(x.l)"), ("changed", "down_read(b.s)", "down_read(b.t)")]);
    }
}
