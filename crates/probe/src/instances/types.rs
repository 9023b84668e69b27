//! Where fields lie in the kernel's structs: by name, from the types that the kernel and its modules carry (BTF).

use libbpf_rs::btf::types::{Composite, MemberAttr};
use libbpf_rs::btf::{Btf, BtfType, HasSize, TypeId};
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Structs inside of structs inside of structs: deeper ones are not looked into.
const DEEPEST: usize = 4;

/// The types of the running kernel; those of its modules are read when they are asked for.
#[derive(Debug)]
pub struct Types {
    kernel: Btf<'static>,
}

impl Types {
    /// Reads them.
    pub fn of_running() -> Option<Self> {
        Some(Self { kernel: Btf::from_vmlinux().ok()? })
    }

    /// How far a field lies behind the start of a struct, bytes. `path` leads through structs inside of it:
    /// `i_data.host`.
    pub fn offset(&self, composite: &str, path: &str) -> Option<u64> {
        offset(&self.kernel, &named(&self.kernel, composite)?, path)
    }

    /// How large a struct is, bytes.
    pub fn size(&self, composite: &str) -> Option<u64> {
        u64::try_from(named(&self.kernel, composite)?.size()).ok()
    }

    /// Where a struct `inner` lies in a struct `outer` of the kernel or one of its modules.
    pub fn embedded(&self, outer: &str, inner: &str) -> Option<u64> {
        if let Some(outer) = named(&self.kernel, outer) {
            return embedded(&self.kernel, &outer, inner, DEEPEST);
        }
        let btf = module_with(outer)?;
        embedded(&btf, &named(&btf, outer)?, inner, DEEPEST)
    }
}

fn named<'btf>(btf: &'btf Btf<'_>, name: &str) -> Option<Composite<'btf>> {
    let first: BtfType<'btf> = btf.type_by_name(name)?;
    // A type of another kind may have the name too.
    Composite::try_from(first).ok().or_else(|| {
        let mut all = btf.type_by_kind::<Composite<'_>>();
        all.find(|composite| composite.name().is_some_and(|own| own == name))
    })
}

fn offset(btf: &Btf<'_>, composite: &Composite<'_>, path: &str) -> Option<u64> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (at, id) = member(btf, composite, first)?;
    match rest {
        None => Some(at),
        Some(rest) => Some(at + offset(btf, &inner(btf, id)?, rest)?),
    }
}

/// Where a member lies, bytes, and its type; also inside of structs and unions without a name.
pub fn member(btf: &Btf<'_>, composite: &Composite<'_>, name: &str) -> Option<(u64, TypeId)> {
    composite.iter().find_map(|field| {
        let MemberAttr::Normal { offset } = field.attr else { return None };
        let at = u64::from(offset / 8);
        match field.name {
            Some(own) if !own.is_empty() => (own == name).then_some((at, field.ty)),
            _ => member(btf, &inner(btf, field.ty)?, name).map(|(inside, id)| (at + inside, id)),
        }
    })
}

fn embedded(btf: &Btf<'_>, outer: &Composite<'_>, wanted: &str, depth: usize) -> Option<u64> {
    if outer.name().is_some_and(|name| name == wanted) {
        return Some(0);
    }
    let depth = depth.checked_sub(1)?;
    outer.iter().find_map(|field| {
        let MemberAttr::Normal { offset } = field.attr else { return None };
        Some(u64::from(offset / 8) + embedded(btf, &inner(btf, field.ty)?, wanted, depth)?)
    })
}

fn inner<'btf>(btf: &'btf Btf<'_>, id: TypeId) -> Option<Composite<'btf>> {
    let found: BtfType<'btf> = btf.type_by_id(id)?;
    Composite::try_from(found.skip_mods_and_typedefs()).ok()
}

/// The types of the kernel and of the module that has a struct of this name.
fn module_with(composite: &str) -> Option<Btf<'static>> {
    let folder = Path::new("/sys/kernel/btf");
    let wanted = format!("\0{composite}\0").into_bytes();
    let modules = folder.read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    for module in modules.filter(|path| path.file_name().is_some_and(|name| name != "vmlinux")) {
        let Ok(types) = fs::read(&module) else { continue };
        if has(&types, &wanted) {
            let whole = joined(&fs::read(folder.join("vmlinux")).ok()?, &types)?;
            let btf = parsed(&whole)?;
            if named(&btf, composite).is_some() {
                return Some(btf);
            }
        }
    }
    None
}

fn has(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// What libbpf makes of the bytes of BTF; it reads files alone.
fn parsed(bytes: &[u8]) -> Option<Btf<'static>> {
    let mut file = File::from(memfd_create("types", MemfdFlags::CLOEXEC).ok()?);
    file.write_all(bytes).ok()?;
    Btf::from_path(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

/// A module's types count on from the kernel's, and so do the places of its names: put behind one another, the two are
/// types of their own (`btf_parse_module`, kernel/bpf/btf.c).
fn joined(kernel: &[u8], module: &[u8]) -> Option<Vec<u8>> {
    let ([kernel_types, kernel_names], header) = (sections(kernel)?, kernel.get(..HEADER)?);
    let [module_types, module_names] = sections(module)?;
    let types = u32::try_from(kernel_types.len() + module_types.len()).ok()?;
    let names = u32::try_from(kernel_names.len() + module_names.len()).ok()?;
    let mut whole = header.get(..4)?.to_vec();
    for number in [HEADER as u32, 0, types, types, names] {
        whole.extend(number.to_ne_bytes());
    }
    for part in [kernel_types, module_types, kernel_names, module_names] {
        whole.extend(part);
    }
    Some(whole)
}

/// `struct btf_header`, include/uapi/linux/btf.h: magic, version, flags, then five numbers.
const HEADER: usize = 24;

/// The types and the names.
fn sections(btf: &[u8]) -> Option<[&[u8]; 2]> {
    let number = |at: usize| Some(u32::from_ne_bytes(*btf.get(at..)?.first_chunk()?) as usize);
    let body = btf.get(number(4)?..)?;
    let part = |at, length| {
        let (at, length) = (number(at)?, number(length)?);
        body.get(at..at.checked_add(length)?)
    };
    Some([part(8, 12)?, part(16, 20)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_through_structs_and_what_has_no_name() {
        let Some(types) = Types::of_running() else {
            println!("skipped: this kernel has no types in /sys/kernel/btf");
            return;
        };
        assert_eq!(types.offset("list_head", "prev"), Some(8));
        let (data, host) = (types.offset("inode", "i_data").unwrap(), types.offset("address_space", "host").unwrap());
        assert_eq!(types.offset("inode", "i_data.host"), Some(data + host));
        assert!(types.offset("dentry", "d_name.len").unwrap() > 0, "a struct in a union without a name");
        assert_eq!(types.offset("inode", "i_data.nothing"), None);
        assert_eq!(types.offset("no such struct", "i_data"), None);
        assert_eq!(types.embedded("proc_inode", "inode"), types.offset("proc_inode", "vfs_inode"));
        assert_eq!(types.embedded("no_such_struct", "inode"), None);
    }

    #[test]
    fn damaged_types_are_refused() {
        assert!(joined(b"", b"").is_none());
        let mut header = vec![0x9f, 0xeb, 1, 0];
        for number in [24u32, 0, 4, 4, u32::MAX] {
            header.extend(number.to_ne_bytes());
        }
        header.extend([0; 8]);
        assert!(sections(&header).is_none(), "names beyond the end");
    }
}
