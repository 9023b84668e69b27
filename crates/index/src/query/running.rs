//! Addresses of the running kernel as the index has them.
//!
//! A running kernel lies elsewhere than its image says: all of it is moved by one distance (KASLR), and each module is
//! loaded where there was room.

use super::graph::Graph;
use crate::Error;
use crate::build::hex;
use crate::image::build_id_of_running;
use crate::store::Index;
use lima_model::IndexTable;
use std::path::Path;

/// Functions that every kernel has once. All must have moved by the same distance.
const MARKS: &[&str] = &["mutex_lock", "schedule", "_raw_spin_lock", "do_exit", "vfs_read"];
/// What a person needs to be shown addresses.
const PRIVILEGE: &str = "as root, or with CAP_SYSLOG and kernel.kptr_restrict below 2";

/// The address that the index has for one of the running kernel or of one of its modules.
///
/// # Errors
/// [`Error::Missing`] when the index is of another kernel, or the running one does not show its addresses.
pub fn of_running(index: &Index, address: u64) -> Result<u64, Error> {
    is_of_running(index)?;
    if let Some(found) = in_module(index, address)? {
        return Ok(found);
    }
    Ok(address.wrapping_sub(slide_of_running(index, &Graph::of(index)?)?))
}

/// A section of a module of the running kernel.
pub(super) struct LoadedSection {
    /// Where the index has it.
    address: u64,
    size: u64,
    start: u64,
}

impl LoadedSection {
    /// The address in the running kernel for one in the index, when it is in this section.
    pub(super) fn running(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.address)?;
        (offset < self.size).then(|| self.start.wrapping_add(offset))
    }
}

/// The sections of all modules that are loaded.
pub(super) fn modules_of_running(index: &Index) -> Result<Vec<LoadedSection>, Error> {
    let table = index.read(IndexTable::Sections, &["module", "name", "address", "size"])?;
    let (modules, names) = (table.texts("module")?, table.texts("name")?);
    let (addresses, sizes) = (table.numbers("address")?, table.numbers("size")?);
    let loaded = |row: usize| {
        let path = Path::new("/sys/module").join(modules.maybe(row)?).join("sections").join(names.get(row));
        let text = std::fs::read_to_string(path).ok()?;
        let start = u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok().filter(|&start| start != 0)?;
        Some(LoadedSection { address: addresses.get(row), size: sizes.get(row), start })
    };
    Ok((0..table.len()).filter_map(loaded).collect())
}

/// Refuses the index of another kernel.
fn is_of_running(index: &Index) -> Result<(), Error> {
    let (wanted, running) = (&index.manifest().build_id, hex(&build_id_of_running()));
    if running != *wanted {
        return Err(Error::Missing(format!(
            "{} is of the kernel with build id {wanted}, and that of the running one is {}",
            index.folder().display(),
            if running.is_empty() { "not shown in /sys/kernel/notes" } else { &running }
        )));
    }
    Ok(())
}

/// How far the running kernel lies from where the index has it.
pub(super) fn slide_of_running(index: &Index, graph: &Graph) -> Result<u64, Error> {
    is_of_running(index)?;
    let path = Path::new("/proc/kallsyms");
    let symbols = std::fs::read_to_string(path).map_err(Error::file("read", path))?;
    let (names, addresses) = (graph.functions().texts("name")?, graph.functions().numbers("address")?);
    let in_index =
        |name: &str| (0..graph.functions().len()).find(|&row| names.get(row) == name).map(|row| addresses.get(row));
    if !MARKS.iter().any(|mark| in_index(mark).is_some()) {
        return Err(Error::Missing(format!(
            "{} has no code, so that addresses of the running kernel cannot be found in it: it was made without the \
             kernel's image (`lima index build --vmlinux` or `--vmlinuz` takes one)",
            index.folder().display()
        )));
    }
    slide(&symbols, in_index).map_err(Error::Missing)
}

