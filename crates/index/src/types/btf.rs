//! BTF, the kernel's own format of types: that of a kernel, and that of a module, which goes on where its kernel's ends.
//!
//! Written after `include/uapi/linux/btf.h`. Every offset and number is checked: what a file says is not trusted.

use super::names::Text;
use super::{Composite, Member, Name, Span, Type, TypeId, Types, TypesBuilder, VOID, Variable};
use std::sync::Arc;

const MAGIC: u16 = 0xeb9f;
/// The kernel itself takes no name of BTF that is longer than 511 bytes.
const LONGEST_NAME: usize = 4096;
const HEADER_BYTES: usize = 24;

mod kind {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// Reads the BTF of a kernel, the contents of its section `.BTF`. What is wrong is said in words.
pub fn read(bytes: &[u8]) -> Result<TypesBuilder, String> {
    let parts = Parts::of(bytes)?;
    let mut builder = TypesBuilder::new();
    builder.types.text = Text::from(0, parts.strings);
    let reader = Reader { builder: &mut builder, base: 1, base_names: 0, shift: 0, name_shift: 0, known: &[] };
    let count = reader.read(parts.types)?;
    builder.types.btf = (count, builder.types.text.end());
    Ok(builder)
}

/// Reads the BTF of a module on top of its kernel's.
pub fn read_module(bytes: &[u8], kernel: Arc<Types>) -> Result<TypesBuilder, String> {
    let parts = Parts::of(bytes)?;
    let (base, base_names) = kernel.btf;
    if base == 0 {
        return Err("a module's types go on where its kernel's BTF ends, and the kernel has none".into());
    }
    let mut builder = TypesBuilder::on(kernel);
    let first = builder.types.text.end();
    builder.types.text = Text::from(first, parts.strings);
    let shift = builder.types.first - base;
    let name_shift = first.saturating_sub(base_names);
    Reader { builder: &mut builder, base, base_names, shift, name_shift, known: &[] }.read(parts.types)?;
    Ok(builder)
}

/// Reads the BTF of a module that brings its base along (`.BTF.base`, Linux 6.11): the types of the kernel that it needs, by
/// name and size alone, so that it fits other builds of the kernel too. Those that the kernel has are the kernel's.
pub fn read_module_with_base(base: &[u8], bytes: &[u8], kernel: Arc<Types>) -> Result<TypesBuilder, String> {
    let (base, parts) = (Parts::of(base).map_err(|what| format!("its base: {what}"))?, Parts::of(bytes)?);
    let mut known = vec![VOID];
    let mut words = Words(base.types);
    while !words.0.is_empty() {
        let entry = Entry::next(&mut words).map_err(|what| format!("type {} of its base: {what}", known.len()))?;
        known.push(base.in_kernel(&entry, &kernel).unwrap_or(VOID));
    }
    // The numbers and names of one go on where the other's end: as if it were one file, on top of no other.
    let mut builder = TypesBuilder::on(kernel);
    let first = builder.types.text.end();
    builder.types.text = Text::from(first, base.strings + &parts.strings);
    let shift = builder.types.first - 1;
    Reader { builder: &mut builder, base: 1, base_names: 1, shift, name_shift: first, known: &known }
        .read(&[base.types, parts.types].concat())?;
    Ok(builder)
}

/// The two parts of a section.
struct Parts<'a> {
    types: &'a [u8],
    strings: String,
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.len() < HEADER_BYTES {
            return Err(format!("{} bytes are no BTF, whose header alone has {HEADER_BYTES}", bytes.len()));
        }
        let magic = u16::from_le_bytes([bytes[0], bytes[1]]);
        if magic == MAGIC.swap_bytes() {
            return Err("it is of a machine with the other byte order".into());
        }
        if magic != MAGIC {
            return Err(format!("it begins with {magic:#x}, not with {MAGIC:#x}"));
        }
        if bytes[2] != 1 {
            return Err(format!("it is of version {}, only 1 is known", bytes[2]));
        }
        let mut words = Words(&bytes[4..HEADER_BYTES]);
        let header = words.next()? as usize;
        if header < HEADER_BYTES {
            return Err(format!("the header says that it has {header} bytes"));
        }
        let mut part = |name: &str| {
            let (offset, length) = (words.next()? as usize, words.next()? as usize);
            let start = header.saturating_add(offset);
            bytes.get(start..start.saturating_add(length)).ok_or_else(|| {
                format!("the {name}, {length} bytes from byte {start}, go beyond its end, byte {}", bytes.len())
            })
        };
        let types = part("types")?;
        let strings = part("names")?;
        if strings.last().is_some_and(|&last| last != 0) {
            return Err("the last name has no end".into());
        }
        if strings.len() > u32::MAX as usize / 4 {
            return Err(format!("there are {} bytes of names", strings.len()));
        }
        // Every name keeps its offset: what is not text becomes a mark of the same length.
        let strings = match std::str::from_utf8(strings) {
            Ok(text) => text.to_owned(),
            Err(_) => strings.iter().map(|&byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect(),
        };
        Ok(Self { types, strings })
    }

