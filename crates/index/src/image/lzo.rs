//! LZO, as `lzop` and with it the kernel's build pack a file: a header, and blocks of LZO1X, which
//! `Documentation/staging/lzo.rst` describes.

/// `lzop` makes no larger blocks.
const LARGEST_BLOCK: usize = 64 << 20;
/// From this version of the format on, the header has a few fields more.
const LONG_HEADER: u16 = 0x940;
/// Flags of the header: which checksums each block has, and which fields follow.
const ADLER_UNPACKED: u32 = 1;
const ADLER_PACKED: u32 = 2;
const EXTRA_FIELD: u32 = 0x40;
const CRC_UNPACKED: u32 = 0x100;
const CRC_PACKED: u32 = 0x200;
const FILTER: u32 = 0x800;

/// Unpacks a file, until it ends or is longer than it may be, at most by a block.
pub(super) fn unpack(file: &[u8], most: u64) -> Result<Vec<u8>, String> {
    let mut reader = Reader(file);
    let flags = header(&mut reader)?;
    let checksums = |of: [u32; 2]| 4 * of.into_iter().filter(|flag| flags & flag != 0).count();
    let mut unpacked = Vec::new();
    loop {
        let size = reader.u32()? as usize;
        if size == 0 || unpacked.len() as u64 > most {
            return Ok(unpacked);
        }
        let packed = reader.u32()? as usize;
        if size > LARGEST_BLOCK || packed > size {
            return Err(format!("a block of {packed} bytes that unpack to {size} is not plausible"));
        }
        reader.take(checksums([ADLER_UNPACKED, CRC_UNPACKED]))?;
        if packed < size {
            reader.take(checksums([ADLER_PACKED, CRC_PACKED]))?;
        }
        let block = reader.take(packed)?;
        let end = unpacked.len() + size;
        if packed == size {
            unpacked.extend_from_slice(block);
        } else {
            // References do not reach into the block before.
            let block = decompress(block, size).ok_or("cannot be unpacked: a block is damaged")?;
            unpacked.extend_from_slice(&block);
        }
        if unpacked.len() != end {
            return Err(format!("a block unpacks to {} bytes too few", end - unpacked.len()));
        }
    }
}

/// Reads the header and gives its flags.
fn header(reader: &mut Reader<'_>) -> Result<u32, String> {
    reader.take(9)?;
    let version = reader.u16()?;
    let long = version >= LONG_HEADER;
    reader.take(if long { 4 } else { 2 })?;
    let method = reader.u8()?;
    if !(1..=3).contains(&method) {
        return Err(format!("packed by LZO's method {method}, and 1 to 3 (LZO1X) are known"));
    }
    reader.take(usize::from(long))?;
    let flags = reader.u32()?;
    if flags & FILTER != 0 {
        return Err("packed with a filter, which is not read".to_owned());
    }
    // Mode, and time in one or two words.
    reader.take(if long { 12 } else { 8 })?;
    let name = reader.u8()?;
    reader.take(usize::from(name) + 4)?;
    if flags & EXTRA_FIELD != 0 {
        let length = reader.u32()? as usize;
        reader.take(length.saturating_add(4))?;
    }
    Ok(flags)
}

/// A block of LZO1X that unpacks to at most so many bytes; nothing when it is damaged.
fn decompress(block: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut out = Output { bytes: Vec::new(), most };
    let mut reader = Reader(block);
    // How many literals came before: 0 to 3 after a match, 4 for a longer run.
    let mut literals = 0;
    if let Some(&first) = block.first().filter(|first| **first > 17) {
        reader.take(1).ok()?;
        out.literals(&mut reader, usize::from(first) - 17)?;
        literals = (usize::from(first) - 17).min(4);
    }
    loop {
        let code = usize::from(reader.u8().ok()?);
        // A match: how long, how far back, and how many literals follow it.
        let (length, distance, follow) = match code {
            0..16 if literals == 0 => {
                let run = if code == 0 { reader.long(15)? } else { code };
                out.literals(&mut reader, run + 3)?;
                literals = 4;
                continue;
            }
            0..16 => {
                let far = (code >> 2) + (usize::from(reader.u8().ok()?) << 2);
                if literals == 4 { (3, far + 0x801, code & 3) } else { (2, far + 1, code & 3) }
            }
            16..32 => {
                let length = if code & 7 == 0 { reader.long(7)? } else { code & 7 };
                let word = reader.u16_little()?;
                let far = ((code & 8) << 11) + (word >> 2);
                if far == 0 {
                    return Some(out.bytes);
                }
                (length + 2, far + 0x4000, word & 3)
            }
            32..64 => {
                let length = if code & 31 == 0 { reader.long(31)? } else { code & 31 };
                let word = reader.u16_little()?;
                (length + 2, (word >> 2) + 1, word & 3)
            }
            _ => {
                let far = ((code >> 2) & 7) + (usize::from(reader.u8().ok()?) << 3);
                ((code >> 5) + 1, far + 1, code & 3)
            }
        };
        out.again(distance, length)?;
        out.literals(&mut reader, follow)?;
        literals = follow;
    }
}

/// What a block unpacks to.
struct Output {
    bytes: Vec<u8>,
    most: usize,
}

impl Output {
    fn room(&self, count: usize) -> Option<()> {
        (count <= self.most - self.bytes.len()).then_some(())
    }

    fn literals(&mut self, reader: &mut Reader<'_>, count: usize) -> Option<()> {
        self.room(count)?;
        self.bytes.extend_from_slice(reader.take(count).ok()?);
        Some(())
    }

    /// Repeats bytes from this far back, which may be those that it adds.
    fn again(&mut self, distance: usize, count: usize) -> Option<()> {
        self.room(count)?;
        let start = self.bytes.len().checked_sub(distance)?;
        for from in start..start + count {
            self.bytes.push(*self.bytes.get(from)?);
        }
        Some(())
    }
}

/// The bytes that are left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let split = self.0.split_at_checked(count);
        let (taken, rest) = split.ok_or_else(|| format!("cut short: {count} bytes where {} are left", self.0.len()))?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, String> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Result<u16, String> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn u32(&mut self) -> Result<u32, String> {
        self.take(4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn u16_little(&mut self) -> Option<usize> {
        let bytes = self.take(2).ok()?;
        Some(usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
    }

    /// A length that did not fit: 255 for each zero byte, and the first other one.
    fn long(&mut self, base: usize) -> Option<usize> {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        self.take(zeros).ok()?;
        let last = usize::from(self.u8().ok()?);
        Some(base + zeros * 255 + last)
    }
}
