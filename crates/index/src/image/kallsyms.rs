//! The kernel's own table of symbols, inside of an image that was stripped of its symbol table.
//!
//! The build (`scripts/kallsyms.c`) puts these arrays into `.rodata`, each aligned to 8 bytes, and leaves no pointer to
//! them behind. They are found by what they must look like, and taken only when they agree with each other:
//!
//! - `token_table`: 256 strings that end in zero, and `token_index`, where each of them begins (16 bits each). A character
//!   that occurs in names stands for itself, so the ten digits follow one another;
//! - `names`: per symbol a length (a byte, or two when the first one's top bit is set: since commit 73bbb94466fd, v6.1)
//!   and that many token numbers; the first character is the type, as `nm` prints it. `num_syms` stands before it;
//! - `markers`: where each 256th name begins (32 bits each), after the names;
//! - `offsets` (32 bits each) and `relative_base` (64 bits): the addresses. They stand before `num_syms`, since commit
//!   404bad70fcf7 (v6.4) after `token_index`.

use super::{Image, Place, Section, Symbol, SymbolKind};

/// The characters that stand for themselves one after another.
const DIGITS: &[u8] = b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0";
/// How many names there is a marker for.
const PER_MARKER: usize = 256;
/// Fewer symbols has no kernel, and none has more.
const COUNTS: std::ops::Range<usize> = 256..4_000_000;
/// The kernel's longest name has 512 characters.
const LONGEST_NAME: usize = 1024;
/// How many names are stepped over in search for the tables, so that no file makes the search long.
const STEPS: usize = 50_000_000;
/// Where addresses of the kernel itself begin.
const KERNEL: u64 = 0xffff_ffff_8000_0000;

/// The symbols in an image's own tables; nothing when there are none.
pub(super) fn in_image(image: &Image) -> Option<Vec<Symbol>> {
    let per_cpu = image.sections.iter().filter(|s| s.loaded && s.per_cpu).map(Section::end).max().unwrap_or(0);
    let data = image.sections.iter().filter(|s| s.loaded && !s.executable);
    data.filter_map(|s| image.plain(s)).find_map(|bytes| symbols_in_tables(bytes, per_cpu))
}

/// The symbols in the kernel's own tables, which lie somewhere in these bytes (the first at a multiple of 8), ascending
/// by address; nothing when there are none. Offsets up to `per_cpu` are into a CPU's share.
pub fn symbols_in_tables(bytes: &[u8], per_cpu: u64) -> Option<Vec<Symbol>> {
    let mut from = 0;
    let mut steps = STEPS;
    while let Some(at) = find(bytes, from) {
        if let Some(symbols) = tokens(bytes, at).and_then(|tokens| symbols(bytes, &tokens, per_cpu, &mut steps)) {
            return Some(symbols);
        }
        from = at + 1;
    }
    None
}

/// The next place where the digits stand.
fn find(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        from += bytes.get(from..)?.windows(2).position(|pair| pair == &DIGITS[..2])?;
        if bytes[from..].starts_with(DIGITS) {
            return Some(from);
        }
        from += 1;
    }
}

/// The strings that bytes of names stand for.
struct Tokens<'a> {
    /// Where the table begins.
    start: usize,
    /// Where the index ends.
    end: usize,
    strings: Vec<&'a [u8]>,
}

/// The table of tokens around the digits.
fn tokens(bytes: &[u8], digits: usize) -> Option<Tokens<'_>> {
    // From the digits to the end of the table, then the index, which tells where the table begins.
    let mut end = digits;
    for _ in usize::from(b'0')..256 {
        end += bytes.get(end..)?.iter().take(LONGEST_NAME).position(|b| *b == 0)? + 1;
    }
    let index = end.next_multiple_of(8);
    let index_end = index + 512;
    let offsets = bytes.get(index..index_end)?;
    let offset = |token: usize| u16::from_le_bytes([offsets[2 * token], offsets[2 * token + 1]]);
    let start = digits.checked_sub(usize::from(offset(usize::from(b'0'))))?;
    let mut strings = Vec::with_capacity(256);
    let mut at = start;
    for token in 0..256 {
        if at - start != usize::from(offset(token)) {
            return None;
        }
        let length = bytes.get(at..end)?.iter().position(|b| *b == 0)?;
        strings.push(&bytes[at..at + length]);
        at += length + 1;
    }
    (at == end).then_some(Tokens { start, end: index_end, strings })
}

/// The symbols whose names are made of these tokens.
fn symbols(bytes: &[u8], tokens: &Tokens<'_>, per_cpu: u64, steps: &mut usize) -> Option<Vec<Symbol>> {
    // The names come before the tokens; what stands before them is their number.
    let mut at = tokens.start.checked_sub(16)? / 8 * 8;
    loop {
        let count = usize::try_from(u64_at(bytes, at)?).ok().filter(|count| COUNTS.contains(count));
        if let Some(count) = count.filter(|count| *count < tokens.start - at) {
            let names = at + 8;
            if names_end(bytes, names, count, tokens.start, steps).is_some() {
                let addresses = addresses(bytes, at, tokens.end, count, per_cpu)?;
                return decode(bytes, names, tokens, addresses);
            }
        }
        at = at.checked_sub(8)?;
    }
}

