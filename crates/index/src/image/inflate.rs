//! Packed sections and files, unpacked to at most a bounded size.

use super::lzo;
use std::io::Read;

/// How a section is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not at all.
    None,
    /// `SHF_COMPRESSED`: a header that says how.
    Header,
    /// The older `.zdebug_` sections: `ZLIB`, the size, a zlib stream.
    Zdebug,
}

/// What a whole file is packed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Gzip,
    Bzip2,
    Lzma,
    Xz,
    Lzo,
    Lz4,
    Zstd,
}

/// Nothing is unpacked to more than this: four times the largest debug section seen.
const MOST: u64 = 2 << 30;

/// The most memory that a decoder may take for its dictionary; the kernel's build asks for 128 MiB at most.
const DECODER_MEMORY: u64 = 192 << 20;

/// What the blocks of a kernel packed with lz4 unpack to, all but the last.
const LZ4_BLOCK: usize = 8 << 20;

impl Format {
    /// What the first bytes of a file say.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        const MAGIC: &[(&[u8], Format)] = &[
            (b"\x1f\x8b", Format::Gzip),
            (b"BZh", Format::Bzip2),
            (b"\xfd7zXZ\0", Format::Xz),
            (b"\x89LZO\0\r\n\x1a\n", Format::Lzo),
            (b"\x02!L\x18", Format::Lz4),
            (b"\x28\xb5\x2f\xfd", Format::Zstd),
            (b"\x5d\0\0", Format::Lzma),
        ];
        MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, format)| *format)
    }

    /// Unpacks a whole file, or the kernel inside of one, whose size is then known.
    pub(super) fn unpack(self, bytes: &[u8], size: Option<u64>) -> Result<Vec<u8>, String> {
        let error = |e: &dyn std::fmt::Display| e.to_string();
        let packed = bytes.len();
        match self {
            Self::Gzip => read(flate2::bufread::GzDecoder::new(bytes), size, packed),
            Self::Bzip2 => read(bzip2::bufread::BzDecoder::new(bytes), size, packed),
            Self::Lzma | Self::Xz => {
                let decoder = match self {
                    Self::Xz => liblzma::stream::Stream::new_stream_decoder(DECODER_MEMORY, 0),
                    _ => liblzma::stream::Stream::new_lzma_decoder(DECODER_MEMORY),
                };
                let decoder = decoder.map_err(|e| error(&e))?;
                read(liblzma::bufread::XzDecoder::new_stream(bytes, decoder), size, packed)
            }
            Self::Zstd => read(zstd_stream(bytes)?, size, packed),
            Self::Lz4 => lz4(bytes, size),
            Self::Lzo => {
                let most = expected(size, packed)?;
                check(lzo::unpack(bytes, most)?, size, most)
            }
        }
    }
}

/// Unpacks a section.
pub(super) fn section(bytes: &[u8], packing: Packing) -> Result<Vec<u8>, String> {
    let short = || "its compression header is cut short".to_owned();
    match packing {
        Packing::None => Ok(bytes.to_vec()),
        Packing::Header => {
            // Elf64_Chdr: type (4), reserved (4), size (8), alignment (8).
            let (header, stream) = bytes.split_at_checked(24).ok_or_else(short)?;
            let size = Some(u64::from_le_bytes(header[8..16].try_into().map_err(|_| short())?));
            match u32::from_le_bytes(header[..4].try_into().map_err(|_| short())?) {
                1 => read(flate2::bufread::ZlibDecoder::new(stream), size, stream.len()),
                2 => read(zstd_stream(stream)?, size, stream.len()),
                other => Err(format!("packed in the unknown way {other}; zlib (1) and zstd (2) are known")),
            }
        }
        Packing::Zdebug => {
            let (header, stream) = bytes.split_at_checked(12).ok_or_else(short)?;
            let (magic, size) = header.split_at(4);
            if magic != b"ZLIB" {
                return Err("does not begin with `ZLIB`, as its name promises".to_owned());
            }
            let size = Some(u64::from_be_bytes(size.try_into().map_err(|_| short())?));
            read(flate2::bufread::ZlibDecoder::new(stream), size, stream.len())
        }
    }
}

/// How large something packed in so many bytes may become: real kernels and debug information shrink four to ten times.
fn limit(packed: usize) -> u64 {
    (packed as u64).saturating_mul(64).clamp(64 << 20, MOST)
}

/// A zstd stream, with the memory for its window bounded.
fn zstd_stream(bytes: &[u8]) -> Result<impl Read + '_, String> {
    let mut stream = zstd::stream::read::Decoder::with_buffer(bytes).map_err(|e| e.to_string())?;
    // 128 MiB: what the kernel's own decoder takes at most.
    stream.window_log_max(27).map_err(|e| e.to_string())?;
    Ok(stream.single_frame())
}

/// Reads a stream that was packed in so many bytes, and has this size if one is given.
fn read(stream: impl Read, size: Option<u64>, packed: usize) -> Result<Vec<u8>, String> {
    let most = expected(size, packed)?;
    let mut bytes = Vec::new();
    // One more than expected, so that too much is told from enough. No room is taken ahead on a header's word alone.
    stream.take(most + 1).read_to_end(&mut bytes).map_err(|e| format!("cannot be unpacked: {e}"))?;
    check(bytes, size, most)
}

/// The blocks of lz4's older format, which is the kernel's.
fn lz4(bytes: &[u8], size: Option<u64>) -> Result<Vec<u8>, String> {
    let most = expected(size, bytes.len())?;
    let mut rest = bytes.get(4..).unwrap_or_default();
    let mut unpacked = Vec::new();
    while let Some((length, blocks)) = rest.split_first_chunk::<4>() {
        if unpacked.len() as u64 > most || size == Some(unpacked.len() as u64) {
            break;
        }
        let length = u32::from_le_bytes(*length) as usize;
        let (block, after) = blocks
            .split_at_checked(length)
            .ok_or_else(|| format!("cut short: a block of {length} bytes where {} are left", blocks.len()))?;
        let block = lz4_flex::block::decompress(block, LZ4_BLOCK).map_err(|e| format!("cannot be unpacked: {e}"))?;
        if block.is_empty() {
            return Err("cannot be unpacked: an empty block".to_owned());
        }
        unpacked.extend_from_slice(&block);
        rest = after;
    }
    check(unpacked, size, most)
}

/// The most bytes that may come out.
fn expected(size: Option<u64>, packed: usize) -> Result<u64, String> {
    let limit = limit(packed);
    match size {
        Some(size) if size > limit => {
            Err(format!("{packed} bytes claim to unpack to {size}, more than the {limit} that are plausible"))
        }
        Some(size) => Ok(size),
        None => Ok(limit),
    }
}

/// Whether what came out is what was expected.
fn check(bytes: Vec<u8>, size: Option<u64>, most: u64) -> Result<Vec<u8>, String> {
    let found = bytes.len() as u64;
    match size {
        Some(size) if found > size => Err(format!("unpacks to more than the {size} bytes that it announces")),
        Some(size) if found < size => Err(format!("unpacks to {found} bytes, and announces {size}")),
        None if found > most => Err(format!("unpacks to more than {most} bytes, which is not plausible")),
        _ => Ok(bytes),
    }
}
