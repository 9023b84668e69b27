//! Names of code that a process made while it ran, from the map that its runtime leaves for perf.
//!
//! The file is `/tmp/perf-PID.map` in the process's mount and pid namespaces, with lines `START SIZE NAME` in hex
//! (tools/perf/Documentation/jit-interface.txt of the kernel).

use super::Found;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::fs::{self, File};
use std::io::Read;

/// The most that is read of a map; runtimes that write more have functions without a name.
const MOST_BYTES: u64 = 64 << 20;

/// The map of one process.
#[derive(Debug)]
pub struct JitMap {
    path: String,
    /// Start, end and name, in the order of the file.
    functions: Vec<(u64, u64, String)>,
    /// Whether the file is longer than what is read of it.
    is_cut: bool,
}

impl JitMap {
    /// Reads the map of a process; `None` when it has none.
    pub fn of_process(tgid: u32) -> Option<Self> {
        let path = format!("/tmp/perf-{}.map", innermost(tgid)?);
        // Whoever may write there may put anything there: it is not waited for, and links are not followed.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = open(format!("/proc/{tgid}/root{path}"), flags, Mode::empty()).ok()?;
        if FileType::from_raw_mode(fstat(&file).ok()?.st_mode) != FileType::RegularFile {
            return None;
        }
        let mut bytes = Vec::new();
        File::from(file).take(MOST_BYTES + 1).read_to_end(&mut bytes).ok()?;
        let is_cut = bytes.len() as u64 > MOST_BYTES;
        let functions = lima_model::escape::text(&bytes).lines().filter_map(parse).collect();
        Some(Self { path, functions, is_cut })
    }

    /// Whether the file says more than was read of it.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The function that an address lies in: the last that was written, as code is replaced.
    pub fn find(&self, address: u64) -> Option<Found> {
        let (start, _, name) = self.functions.iter().rev().find(|(start, end, _)| (*start..*end).contains(&address))?;
        Some(Found { symbol: name.clone(), offset: address - start })
    }

    /// The file, as the process names it.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The number of a process in its own pid namespace.
fn innermost(tgid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{tgid}/status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().last()?.parse().ok()
}

/// `START SIZE NAME`; the name may have spaces.
fn parse(line: &str) -> Option<(u64, u64, String)> {
    let mut words = line.splitn(3, ' ');
    let mut number = || {
        let word = words.next()?;
        u64::from_str_radix(word.strip_prefix("0x").unwrap_or(word), 16).ok()
    };
    let (start, size) = (number()?, number()?);
    let name = words.next()?.trim();
    (!name.is_empty()).then(|| (start, start.saturating_add(size), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_two_functions_in_one_place_counts() {
        let text = "7f10 20 old\nnonsense\n0x7f10 0x10 LazyCompile:*render /app/a b.js:3\n7f40 0\n";
        let map = JitMap { path: String::new(), functions: text.lines().filter_map(parse).collect(), is_cut: false };
        let found = |address| map.find(address).map(|found| (found.symbol, found.offset));
        assert_eq!(found(0x7f14), Some(("LazyCompile:*render /app/a b.js:3".to_owned(), 4)));
        assert_eq!(found(0x7f24), Some(("old".to_owned(), 0x14)));
        assert_eq!(found(0x7f40), None);
        assert_eq!(found(0x100), None);
    }

    #[test]
    fn a_map_is_found_by_the_process_that_left_it() {
        let own = std::process::id();
        let path = format!("/tmp/perf-{own}.map");
        assert!(JitMap::of_process(own).is_none());
        fs::write(&path, "1000 100 made up\n").unwrap();
        let map = JitMap::of_process(own);
        fs::remove_file(&path).unwrap();
        let map = map.unwrap();
        assert_eq!((map.path(), map.find(0x1080).unwrap().symbol.as_str()), (&*path, "made up"));
    }

    #[test]
    fn a_map_that_is_too_long_is_known_to_be_cut() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let path = format!("/tmp/perf-{}.map", child.id());
        fs::write(&path, "1000 100 made up\n").unwrap();
        let whole = JitMap::of_process(child.id());
        File::options().write(true).open(&path).unwrap().set_len(MOST_BYTES + 1).unwrap();
        let cut = JitMap::of_process(child.id());
        fs::remove_file(&path).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let (whole, cut) = (whole.unwrap(), cut.unwrap());
        assert!(!whole.is_cut() && cut.is_cut());
        assert_eq!(cut.find(0x1080).unwrap().symbol, "made up");
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        // A name of its own: another test writes a map of this very process.
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let path = format!("/tmp/perf-{}.map", child.id());
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let map = JitMap::of_process(child.id());
        fs::remove_file(&path).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(map.is_none());
    }
}
