//! The slab cache that a lock was allocated from, and its offset in the cache's objects.
//!
//! A cache of its own has objects of one type, and that type's layout says which lock lies at the offset. Which type, its
//! name says: it is the struct's (`KMEM_CACHE()`), or `data/caches.csv` has it. But the kernel merges caches of the same
//! size: then objects of other types carry the name as well. A cache in which any place takes a lock that its type does
//! not have is not believed.

use super::Claim;
use super::layouts::Layouts;
use crate::names::Names;
use crate::words;
use lima_model::LockType;

/// Where in a slab object a lock lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot {
    /// The cache.
    pub cache: std::sync::Arc<str>,
    /// The offset in its objects, bytes.
    pub offset: u32,
}

/// The struct of which a cache's objects are, when its name tells.
pub fn composite<'a>(cache: &'a str, layouts: &Layouts) -> Option<&'a str> {
    if is_general(cache) {
        return None;
    }
    let named = words::cache(cache).or_else(|| cache.strip_suffix("_cache").filter(|name| layouts.has(name)));
    named.or_else(|| layouts.has(cache).then_some(cache))
}

/// Whether any code may allocate anything from a cache: its name says nothing.
pub fn is_general(cache: &str) -> bool {
    ["kmalloc-", "dma-kmalloc-"].iter().any(|start| cache.starts_with(start))
}

/// The only lock of a type that the cache's objects have at an offset.
pub fn claim(slot: &Slot, lock_type: LockType, layouts: &Layouts, names: &Names) -> Option<Claim> {
    let composite = composite(&slot.cache, layouts)?;
    let mut members = layouts.at(composite, slot.offset, lock_type);
    let member = members.next()?;
    // A union has several at one place; which of them it is, the place that takes it may say.
    if members.any(|other| names.text(other.object) != names.text(member.object)) {
        return None;
    }
    Some(Claim { object: member.object, containers: vec![member.path], instance: None })
}
