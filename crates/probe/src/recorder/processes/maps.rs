//! What a process has mapped to be executed, from `/proc/PID/maps`.

use std::fs;

/// An executable mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The first address.
    pub start: u64,
    /// The address after the last.
    pub end: u64,
    /// Where the mapping begins in the file.
    pub file_offset: u64,
    /// Device and inode of the file, as text; `00:00` and `0` without one.
    pub file: (String, String),
    /// The path in the process's mount namespace, or `[vdso]` and the like; empty for anonymous memory.
    pub path: String,
}

impl Mapping {
    /// Whether code in it comes from a file.
    pub fn is_of_file(&self) -> bool {
        self.path.starts_with('/') && self.file.1 != "0"
    }
}

/// All of a process, in order; none when it is gone or must not be read.
pub fn of_process(tgid: u32) -> Vec<Mapping> {
    let Ok(bytes) = fs::read(format!("/proc/{tgid}/maps")) else { return Vec::new() };
    lima_model::escape::text(&bytes).lines().filter_map(parse).collect()
}

/// `START-END PERM OFFSET DEV INODE PATH`, executable ones only.
fn parse(line: &str) -> Option<Mapping> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let executable = words.next()?.contains('x');
    let number = |text| u64::from_str_radix(text, 16).ok();
    let file_offset = number(words.next()?)?;
    let (device, inode) = (words.next()?, words.next()?);
    // Anonymous memory has no path, and may have no space at the end of the line either.
    let path = words.next().unwrap_or_default().trim_start();
    let mapping = Mapping {
        start: number(start)?,
        end: number(end)?,
        file_offset,
        file: (device.to_owned(), inode.to_owned()),
        path: path.to_owned(),
    };
    executable.then_some(mapping)
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
        assert!(mapping.is_of_file());
        assert!(parse("7f00-7fff rw-p 00001000 08:01 123 /usr/lib/libc.so").is_none());
        assert!(parse("nonsense").is_none());
    }

    #[test]
    fn code_may_come_from_no_file() {
        for line in
            ["7f00-7fff rwxp 00000000 00:00 0 ", "7f00-7fff rwxp 00000000 00:00 0", "7f00-7fff r-xp 0 00:00 0 [vdso]"]
        {
            assert!(!parse(line).unwrap().is_of_file(), "{line}");
        }
    }
}
