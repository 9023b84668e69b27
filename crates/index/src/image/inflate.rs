//! Packed sections and files, unpacked to at most a bounded size.

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

/// Nothing is unpacked to more than this: four times the largest debug section seen.
const MOST: u64 = 2 << 30;

/// How large something packed in so many bytes may become: real kernels and debug information shrink four to ten times.
pub(super) fn limit(packed: usize) -> u64 {
    (packed as u64).saturating_mul(64).clamp(64 << 20, MOST)
}

/// Unpacks a section.
pub(super) fn section(bytes: &[u8], packing: Packing) -> Result<Vec<u8>, String> {
    let short = || "its compression header is cut short".to_owned();
    match packing {
        Packing::None => Ok(bytes.to_vec()),
        Packing::Header => {
            // Elf64_Chdr: type (4), reserved (4), size (8), alignment (8).
            let (header, stream) = bytes.split_at_checked(24).ok_or_else(short)?;
            let size = u64::from_le_bytes(header[8..16].try_into().map_err(|_| short())?);
            match u32::from_le_bytes(header[..4].try_into().map_err(|_| short())?) {
                1 => exactly(flate2::read::ZlibDecoder::new(stream), size, stream.len()),
                2 => exactly(zstd_stream(stream)?, size, stream.len()),
                other => Err(format!("packed in the unknown way {other}; zlib (1) and zstd (2) are known")),
            }
        }
        Packing::Zdebug => {
            let (header, stream) = bytes.split_at_checked(12).ok_or_else(short)?;
            if &header[..4] != b"ZLIB" {
                return Err("does not begin with `ZLIB`, as its name promises".to_owned());
            }
            let size = u64::from_be_bytes(header[4..].try_into().map_err(|_| short())?);
            exactly(flate2::read::ZlibDecoder::new(stream), size, stream.len())
        }
    }
}

/// A zstd stream, with the memory for its window bounded.
pub(super) fn zstd_stream(bytes: &[u8]) -> Result<impl Read + '_, String> {
    let mut stream = zstd::stream::read::Decoder::with_buffer(bytes).map_err(|e| e.to_string())?;
    // 128 MiB: what the kernel's own decoder takes at most.
    stream.window_log_max(27).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// Reads a stream that is to have this size.
fn exactly(stream: impl Read, size: u64, packed: usize) -> Result<Vec<u8>, String> {
    let limit = limit(packed);
    if size > limit {
        return Err(format!("{packed} bytes claim to unpack to {size}, more than the {limit} that are plausible"));
    }
    let mut bytes = Vec::new();
    // One more than announced, so that too much is told from enough. No room is taken ahead on the header's word alone.
    stream.take(size + 1).read_to_end(&mut bytes).map_err(|e| format!("cannot be unpacked: {e}"))?;
    if bytes.len() as u64 != size {
        return Err(format!("unpacks to {} bytes or more instead of {size}", bytes.len()));
    }
    Ok(bytes)
}