    /// The only struct or union of the kernel that this one can be.
    fn in_kernel(&self, entry: &Entry, kernel: &Types) -> Option<TypeId> {
        let (union, bytes) = match entry.kind {
            kind::STRUCT | kind::UNION => (entry.kind == kind::UNION, entry.word),
            kind::FWD => (entry.flag, 0),
            _ => return None,
        };
        let name = self.strings.get(entry.name as usize..)?.split('\0').next().filter(|name| !name.is_empty())?;
        let fits = |id: &TypeId| match kernel.get(*id) {
            Type::Composite(other) => other.union == union && (bytes == 0 || bytes == other.bytes),
            _ => false,
        };
        let mut fitting = kernel.composites_named(name).filter(fits);
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

/// Bytes read as little-endian words.
#[derive(Clone, Copy)]
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    #[inline]
    fn next(&mut self) -> Result<u32, String> {
        let (word, rest) = self.0.split_first_chunk::<4>().ok_or("a type goes beyond the end")?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*word))
    }

    fn skip(&mut self, words: usize) -> Result<Self, String> {
        let bytes = words.checked_mul(4).filter(|&bytes| bytes <= self.0.len()).ok_or("a type goes beyond the end")?;
        let (skipped, rest) = self.0.split_at(bytes);
        self.0 = rest;
        Ok(Words(skipped))
    }
}

/// The fixed part of a type, and the words that follow it.
struct Entry<'a> {
    name: u32,
    kind: u32,
    flag: bool,
    /// Size or type.
    word: u32,
    count: usize,
    more: Words<'a>,
}

impl<'a> Entry<'a> {
    fn next(words: &mut Words<'a>) -> Result<Self, String> {
        let (name, info, word) = (words.next()?, words.next()?, words.next()?);
        let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        let more = match kind {
            kind::INT | kind::VAR | kind::DECL_TAG => 1,
            kind::ARRAY => 3,
            kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 3 * count,
            kind::ENUM | kind::FUNC_PROTO => 2 * count,
            kind::PTR | kind::FWD | kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT => 0,
            kind::FUNC | kind::FLOAT | kind::TYPE_TAG => 0,
            _ => return Err(format!("kind {kind} of a type is not known")),
        };
        Ok(Self { name, kind, flag: info >> 31 == 1, word, count, more: words.skip(more)? })
    }
}

struct Reader<'b> {
    builder: &'b mut TypesBuilder,
    /// The number that the first type here has in the file.
    base: u32,
    /// The offset that the first name here has in the file.
    base_names: u32,
    /// What to add to the numbers of the file's own types.
    shift: u32,
    name_shift: u32,
    /// By their numbers in the file, types that the kernel has; `void` for others.
    known: &'b [TypeId],
}

