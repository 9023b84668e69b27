//! User-space addresses to files, from `/proc/PID/maps`, while the process lives.

use super::rows::FrameRow;
use std::collections::HashMap;
use std::fs;

#[derive(Debug)]
struct Mapping {
    start: u64,
    end: u64,
    file_offset: u64,
    path: String,
}

/// The executable mappings of the processes whose user stacks were recorded.
#[derive(Debug, Default)]
pub struct Processes {
    mappings: HashMap<u32, Vec<Mapping>>,
}

impl Processes {
    /// What is known of an address: the file and the offset in it. A process that is gone leaves the bare address.
    pub fn frame(&mut self, tgid: u32, address: u64) -> FrameRow {
        let mut row = FrameRow { tgid, address, symbol: None, offset: address, module: None, build_id: None };
        // What is not there may have been mapped since: one more look.
        for _ in 0..2 {
            let mappings = self.mappings.entry(tgid).or_insert_with(|| read(tgid));
            if let Some(mapping) = mappings.iter().find(|mapping| (mapping.start..mapping.end).contains(&address)) {
                row.offset = address - mapping.start + mapping.file_offset;
                row.module = Some(mapping.path.clone());
                break;
            }
            self.mappings.remove(&tgid);
        }
        row
    }
}

fn read(tgid: u32) -> Vec<Mapping> {
    let Ok(bytes) = fs::read(format!("/proc/{tgid}/maps")) else { return Vec::new() };
    lima_model::escape::text(&bytes).lines().filter_map(parse).collect()
}

/// `START-END PERM OFFSET DEV INODE PATH`, executable ones only.
fn parse(line: &str) -> Option<Mapping> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let executable = words.next()?.contains('x');
    let file_offset = u64::from_str_radix(words.next()?, 16).ok()?;
    let path = words.nth(2)?.trim_start();
    let number = |text| u64::from_str_radix(text, 16).ok();
    let mapping = Mapping { start: number(start)?, end: number(end)?, file_offset, path: path.to_owned() };
    (executable && !path.is_empty()).then_some(mapping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_of_maps() {
        let line = "7f00-7fff r-xp 00001000 08:01 123                        /usr/lib/lib c.so";
        let mapping = parse(line).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.file_offset), (0x7f00, 0x7fff, 0x1000));
        assert_eq!(mapping.path, "/usr/lib/lib c.so");
        assert!(parse("7f00-7fff rw-p 00001000 08:01 123 /usr/lib/libc.so").is_none());
        assert!(parse("nonsense").is_none());
    }

    #[test]
    fn finds_its_own_code() {
        let address = finds_its_own_code as fn() as usize as u64;
        let row = Processes::default().frame(std::process::id(), address);
        assert!(row.module.is_some_and(|module| module.starts_with('/')));
    }
}
