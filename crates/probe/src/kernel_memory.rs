//! The memory of the running kernel, through `/proc/kcore`: an ELF file whose segments are the kernel's mappings. Kernels
//! that are locked down do not open it.

use crate::symbols::KernelSymbols;
use object::elf::{FileHeader64, PT_LOAD};
use object::endian::NativeEndian;
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What is added to the offset of a variable that each CPU has, by the number of the CPU; empty when the kernel does not
/// show its memory or its variables.
pub fn per_cpu_offsets(symbols: &KernelSymbols) -> Vec<u64> {
    let Some(&table) = symbols.variables("__per_cpu_offset").first() else { return Vec::new() };
    let memory = KernelMemory::open(Path::new("/proc/kcore"))
        .inspect_err(|error| tracing::debug!("per-CPU variables cannot be found: /proc/kcore: {error}"));
    let (Ok(memory), Ok(cpus)) = (memory, libbpf_rs::num_possible_cpus()) else { return Vec::new() };
    let offsets: Option<Vec<u64>> = (0..cpus as u64).map(|cpu| memory.number(table + 8 * cpu)).collect();
    offsets.unwrap_or_default()
}

/// A part of it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    address: u64,
    size: u64,
    offset: u64,
}

/// The kernel's memory, to be read.
#[derive(Debug)]
pub struct KernelMemory {
    file: File,
    segments: Vec<Segment>,
}

impl KernelMemory {
    /// Opens a file like `/proc/kcore`.
    ///
    /// # Errors
    /// When the kernel does not permit it, or the file is none such.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let cache = ReadCache::new(&file);
        let foreign = |error: object::Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let header = FileHeader64::<NativeEndian>::parse(&cache).map_err(foreign)?;
        let endian = header.endian().map_err(foreign)?;
        let headers = header.program_headers(endian, &cache).map_err(foreign)?;
        let segments = headers.iter().filter(|header| header.p_type(endian) == PT_LOAD).map(|header| Segment {
            address: header.p_vaddr(endian),
            size: header.p_memsz(endian),
            offset: header.p_offset(endian),
        });
        let segments = segments.collect();
        drop(cache);
        Ok(Self { file, segments })
    }

    /// Reads some bytes; `None` where there is nothing mapped.
    pub fn read<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let inside = |segment: &&Segment| {
            address.checked_sub(segment.address).is_some_and(|rest| rest.saturating_add(N as u64) <= segment.size)
        };
        let segment = self.segments.iter().find(inside)?;
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, segment.offset + (address - segment.address)).ok()?;
        Some(bytes)
    }

    /// Reads a number.
    pub fn number(&self, address: u64) -> Option<u64> {
        Some(u64::from_ne_bytes(self.read(address)?))
    }

    /// Reads a number of four bytes.
    pub fn small(&self, address: u64) -> Option<u32> {
        Some(u32::from_ne_bytes(self.read(address)?))
    }

    /// Reads text up to its end, 63 bytes at the most.
    pub fn text(&self, address: u64) -> Option<String> {
        let bytes: [u8; 64] = self.read(address)?;
        let end = bytes.iter().position(|&byte| byte == 0).filter(|&end| end > 0)?;
        Some(lima_model::escape::text(&bytes[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// An ELF file with one segment of four numbers at an address.
    fn core(address: u64, numbers: [u64; 4]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
        bytes.resize(16, 0);
        for half in [4u16, 62] {
            bytes.extend(half.to_le_bytes());
        }
        bytes.extend(1u32.to_le_bytes());
        for wide in [0u64, 64, 0] {
            bytes.extend(wide.to_le_bytes());
        }
        bytes.extend(0u32.to_le_bytes());
        for half in [64u16, 56, 1, 0, 0, 0] {
            bytes.extend(half.to_le_bytes());
        }
        for word in [1u32, 4] {
            bytes.extend(word.to_le_bytes());
        }
        for wide in [120u64, address, 0, 32, 32, 0] {
            bytes.extend(wide.to_le_bytes());
        }
        numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn numbers_are_read_where_they_are_mapped() {
        let file = core(
            0xffff_8880_0000_1000,
            [1, 2, u64::from_le_bytes(*b"inode_ca"), u64::from_le_bytes(*b"che\0\0\0\0\0")],
        );
        let memory = KernelMemory::open(file.path()).unwrap();
        assert_eq!(memory.number(0xffff_8880_0000_1008), Some(2));
        assert_eq!(memory.small(0xffff_8880_0000_1000), Some(1));
        assert_eq!(memory.number(0xffff_8880_0000_1020), None, "beyond the end");
        assert_eq!(memory.number(0xffff_8880_0000_0ff8), None, "before the start");
        assert_eq!(memory.number(0xffff_8880_0000_101c), None, "half inside");
    }

    #[test]
    fn another_file_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"#!/bin/sh\n").unwrap();
        assert_eq!(KernelMemory::open(file.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(KernelMemory::open(Path::new("/nowhere")).is_err());
    }
}
