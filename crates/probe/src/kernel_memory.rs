//! The memory of the running kernel, through `/proc/kcore`: an ELF file whose segments are the kernel's mappings. Where
//! there is no such file, or the kernel does not open it, a program reads a few bytes at a time (`bpf/memory.bpf.c`).

use crate::symbols::KernelSymbols;
use libbpf_rs::libbpf_sys::{bpf_prog_test_run_opts, bpf_test_run_opts};
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use object::elf::{FileHeader64, PT_LOAD};
use object::endian::NativeEndian;
use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader};
use skeleton::MemorySkelBuilder;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

#[allow(missing_docs, missing_debug_implementations, clippy::all, clippy::pedantic, clippy::ptr_as_ptr)]
#[allow(clippy::undocumented_unsafe_blocks, clippy::wildcard_imports, clippy::clone_on_ref_ptr, unused_qualifications)]
mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/memory.skel.rs"));
}

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
    source: Source,
}

#[derive(Debug)]
enum Source {
    Core { file: File, segments: Vec<Segment> },
    Program(OwnedFd),
}

/// The most that the program reads at once, bytes.
const AT_ONCE: usize = 64;

/// What is mapped at once, bytes.
const PAGE: u64 = 4096;

/// What the program is asked, and where it answers: as in `bpf/memory.bpf.c`.
#[repr(C)]
struct Request {
    address: u64,
    size: u64,
    bytes: [u8; AT_ONCE],
}

impl KernelMemory {
    /// The memory of the running kernel, by the best way that it permits.
    ///
    /// # Errors
    /// When it permits none; it says what the kernel said to the last one.
    pub fn of_running() -> io::Result<Self> {
        Self::open(Path::new("/proc/kcore")).or_else(|_| Self::by_program())
    }

    /// Reads by a program.
    ///
    /// # Errors
    /// When the kernel does not permit it.
    pub fn by_program() -> io::Result<Self> {
        let mut storage = MaybeUninit::uninit();
        let refused = |error: libbpf_rs::Error| io::Error::other(error.to_string());
        let open = MemorySkelBuilder::default().open(&mut storage).map_err(refused)?;
        let skeleton = open.load().map_err(refused)?;
        // The program stays as long as somebody has it open.
        let program = skeleton.progs.read_memory.as_fd().try_clone_to_owned()?;
        Ok(Self { source: Source::Program(program) })
    }

    /// Whether any address may be read, also one that may belong to a device: there it is left out, not touched.
    pub fn is_careful(&self) -> bool {
        matches!(self.source, Source::Core { .. })
    }

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
        Ok(Self { source: Source::Core { file, segments } })
    }

    /// Reads some bytes; `None` where there is nothing mapped.
    pub fn read<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        match &self.source {
            Source::Core { file, segments } => Self::read_core(file, segments, address),
            Source::Program(program) => Self::ask(program, address),
        }
    }

    fn ask<const N: usize>(program: &OwnedFd, address: u64) -> Option<[u8; N]> {
        let mut request = Request { address, size: N as u64, bytes: [0; AT_ONCE] };
        let mut options = bpf_test_run_opts {
            sz: size_of::<bpf_test_run_opts>() as _,
            ctx_in: (&raw mut request).cast(),
            ctx_size_in: size_of::<Request>() as u32,
            ..Default::default()
        };
        // SAFETY: `ctx_in` is the request, as long as `ctx_size_in` says and alive and ours alone during the call: the kernel
        // reads it, and programs of this type write their answer back there.
        let result = unsafe { bpf_prog_test_run_opts(program.as_raw_fd(), &raw mut options) };
        if result != 0 || options.retval != 0 {
            return None;
        }
        request.bytes.get(..N)?.try_into().ok()
    }

    fn read_core<const N: usize>(file: &File, segments: &[Segment], address: u64) -> Option<[u8; N]> {
        let inside = |segment: &&Segment| {
            address.checked_sub(segment.address).is_some_and(|rest| rest.saturating_add(N as u64) <= segment.size)
        };
        let segment = segments.iter().find(inside)?;
        let mut bytes = [0; N];
        file.read_exact_at(&mut bytes, segment.offset + (address - segment.address)).ok()?;
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

    /// Reads `length` bytes; `None` when some of them are not mapped.
    pub fn bytes(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = address.checked_add(bytes.len() as u64)?;
            let rest = length - bytes.len();
            // What lies behind the end may not be mapped, unless it is in the same page.
            if (at % PAGE) as usize <= PAGE as usize - AT_ONCE
                && let Some(whole) = self.read::<AT_ONCE>(at)
            {
                bytes.extend(&whole[..rest.min(AT_ONCE)]);
                continue;
            }
            match rest {
                AT_ONCE.. => bytes.extend(self.read::<AT_ONCE>(at)?),
                8.. => bytes.extend(self.read::<8>(at)?),
                _ => bytes.extend(self.read::<1>(at)?),
            }
        }
        Some(bytes)
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
    fn bytes_are_read_to_the_last_that_is_mapped() {
        let words = [*b"abcdefgh", *b"ijklmnop", *b"qrstuvwx", *b"yz012345"].map(u64::from_le_bytes);
        let file = core(0xffff_8880_0000_1000, words);
        let memory = KernelMemory::open(file.path()).unwrap();
        assert_eq!(memory.bytes(0xffff_8880_0000_1005, 13).unwrap(), b"fghijklmnopqr");
        assert_eq!(memory.bytes(0xffff_8880_0000_1013, 13).unwrap(), b"tuvwxyz012345");
        assert_eq!(memory.bytes(0xffff_8880_0000_1013, 14), None);
    }

    #[test]
    fn a_program_reads_what_the_kernel_has_mapped() {
        let memory = match KernelMemory::by_program() {
            Ok(memory) => memory,
            Err(error) => {
                println!("skipped: this kernel, or these privileges, do not permit it: {error}");
                return;
            }
        };
        let symbols = KernelSymbols::read(Path::new("/proc/kallsyms")).unwrap_or_default();
        let Some(code) = symbols.functions().map(|function| function.address).find(|&address| address > 0) else {
            println!("skipped: /proc/kallsyms shows no addresses");
            return;
        };
        assert!(memory.read::<64>(code).is_some_and(|bytes| bytes.iter().any(|&byte| byte != 0)));
        assert_eq!(memory.number(0x10), None, "no kernel's address");
    }

    #[test]
    fn another_file_is_refused() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"#!/bin/sh\n").unwrap();
        assert_eq!(KernelMemory::open(file.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(KernelMemory::open(Path::new("/nowhere")).is_err());
    }
}