/// How far a kernel has moved, by its symbols.
fn slide(symbols: &str, in_index: impl Fn(&str) -> Option<u64>) -> Result<u64, String> {
    let mut found = None;
    for line in symbols.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(address), Some(_), Some(name), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Some(mark) = MARKS.iter().find(|&&mark| mark == name) else { continue };
        let (Ok(address), Some(own)) = (u64::from_str_radix(address, 16), in_index(mark)) else { continue };
        if address == 0 {
            return Err(format!("/proc/kallsyms hides its addresses: ask {PRIVILEGE}"));
        }
        let slide = address.wrapping_sub(own);
        if found.is_some_and(|found| found != slide) {
            return Err("functions of /proc/kallsyms have not all moved by the same distance".to_owned());
        }
        found = Some(slide);
    }
    found.ok_or_else(|| format!("/proc/kallsyms has none of {}", MARKS.join(", ")))
}

/// The same of an address in a loaded module; none when it is in no module.
fn in_module(index: &Index, address: u64) -> Result<Option<u64>, Error> {
    // Without privilege they are all at 0, and the address is in none of them.
    let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
    let Some(name) = module_at(&modules, address) else { return Ok(None) };
    let folder = Path::new("/sys/module").join(name).join("sections");
    let entries = std::fs::read_dir(&folder).map_err(Error::file("read", &folder))?;
    let start = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path()).ok()?;
        let start = u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()?;
        Some((start, entry.file_name().into_string().ok()?))
    };
    let starts = entries.flatten().filter_map(start).filter(|&(start, _)| start != 0 && start <= address);
    let Some((start, section)) = starts.max() else {
        return Err(Error::Missing(format!("{} hides its addresses: ask {PRIVILEGE}", folder.display())));
    };
    let table = index.read(IndexTable::Sections, &["module", "name", "address"])?;
    let (modules, names) = (table.texts("module")?, table.texts("name")?);
    let row = (0..table.len()).find(|&row| modules.maybe(row) == Some(name) && names.get(row) == section);
    let row = row.ok_or_else(|| {
        Error::Missing(format!("the address is in {section} of the module {name}, which this index does not have"))
    })?;
    Ok(Some(table.numbers("address")?.get(row).wrapping_add(address - start)))
}

/// The module that an address is in, by the text of `/proc/modules`.
fn module_at(modules: &str, address: u64) -> Option<&str> {
    modules.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let bytes: u64 = words.get(1)?.parse().ok()?;
        let start = u64::from_str_radix(words.get(5)?.trim_start_matches("0x"), 16).ok().filter(|&start| start != 0)?;
        address.checked_sub(start).is_some_and(|rest| rest < bytes).then(|| words[0])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_index(name: &str) -> Option<u64> {
        match name {
            "mutex_lock" => Some(0xffff_ffff_8199_0000),
            "schedule" => Some(0xffff_ffff_8198_0000),
            _ => None,
        }
    }

    #[test]
    fn all_functions_move_by_one_distance() {
        let moved = "ffffffffa3990000 T mutex_lock\nffffffffa3980000 T schedule\nffffffffc0001000 t mutex_lock [own]\n";
        assert_eq!(slide(moved, in_index), Ok(0x2200_0000));
        let apart = "ffffffffa3990000 T mutex_lock\nffffffffa3980010 T schedule\n";
        assert!(slide(apart, in_index).is_err_and(|why| why.contains("same distance")));
        let hidden = "0000000000000000 T mutex_lock\n";
        assert!(slide(hidden, in_index).is_err_and(|why| why.contains("CAP_SYSLOG")));
        assert!(slide("garbage\n\nffffffffa3980000 T other\n", in_index).is_err());
    }

    #[test]
    fn an_address_of_a_loaded_section_has_one_in_the_running_kernel() {
        let section = LoadedSection { address: 0x1000, size: 0x100, start: 0xffff_ffff_c000_0000 };
        assert_eq!(section.running(0x1010), Some(0xffff_ffff_c000_0010));
        assert_eq!((section.running(0xfff), section.running(0x1100)), (None, None));
    }

    #[test]
    fn an_address_is_in_the_module_around_it() {
        let modules = "ext4 1000 1 - Live 0xffffffffc0100000\njbd2 4096 1 ext4, Live 0xffffffffc0200000 (E)\nhidden 99 0 - Live 0x0\n";
        assert_eq!(module_at(modules, 0xffff_ffff_c010_03e7), Some("ext4"));
        assert_eq!(module_at(modules, 0xffff_ffff_c010_03e8), None);
        assert_eq!(module_at(modules, 0xffff_ffff_c020_0000), Some("jbd2"));
        assert_eq!(module_at(modules, 5), None);
        assert_eq!(module_at("", 5), None);
    }
}