/// Where names end that begin here, when they are followed by markers that agree.
fn names_end(bytes: &[u8], start: usize, count: usize, limit: usize, steps: &mut usize) -> Option<usize> {
    let mut at = start;
    let mut markers = Vec::with_capacity(count.div_ceil(PER_MARKER).min(1024));
    for number in 0..count {
        *steps = steps.checked_sub(1)?;
        if number % PER_MARKER == 0 {
            markers.push(u32::try_from(at - start).ok()?);
        }
        let (length, name) = name_at(bytes, at)?;
        at = name + length;
        if length == 0 || at > limit {
            return None;
        }
    }
    let table = bytes.get(at.next_multiple_of(8)..)?;
    let agree = markers.iter().zip(table.chunks_exact(4)).all(|(marker, found)| marker.to_le_bytes() == found);
    (agree && table.len() / 4 >= markers.len()).then_some(at)
}

/// The length of the name that is described here, and where its tokens begin.
fn name_at(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = usize::from(*bytes.get(at)?);
    if first & 0x80 == 0 {
        return Some((first, at + 1));
    }
    Some((first & 0x7f | usize::from(*bytes.get(at + 1)?) << 7, at + 2))
}

/// What is known of where a symbol is.
struct Address {
    value: u64,
    place: Place,
}

/// The addresses, which stand before the number of symbols or after the tokens.
fn addresses(bytes: &[u8], number: usize, tokens_end: usize, count: usize, per_cpu: u64) -> Option<Vec<Address>> {
    let size = (count * 4).next_multiple_of(8);
    let before = number.checked_sub(8).and_then(|base| Some((base.checked_sub(size)?, base)));
    let after = tokens_end.next_multiple_of(8);
    for (offsets, base) in before.into_iter().chain([(after, after + size)]) {
        let Some(base) = u64_at(bytes, base).filter(|base| *base >= KERNEL) else { continue };
        let Some(offsets) = bytes.get(offsets..offsets + count * 4) else { continue };
        let offsets = || offsets.chunks_exact(4).map(|o| i32::from_le_bytes([o[0], o[1], o[2], o[3]]));
        // With per-CPU variables from 0 on (CONFIG_KALLSYMS_ABSOLUTE_PERCPU, until v6.15), what is negative counts from
        // the base, backwards, and what is not is a number of its own.
        let two_kinds = offsets().filter(|o| *o < 0).count() * 2 > count;
        let found: Vec<Address> = offsets().map(|offset| address(base, offset, two_kinds, per_cpu)).collect();
        let ascending = found.windows(2).filter(|pair| pair[0].value <= pair[1].value).count();
        // All are, but a table may hold a few absolute symbols out of order.
        if ascending >= found.len() / 100 * 99 {
            return Some(found);
        }
    }
    None
}

fn address(base: u64, offset: i32, two_kinds: bool, per_cpu: u64) -> Address {
    if !two_kinds {
        return Address { value: base.wrapping_add(u64::from(offset.cast_unsigned())), place: Place::Memory };
    }
    if offset < 0 {
        let value = base.wrapping_sub(1).wrapping_sub(i64::from(offset).cast_unsigned());
        return Address { value, place: Place::Memory };
    }
    let value = u64::from(offset.cast_unsigned());
    Address { value, place: if value <= per_cpu { Place::PerCpu } else { Place::Absolute } }
}

/// The symbols, by address.
fn decode(bytes: &[u8], names: usize, tokens: &Tokens<'_>, addresses: Vec<Address>) -> Option<Vec<Symbol>> {
    let mut symbols = Vec::with_capacity(addresses.len());
    let mut at = names;
    let mut text = Vec::new();
    for Address { value: address, place } in addresses {
        let (length, name) = name_at(bytes, at)?;
        at = name + length;
        text.clear();
        for token in bytes.get(name..at)? {
            text.extend_from_slice(tokens.strings[usize::from(*token)]);
            if text.len() > LONGEST_NAME {
                return None;
            }
        }
        let (kind, name) = text.split_first()?;
        symbols.push(symbol(*kind, String::from_utf8_lossy(name).into_owned(), address, place));
    }
    symbols.sort_by_key(|s| s.address);
    Some(symbols)
}

/// A symbol of a type as `nm` prints it: large letters for global ones.
pub(super) fn symbol(letter: u8, name: String, address: u64, place: Place) -> Symbol {
    let kind = match letter.to_ascii_lowercase() {
        b't' => SymbolKind::Function,
        b'd' | b'b' | b'r' | b'v' => SymbolKind::Object,
        _ => SymbolKind::Other,
    };
    Symbol { name, address, size: 0, kind, global: letter.is_ascii_uppercase(), place }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
