//! User-space addresses to files and functions, while the process lives.
//!
//! [`maps`] says which file an address lies in, [`binary`] which function of it, [`jit`] which function of code that comes from
//! no file. Files are opened through `/proc/PID/map_files`: in whatever mount namespace a process lives, and whatever has
//! become of the path since, it is the very file that runs.

mod binary;
mod jit;
mod maps;

use super::rows::FrameRow;
use jit::JitMap;
use maps::Mapping;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// The most files that are open at a time; addresses in further ones have no function.
const MOST_FILES: usize = 256;

/// A function that an address lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    symbol: String,
    /// From its start.
    offset: u64,
}

/// An address to be looked up in a file.
#[derive(Clone, Copy, Debug)]
struct Place {
    tgid: u32,
    address: u64,
    offset: u64,
    /// Whether a call returns there.
    returns: bool,
}

/// The processes whose user stacks were recorded.
#[derive(Debug, Default)]
pub struct Processes {
    mappings: HashMap<u32, Vec<Mapping>>,
    jit: HashMap<u32, Option<JitMap>>,
    /// Files by device and inode, and what is to be looked up in them.
    files: HashMap<(String, String), (File, Vec<Place>)>,
    /// Addresses without a function because not all was read that could say it.
    unread: u64,
}

impl Processes {
    /// What is known of an address: the file and the offset in it, or the name of code from no file. A process that is gone
    /// leaves the bare address. Functions of files come with [`name`](Self::name).
    pub fn frame(&mut self, tgid: u32, address: u64, returns: bool) -> FrameRow {
        let mut row = FrameRow { tgid, address, offset: address, ..FrameRow::default() };
        let Some(mapping) = self.mapping(tgid, address) else { return row };
        if mapping.is_of_file() {
            row.offset = address - mapping.start + mapping.file_offset;
            row.module = Some(mapping.path.clone());
            self.remember(&mapping, Place { tgid, address, offset: row.offset, returns });
        } else if let Some(map) = self.jit.entry(tgid).or_insert_with(|| JitMap::of_process(tgid))
            && let Some(found) = map.find(address.wrapping_sub(u64::from(returns))).or_else(|| {
                self.unread += u64::from(map.is_cut());
                None
            })
        {
            row.offset = found.offset + u64::from(returns);
            row.symbol = Some(found.symbol);
            row.module = Some(map.path().to_owned());
        } else if !mapping.path.is_empty() {
            row.offset = address - mapping.start;
            row.module = Some(mapping.path);
        }
        row
    }

    /// Names the functions of all addresses since the last call, and forgets what processes looked like: they may end, and
    /// run something else.
    pub fn name(&mut self, rows: &mut [FrameRow]) {
        self.mappings.clear();
        self.jit.clear();
        if self.files.is_empty() {
            return;
        }
        let mut found = HashMap::new();
        for (file, places) in std::mem::take(&mut self.files).into_values() {
            let wanted: Vec<(u64, bool)> = places.iter().map(|place| (place.offset, place.returns)).collect();
            let Some(known) = binary::look_up(file, &wanted) else { continue };
            self.unread += known.unread;
            for (place, (file_address, function)) in places.iter().zip(known.found) {
                found.insert((place.tgid, place.address), (known.build_id.clone(), file_address, function));
            }
        }
        for row in rows {
            let Some((build_id, file_address, function)) = found.remove(&(row.tgid, row.address)) else { continue };
            row.build_id = build_id;
            row.file_address = file_address;
            if let Some(Found { symbol, offset }) = function {
                row.symbol = Some(symbol);
                row.offset = offset;
            }
        }
    }

    /// How many addresses have no function because not all was read that could say it.
    pub fn unread(&self) -> u64 {
        self.unread
    }

    fn mapping(&mut self, tgid: u32, address: u64) -> Option<Mapping> {
        // What is not there may have been mapped since: one more look.
        for _ in 0..2 {
            let mappings = self.mappings.entry(tgid).or_insert_with(|| maps::of_process(tgid));
            if let Some(mapping) = mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&address)) {
                return Some(mapping.clone());
            }
            self.mappings.remove(&tgid);
        }
        None
    }

    /// Opens a mapping's file before its process can end.
    fn remember(&mut self, mapping: &Mapping, place: Place) {
        if let Some((_, places)) = self.files.get_mut(&mapping.file) {
            places.push(place);
        } else if self.files.len() >= MOST_FILES {
            self.unread += 1;
        } else if let Some(file) = binary::open_file(Path::new(&format!(
            "/proc/{}/map_files/{:x}-{:x}",
            place.tgid, mapping.start, mapping.end
        ))) {
            self.files.insert(mapping.file.clone(), (file, vec![place]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place behind the first instruction of a function of this test, so that a call could return there.
    fn inside(function: fn()) -> u64 {
        function as usize as u64 + 1
    }

    #[test]
    fn finds_its_own_code() {
        let mut processes = Processes::default();
        let own = std::process::id();
        let address = inside(finds_its_own_code);
        let mut rows = [processes.frame(own, address, true)];
        assert!(rows[0].module.as_ref().is_some_and(|module| module.starts_with('/')));
        processes.name(&mut rows);
        let [row] = rows;
        let symbol = row.symbol.expect("/proc/self/map_files can be opened");
        assert!(symbol.ends_with("processes::tests::finds_its_own_code"), "{symbol}");
        assert_eq!(row.offset, 1);
        assert!(row.file_address.is_some());
    }

    #[test]
    fn places_in_files_too_many_are_counted() {
        let mut processes = Processes::default();
        for number in 0..MOST_FILES {
            let key = ("none".to_owned(), number.to_string());
            processes.files.insert(key, (File::open("/dev/null").unwrap(), Vec::new()));
        }
        let mut rows = [processes.frame(std::process::id(), inside(places_in_files_too_many_are_counted), true)];
        processes.name(&mut rows);
        assert_eq!((rows[0].symbol.as_ref(), processes.unread()), (None, 1));
    }

    #[test]
    fn nothing_is_known_of_a_process_that_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let mut processes = Processes::default();
        let mut rows = [processes.frame(child.id(), 0x1234, false)];
        processes.name(&mut rows);
        assert_eq!((rows[0].symbol.as_ref(), rows[0].module.as_ref(), rows[0].offset), (None, None, 0x1234));
    }
}
