//! What lies in the objects of a slab cache.

use super::types::Types;

/// What an object of a slab cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file system's struct, and how far its inode lies behind its start, bytes.
    Inode(u64),
    Dentry,
    File,
    Mm,
    Task,
    /// What the threads of a process share: `signal_struct`.
    Process,
    Netns,
    /// A socket, if the cache has the name of its protocol.
    Socket,
    /// Memory for anything, pieces of so many bytes: it may be an object that can be known by itself.
    General(u64),
    /// The stack of a thread in the kernel, if it is one.
    Stack,
}

/// How large a thread's stack in the kernel is, and what its address is a multiple of, where stacks lie in memory of their own
/// (`THREAD_SIZE` and `THREAD_ALIGN` of x86-64 with `CONFIG_VMAP_STACK`).
const STACK: u64 = 16 << 10;

/// What of the kernel's memory is neither its image nor one to one the machine's: stacks are among it.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    start: u64,
}

impl Area {
    /// Its size with page tables of four levels, and where it can begin then; with five it is larger
    /// (Documentation/arch/x86/x86_64/mm.rst).
    const SIZE: u64 = 32 << 40;
    const FOUR_LEVELS: u64 = 0xffff_8000_0000_0000;
    const LARGE_SIZE: u64 = 12_800 << 40;

    /// The area that begins there.
    pub fn at(start: u64) -> Self {
        Self { start }
    }

    /// Where the stack would begin that an address lies in.
    pub fn stack(self, address: u64) -> Option<u64> {
        let size = if self.start >= Self::FOUR_LEVELS { Self::SIZE } else { Self::LARGE_SIZE };
        (address.checked_sub(self.start)? < size).then_some(address & !(STACK - 1))
    }
}

/// File systems whose struct is not called after their cache, as in `CACHE,STRUCT`; the rest follows
/// [`structs`]. From the `kmem_cache_create` of each.
const STRUCTS: &[(&str, &str)] = &[
    ("9p_inode_cache", "v9fs_inode"),
    ("afs_inode_cache", "afs_vnode"),
    ("bdev_cache", "bdev_inode"),
    ("cifs_inode_cache", "cifsInodeInfo"),
    ("exfat_inode_cache", "exfat_inode_info"),
    ("fat_inode_cache", "msdos_inode_info"),
    ("isofs_inode_cache", "iso_inode_info"),
    ("sock_inode_cache", "socket_alloc"),
];

/// What lies in the objects of a cache; `None` when its name does not tell.
pub fn place(cache: &str, types: &Types) -> Option<Place> {
    match cache {
        "dentry" => return Some(Place::Dentry),
        "filp" => return Some(Place::File),
        "mm_struct" => return Some(Place::Mm),
        "task_struct" => return Some(Place::Task),
        "signal_cache" => return Some(Place::Process),
        "net_namespace" => return Some(Place::Netns),
        _ => {}
    }
    if cache.starts_with("kmalloc-") {
        return general(cache).map(Place::General);
    }
    if !cache.contains("inode") && cache != "bdev_cache" {
        return may_be_protocol(cache).then_some(Place::Socket);
    }
    let known = STRUCTS.iter().find(|&&(name, _)| name == cache).map(|&(_, composite)| vec![composite.to_owned()]);
    // A file system's inode on the disk may be called so as well; there is no `inode` inside of it.
    let candidates = known.unwrap_or_else(|| structs(cache));
    candidates.iter().find_map(|composite| types.embedded(composite, "inode")).map(Place::Inode)
}

/// How large the pieces of a general cache are: `kmalloc-cg-2k` has them of 2,048 bytes.
fn general(cache: &str) -> Option<u64> {
    let (_, size) = cache.rsplit_once('-')?;
    let (number, unit) = match (size.strip_suffix('k'), size.strip_suffix('M')) {
        (Some(number), _) => (number, 1 << 10),
        (_, Some(number)) => (number, 1 << 20),
        _ => (size, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// The structs that may be called after a cache of inodes, in the order in which they are looked for.
fn structs(cache: &str) -> Vec<String> {
    let stem = cache.strip_suffix("_cache").unwrap_or(cache);
    [stem.to_owned(), format!("{stem}_info"), cache.to_owned()].into()
}

/// Protocols have names in capitals (`TCP`, `UNIX-STREAM`, `PINGv6`), or such as modules give them.
fn may_be_protocol(cache: &str) -> bool {
    cache.len() < 32 && cache.starts_with(|first: char| first.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_lie_in_an_area_of_their_own() {
        let area = Area::at(0xffff_c900_0000_0000);
        assert_eq!(area.stack(0xffff_c900_0012_3f18), Some(0xffff_c900_0012_0000));
        assert_eq!(area.stack(0xffff_8880_0012_3f18), None);
        assert_eq!(area.stack(0xffff_ffff_8212_3f18), None);
    }

    #[test]
    fn inodes_are_found_in_what_file_systems_put_around_them() {
        let Some(types) = Types::of_running() else {
            println!("skipped: this kernel has no types in /sys/kernel/btf");
            return;
        };
        assert_eq!(place("inode_cache", &types), Some(Place::Inode(0)));
        let at = |composite: &str| types.offset(composite, "vfs_inode").map(Place::Inode);
        assert_eq!(place("proc_inode_cache", &types), at("proc_inode"));
        assert_eq!(place("shmem_inode_cache", &types), at("shmem_inode_info"));
        if types.offset("ext4_inode_info", "vfs_inode").is_some() {
            assert_eq!(
                place("ext4_inode_cache", &types),
                at("ext4_inode_info"),
                "and not `ext4_inode`, which is on the disk"
            );
        }
        assert_eq!(place("sock_inode_cache", &types), at("socket_alloc"));
        assert_ne!(at("socket_alloc"), Some(Place::Inode(0)), "a socket stands before its inode");
        assert_eq!(place("nobody_knows_inode_cache", &types), None);
        assert_eq!(place("vm_area_struct", &types), None);
        assert_eq!(place("kmalloc-cg-2k", &types), Some(Place::General(2048)));
        assert_eq!(place("kmalloc-rnd-05-96", &types), Some(Place::General(96)));
        assert_eq!(place("kmalloc-\u{1b}[2J", &types), None);
    }
}
