//! Which slab cache a lock lies in, where no kernel function tells programs: read from the kernel's memory.
//!
//! Every page has a `struct page` in one large array; of a page that belongs to a slab it is a `struct slab`, which names
//! the cache (`mm/slab.h`). The page's flags say so too, but differently in each version; here an address counts as a cache
//! when it is in the kernel's list of them.

use crate::instances::types;
use crate::kernel_memory::KernelMemory;
use crate::symbols::KernelSymbols;
use libbpf_rs::btf::types::Composite;
use libbpf_rs::btf::{Btf, HasSize};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// x86-64 has pages of this size.
const PAGE: u64 = 4096;
/// The size of `struct page`; kernels with another one are not read.
const PAGE_STRUCT: usize = 64;
/// More caches than that there are not: the list has been changed while it was read.
const MOST: usize = 4096;

/// Where the fields lie that are read, bytes.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    compound_head: u64,
    slab_cache: u64,
    name: u64,
    size: u64,
    list: u64,
    red_left_pad: Option<u64>,
}

#[derive(Clone, Debug)]
struct Cache {
    name: Arc<str>,
    size: u32,
    pad: u32,
}

/// A lock's place in an object of a slab cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlabPlace {
    /// The cache's name.
    pub cache: Arc<str>,
    /// How far the lock lies behind the start of the object, bytes.
    pub offset: u32,
}

/// Reads slab caches from the kernel's memory.
#[derive(Debug)]
pub struct SlabReader {
    memory: KernelMemory,
    offsets: Offsets,
    page_offset_base: u64,
    vmemmap_base: u64,
    /// The head of the kernel's list of caches.
    list: u64,
    caches: HashMap<u64, Cache>,
}

impl SlabReader {
    /// For the running kernel; `None` when it does not show its memory, its variables or its types.
    pub fn of_running(symbols: &KernelSymbols) -> Option<Self> {
        let memory = KernelMemory::open(Path::new("/proc/kcore"))
            .inspect_err(|error| tracing::debug!("slab caches cannot be read: /proc/kcore: {error}"))
            .ok()?;
        let offsets = Offsets::of(&Btf::from_vmlinux().ok()?)?;
        let variable = |name| symbols.variables(name).first().copied();
        let base = |name| memory.number(variable(name)?);
        let (page_offset_base, vmemmap_base) = (base("page_offset_base")?, base("vmemmap_base")?);
        let list = variable("slab_caches")?;
        let mut reader = Self { memory, offsets, page_offset_base, vmemmap_base, list, caches: HashMap::new() };
        reader.read_caches();
        Some(reader)
    }

    /// The slab cache that an address lies in.
    pub fn place(&mut self, address: u64) -> Option<SlabPlace> {
        let (page, base) = self.head(address)?;
        let cache = number(&page, self.offsets.slab_cache).filter(|&cache| cache >= self.page_offset_base)?;
        if !self.caches.contains_key(&cache) {
            // It may be younger than the list.
            self.read_caches();
        }
        let cache = self.caches.get(&cache).filter(|cache| cache.size > 0)?;
        let inside = u32::try_from((address - base) % u64::from(cache.size)).ok()?;
        Some(SlabPlace { cache: Arc::clone(&cache.name), offset: inside.checked_sub(cache.pad)? })
    }

    /// The `struct page` of the first page of the block that an address lies in, and the address of that page.
    fn head(&self, address: u64) -> Option<([u8; PAGE_STRUCT], u64)> {
        let index = address.checked_sub(self.page_offset_base)? / PAGE;
        let page = self.vmemmap_base.checked_add(index.checked_mul(PAGE_STRUCT as u64)?)?;
        let bytes = self.memory.read(page)?;
        let head = number(&bytes, self.offsets.compound_head)?;
        if head & 1 == 0 {
            return Some((bytes, address & !(PAGE - 1)));
        }
        let head = head - 1;
        let index = head.checked_sub(self.vmemmap_base)? / PAGE_STRUCT as u64;
        Some((self.memory.read(head)?, self.page_offset_base.checked_add(index.checked_mul(PAGE)?)?))
    }

    fn read_caches(&mut self) {
        let mut entry = self.list;
        for _ in 0..MOST {
            let Some(next) = self.memory.number(entry).filter(|&next| next != self.list) else { return };
            let cache = next.wrapping_sub(self.offsets.list);
            if !self.caches.contains_key(&cache)
                && let Some(read) = self.read_cache(cache)
            {
                self.caches.insert(cache, read);
            }
            entry = next;
        }
    }

    fn read_cache(&self, cache: u64) -> Option<Cache> {
        let name = self.memory.text(self.memory.number(cache + self.offsets.name)?)?;
        let pad = match self.offsets.red_left_pad {
            Some(offset) => self.memory.small(cache + offset)?,
            None => 0,
        };
        Some(Cache { name: name.into(), size: self.memory.small(cache + self.offsets.size)?, pad })
    }
}

/// A number in the bytes of a struct.
fn number(bytes: &[u8], offset: u64) -> Option<u64> {
    let bytes = bytes.get(usize::try_from(offset).ok()?..)?.first_chunk()?;
    Some(u64::from_ne_bytes(*bytes))
}

impl Offsets {
    fn of(btf: &Btf<'_>) -> Option<Self> {
        let named = |name: &str| btf.type_by_name::<Composite<'_>>(name);
        let page = named("page")?;
        let slab = named("slab")?;
        let cache = named("kmem_cache")?;
        if page.size() != PAGE_STRUCT {
            return None;
        }
        let member = |composite, name| types::member(btf, composite, name).map(|(at, _)| at);
        Some(Self {
            compound_head: member(&page, "compound_head")?,
            slab_cache: member(&slab, "slab_cache")?,
            name: member(&cache, "name")?,
            size: member(&cache, "size")?,
            list: member(&cache, "list")?,
            red_left_pad: member(&cache, "red_left_pad"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_inside_of_unnamed_unions_are_found() {
        let Ok(btf) = Btf::from_vmlinux() else {
            println!("skipped: this kernel has no types in /sys/kernel/btf");
            return;
        };
        let Some(offsets) = Offsets::of(&btf) else {
            panic!("page, slab and kmem_cache have the fields on every kernel")
        };
        assert_eq!(offsets.compound_head, 8);
        assert!(offsets.slab_cache.is_multiple_of(8) && offsets.slab_cache < 64);
    }
}
