//! A boot image with a packed kernel of any bytes: the first byte chooses how it is packed, the next three say how large
//! it is said to be when unpacked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lima_index::image::Image;
use std::path::Path;

/// What each packing begins with.
const MAGIC: [&[u8]; 8] = [
    b"\x1f\x8b\x08",
    b"BZh9",
    b"\xfd7zXZ\0",
    b"\x02!L\x18",
    b"\x28\xb5\x2f\xfd",
    b"\x5d\0\0",
    b"\x89LZO\0\r\n\x1a\n",
    b"",
];

fuzz_target!(|bytes: &[u8]| {
    let Some(([choice, a, b, c], packed)) = bytes.split_first_chunk::<4>() else { return };
    let magic = MAGIC[usize::from(*choice) % MAGIC.len()];
    let mut file = vec![0; 1024];
    file[0x1f1] = 1;
    file[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
    let length = (magic.len() + packed.len() + 4) as u32;
    file[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
    // Half of them as a boot image, half as a packed file.
    let file =
        if choice & 0x80 == 0 { [&file, magic, packed, &[*a, *b, *c, 0]].concat() } else { [magic, packed].concat() };
    let _ = Image::from_bytes(Path::new("fuzzed"), file);
});
