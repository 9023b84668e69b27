//! The checksum of a segment.
//!
//! Parquet as written by the `parquet` crate has no checksum of its own, and a flipped bit can turn into a wrong
//! number without any error. So each segment carries the XXH64 of the whole file in its footer's metadata, under the
//! key `lima.checksum`, as 16 hex digits; for computing it, the digits themselves count as zeros. It is found in the
//! raw bytes of the footer, before anything is parsed: the decoder never sees a file that was damaged by accident.

use std::fs::File;
use std::hash::Hasher;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use twox_hash::XxHash64;

/// The key in the footer's metadata.
pub(crate) const KEY: &str = "lima.checksum";
/// The value under which a file is encoded, before its checksum is known.
pub(crate) const BLANK: &str = "0000000000000000";
/// The key, and then Thrift's mark for a text of 16 bytes.
const NEEDLE: &[u8] = b"lima.checksum\x18\x10";
/// Parquet's last bytes: the length of the footer, and `PAR1`.
pub(crate) const TAIL: usize = 8;
/// A fuzzer would never guess a checksum: without this it would not get to the decoder.
#[allow(unexpected_cfgs, reason = "set by cargo-fuzz")]
const FUZZING: bool = cfg!(fuzzing);
const UNFIT: &str = "its checksum does not fit its content";
/// How much of a file is read at a time.
const CHUNK: usize = 256 << 10;

/// Where the digits stand in a footer (without the tail). The last occurrence counts: what a tenant chose may stand
/// before it, in the statistics, but never behind it.
fn digits_in_footer(footer: &[u8]) -> Option<usize> {
    let at = footer.windows(NEEDLE.len()).rposition(|window| window == NEEDLE)? + NEEDLE.len();
    (at + BLANK.len() <= footer.len()).then_some(at)
}

/// Where a file's footer begins, from its length and its last bytes; an error says what is wrong with them.
fn footer_start(length: u64, tail: &[u8; TAIL]) -> Result<u64, String> {
    if &tail[4..] != b"PAR1" {
        return Err("it does not end as a Parquet file does (cut off?)".into());
    }
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    (length - TAIL as u64).checked_sub(footer).ok_or_else(|| "its footer is longer than the file".into())
}

/// Fills in the checksum of a Parquet file in memory that was encoded with [`BLANK`] under [`KEY`].
pub(crate) fn seal(bytes: &mut [u8]) -> Result<(), String> {
    let digest = XxHash64::oneshot(0, bytes);
    let tail = bytes.last_chunk().ok_or("it is too short")?;
    let start = footer_start(bytes.len() as u64, tail)? as usize;
    let at = start + digits_in_footer(&bytes[start..]).ok_or("its footer has no place for a checksum")?;
    bytes[at..at + BLANK.len()].copy_from_slice(format!("{digest:016x}").as_bytes());
    Ok(())
}

/// A file that is hashed while it is written; [`Sealing::seal`] fills in the checksum.
pub(crate) struct Sealing {
    file: File,
    hash: XxHash64,
    written: u64,
}

impl Sealing {
    /// Starts with an empty file, which must be open for reading too.
    pub(crate) fn new(file: File) -> Self {
        Self { file, hash: XxHash64::with_seed(0), written: 0 }
    }

    /// How many bytes were written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Fills in the checksum, and brings the file to the disk.
    pub(crate) fn seal(self) -> io::Result<()> {
        let damaged = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let (start, footer) = footer(&self.file, self.written)?.map_err(damaged)?;
        let at = digits_in_footer(&footer).ok_or_else(|| damaged("its footer has no place for a checksum".into()))?;
        self.file.write_all_at(format!("{:016x}", self.hash.finish()).as_bytes(), start + at as u64)?;
        self.file.sync_all()
    }
}

impl Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hash.write(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Checks a file against its checksum. The outer error is the operating system's, the inner one says what is wrong
/// with the file.
pub(crate) fn verify(path: &Path) -> io::Result<Result<(), String>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Err("it is not a regular file".into()));
    }
    let length = metadata.len();
    let (start, footer) = match footer(&file, length)? {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let at = match digits_in(&footer) {
        Ok(at) => at,
        Err(why) => return Ok(Err(why)),
    };
    let expected = &footer[at..at + BLANK.len()];
    let found = hash_without_digits(&file, length, start + at as u64)?;
    Ok(if FUZZING || expected == format!("{found:016x}").as_bytes() { Ok(()) } else { Err(UNFIT.into()) })
}

/// The same of a file that is in memory.
pub(crate) fn verify_bytes(bytes: &[u8]) -> Result<(), String> {
    let start = start_in_end(bytes.len() as u64, bytes)? as usize;
    let footer = &bytes[start..bytes.len() - TAIL];
    let at = start + digits_in(footer)?;
    let (expected, blank) = (&bytes[at..at + BLANK.len()], BLANK.as_bytes());
    let mut hash = XxHash64::with_seed(0);
    [&bytes[..at], blank, &bytes[at + BLANK.len()..]].into_iter().for_each(|part| hash.write(part));
    if FUZZING || expected == format!("{:016x}", hash.finish()).as_bytes() { Ok(()) } else { Err(UNFIT.into()) }
}

/// Where the footer begins in a file of which the last bytes, or all, are at hand.
pub(crate) fn start_in_end(length: u64, end: &[u8]) -> Result<u64, String> {
    let tail = end.last_chunk().ok_or_else(|| format!("it is only {length} bytes long"))?;
    footer_start(length, tail)
}

/// Whether a footer, with or without the tail, has a checksum.
pub(crate) fn is_sealed(footer: &[u8]) -> Result<(), String> {
    digits_in(footer).map(drop)
}

fn digits_in(footer: &[u8]) -> Result<usize, String> {
    let missing = "its footer has no checksum: it is damaged, or was not written by LIMA";
    digits_in_footer(footer).ok_or_else(|| missing.to_owned())
}

/// The start and the bytes of the footer, without the tail.
fn footer(file: &File, length: u64) -> io::Result<Result<(u64, Vec<u8>), String>> {
    if length < TAIL as u64 {
        return Ok(Err(format!("it is only {length} bytes long")));
    }
    let mut tail = [0; TAIL];
    file.read_exact_at(&mut tail, length - TAIL as u64)?;
    let start = match footer_start(length, &tail) {
        Ok(start) => start,
        Err(why) => return Ok(Err(why)),
    };
    let mut footer = vec![0; (length - TAIL as u64 - start) as usize];
    file.read_exact_at(&mut footer, start)?;
    Ok(Ok((start, footer)))
}

/// The hash of a file in which the checksum's digits, from `digits` on, count as zeros.
fn hash_without_digits(file: &File, length: u64, digits: u64) -> io::Result<u64> {
    let blank = digits..digits + BLANK.len() as u64;
    let mut hash = XxHash64::with_seed(0);
    let mut buffer = vec![0; CHUNK.min(length as usize)];
    let mut at = 0;
    while at < length {
        let size = buffer.len().min((length - at) as usize);
        let chunk = &mut buffer[..size];
        file.read_exact_at(chunk, at)?;
        for position in blank.start.max(at)..blank.end.min(at + size as u64) {
            chunk[(position - at) as usize] = b'0';
        }
        hash.write(chunk);
        at += size as u64;
    }
    Ok(hash.finish())
}