impl Reader<'_> {
    /// Reads all types; returns how many there are with those below.
    fn read(mut self, bytes: &[u8]) -> Result<u32, String> {
        let mut words = Words(bytes);
        let mut end = self.base;
        while !words.0.is_empty() {
            Entry::next(&mut words).map_err(|what| format!("type {end}: {what}"))?;
            self.builder.declare();
            end += 1;
        }
        let mut words = Words(bytes);
        for number in self.base..end {
            let entry = Entry::next(&mut words)?;
            self.one(number, end, entry).map_err(|what| format!("type {number}: {what}"))?;
        }
        Ok(end)
    }

    fn one(&mut self, number: u32, end: u32, entry: Entry) -> Result<(), String> {
        if self.known(number).is_some() {
            return Ok(());
        }
        let id = TypeId(number + self.shift);
        let name = self.name(entry.name)?;
        let mut more = entry.more;
        let of = match entry.kind {
            kind::INT | kind::ENUM | kind::ENUM64 | kind::FLOAT => Type::Scalar { bytes: entry.word },
            kind::PTR => Type::Pointer(self.id(entry.word, end)?),
            kind::ARRAY => {
                let (element, _, count) = (self.id(more.next()?, end)?, more.next()?, more.next()?);
                Type::Array { element, count }
            }
            kind::STRUCT | kind::UNION => {
                let members = self.members(&entry, end)?;
                Type::Composite(Composite { union: entry.kind == kind::UNION, bytes: entry.word, members })
            }
            kind::FWD => Type::Forward,
            kind::TYPEDEF => Type::Alias(self.id(entry.word, end)?),
            kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                Type::Qualified(self.id(entry.word, end)?)
            }
            kind::FUNC_PROTO => {
                let first = self.builder.types.parameters.len();
                for _ in 0..entry.count {
                    let (_, of) = (more.next()?, more.next()?);
                    let of = self.id(of, end)?;
                    self.builder.types.parameters.push(of);
                }
                let parameters = Span { first: first as u32, count: entry.count as u32 };
                Type::Function { returns: self.id(entry.word, end)?, parameters }
            }
            kind::FUNC => {
                let prototype = self.id(entry.word, end)?;
                self.builder.function_named(name, prototype);
                return Ok(());
            }
            kind::VAR => {
                // Until its section says where it is; the type stands for it in the meantime.
                let of = self.id(entry.word, end)?;
                Type::Qualified(of)
            }
            kind::DATASEC => {
                self.section(name, &entry, end)?;
                return Ok(());
            }
            _ => return Ok(()),
        };
        self.builder.define_named(id, name, of);
        Ok(())
    }

    fn members(&mut self, entry: &Entry, end: u32) -> Result<Span, String> {
        let mut words = entry.more;
        let mut members = Vec::with_capacity(entry.count);
        for _ in 0..entry.count {
            let (name, of, place) = (words.next()?, words.next()?, words.next()?);
            let (bit_offset, bit_size) = if entry.flag { (place & 0xff_ffff, place >> 24) } else { (place, 0) };
            if u64::from(bit_offset) > u64::from(entry.word) * 8 {
                return Err(format!("a member at bit {bit_offset} of a struct of {} bytes", entry.word));
            }
            members.push(Member { name: self.name(name)?, of: self.id(of, end)?, bit_offset, bit_size });
        }
        Ok(self.builder.keep_members(members.into_iter()))
    }

    fn section(&mut self, section: Name, entry: &Entry, end: u32) -> Result<(), String> {
        let mut words = entry.more;
        let per_cpu = self.builder.text(section).contains("percpu");
        for _ in 0..entry.count {
            let (id, offset, bytes) = (self.id(words.next()?, end)?, words.next()?, words.next()?);
            let types = &mut self.builder.types;
            let (part, place) = types.place(id);
            let name = part.names.get(place).copied().unwrap_or_default();
            let Type::Qualified(of) = types.get(id) else { continue };
            self.builder.variable_named(Variable { name, of, section, offset, bytes, per_cpu });
        }
        Ok(())
    }

    /// The number in [`Types`] of a type by its number in the file.
    #[inline]
    fn id(&self, number: u32, end: u32) -> Result<TypeId, String> {
        match number {
            0 => Ok(VOID),
            _ if number >= end => Err(format!("type {number} is referred to, the last is {}", end - 1)),
            _ if number < self.base => Ok(TypeId(number)),
            _ => Ok(self.known(number).unwrap_or(TypeId(number + self.shift))),
        }
    }

    #[inline]
    fn known(&self, number: u32) -> Option<TypeId> {
        self.known.get(number as usize).copied().filter(|&id| id != VOID)
    }

    #[inline]
    fn name(&self, offset: u32) -> Result<Name, String> {
        if offset < self.base_names {
            return Ok(Name(offset));
        }
        let name = Name(offset.saturating_add(self.name_shift));
        if name.0 >= self.builder.types.text.end() && offset != 0 {
            return Err(format!("its name is at byte {offset}, beyond the names"));
        }
        if self.builder.text(name).len() > LONGEST_NAME {
            return Err(format!("its name, at byte {offset}, is longer than {LONGEST_NAME} bytes"));
        }
        Ok(name)
    }
}
