//! The kernel inside of a bootable file (bzImage), as `Documentation/arch/x86/boot.rst` describes it.

use super::contents::Data;
use super::inflate::Format;
use crate::Error;
use std::path::Path;

/// Where the boot sector says how many sectors of real-mode code come before the kernel.
const SETUP_SECTORS: usize = 0x1f1;
/// The magic text `HdrS` of the header.
const MAGIC: usize = 0x202;
/// The version of the boot protocol; the payload's place is said since 2.08.
const VERSION: usize = 0x206;
/// Where the payload begins, counted from the protected-mode code.
const PAYLOAD_OFFSET: usize = 0x248;
/// How long the payload is.
const PAYLOAD_LENGTH: usize = 0x24c;

/// The bytes of an ELF file, from the file itself or from what is packed in it: a bzImage, or a packed file.
pub(super) fn unpack(path: &Path, data: Data) -> Result<Data, Error> {
    if is_boot_image(&data) {
        return payload(&data).map(Data::Owned).map_err(|what| Error::malformed(path, "boot image", what));
    }
    match Format::of(&data) {
        Some(format) => {
            let unpacked = format.unpack(&data, None);
            unpacked.map(Data::Owned).map_err(|what| Error::malformed(path, format!("{format:?} file"), what))
        }
        None => Ok(data),
    }
}

fn is_boot_image(data: &[u8]) -> bool {
    data.get(MAGIC..MAGIC + 4) == Some(b"HdrS")
}

/// The kernel that a bzImage brings along.
fn payload(data: &[u8]) -> Result<Vec<u8>, String> {
    let word = |at: usize| -> Option<u32> { Some(u32::from_le_bytes(data.get(at..at + 4)?.try_into().ok()?)) };
    let short = || "its header is cut short".to_owned();
    let version = data.get(VERSION..VERSION + 2).ok_or_else(short)?;
    let version = u16::from_le_bytes([version[0], version[1]]);
    if version < 0x0208 {
        return Err(format!("its boot protocol {}.{} does not say where the kernel is", version >> 8, version & 0xff));
    }
    let sectors = match *data.get(SETUP_SECTORS).ok_or_else(short)? {
        0 => 4,
        sectors => u64::from(sectors),
    };
    let start = (sectors + 1) * 512 + u64::from(word(PAYLOAD_OFFSET).ok_or_else(short)?);
    let length = u64::from(word(PAYLOAD_LENGTH).ok_or_else(short)?);
    let payload = usize::try_from(start)
        .ok()
        .zip(usize::try_from(start + length).ok())
        .and_then(|(start, end)| data.get(start..end))
        .ok_or_else(|| {
            format!("the kernel is {length:#x} bytes at {start:#x}, but the file ends at {:#x}", data.len())
        })?;
    if payload.starts_with(b"\x7fELF") {
        return Ok(payload.to_vec());
    }
    let format = Format::of(payload).ok_or_else(|| {
        format!("the kernel at {start:#x} is packed in an unknown way: {:02x?}", &payload[..payload.len().min(8)])
    })?;
    // The build puts the size when unpacked after each packed kernel, and gzip does so itself.
    let (packed, size) = payload.split_last_chunk::<4>().ok_or_else(short)?;
    let packed = if format == Format::Gzip { payload } else { packed };
    format.unpack(packed, Some(u64::from(u32::from_le_bytes(*size)))).map_err(|what| format!("{format:?}: {what}"))
}
