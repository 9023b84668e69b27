//! Where the bytes of sections are: mapped, read or unpacked files, and copies that were relocated.

use super::inflate::{self, Packing};
use super::{Image, Section, relocate};
use crate::Error;
use memmap2::Mmap;
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

/// What the kernel says of itself is not larger than this: 5 MB of types, 20 MB of symbols.
const LARGEST_READ: u64 = 256 << 20;

/// The bytes of a file.
pub(super) enum Data {
    /// Mapped: a kernel with debug information is half a gigabyte, of which little is looked at.
    Mapped(Mmap),
    /// In memory, because it came out of a packed file.
    Owned(Vec<u8>),
}

impl Data {
    /// Maps a file.
    pub(super) fn map(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::file("open", path))?;
        // Files that the kernel makes up, such as its own BTF, cannot be mapped everywhere.
        if path.starts_with("/sys") || path.starts_with("/proc") {
            return Self::read(file, path);
        }
        let about = file.metadata().map_err(Error::file("read", path))?;
        if !about.is_file() {
            return Err(Error::malformed(path, "file", "not a regular file"));
        }
        if about.len() == 0 {
            return Ok(Self::Owned(Vec::new()));
        }
        // SAFETY: the mapping is private and read only. Somebody who truncates the file meanwhile kills this process
        // with SIGBUS, as every program that maps its input; somebody who rewrites it changes bytes that are checked
        // wherever they are used.
        let map = unsafe { Mmap::map(&file) }.map_err(Error::file("map", path))?;
        Ok(Self::Mapped(map))
    }

    /// Reads a file whose size is not known.
    fn read(file: File, path: &Path) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        file.take(LARGEST_READ + 1).read_to_end(&mut bytes).map_err(Error::file("read", path))?;
        if bytes.len() as u64 > LARGEST_READ {
            return Err(Error::malformed(path, "file", format!("larger than {LARGEST_READ} bytes")));
        }
        Ok(Self::Owned(bytes))
    }
}

impl Deref for Data {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// A file that sections of an image are in.
pub(super) struct Part {
    /// Its name, for errors.
    pub(super) path: PathBuf,
    /// Its bytes.
    pub(super) data: Data,
    /// The values of its symbols, by their number: for relocations.
    pub(super) values: Vec<u64>,
}

/// The contents of one section.
#[derive(Debug)]
pub(super) enum Contents {
    /// None in the file: zeros when loaded.
    Zeros,
    /// In a part, as it is or packed.
    File {
        /// Which of the image's parts.
        part: usize,
        /// The bytes; checked to be inside the part.
        range: Range<usize>,
        /// How it is packed.
        packing: Packing,
        /// What is still to be relocated in it: places in the part.
        relocations: Vec<Range<usize>>,
    },
    /// Relocated.
    Relocated(Data),
}

impl Image {
    /// The contents of a section that are at hand; nothing for `.bss`, and for what must be unpacked or relocated.
    pub(super) fn plain<'a>(&'a self, section: &'a Section) -> Option<&'a [u8]> {
        match &section.contents {
            Contents::File { part, range, packing: Packing::None, relocations } if relocations.is_empty() => {
                self.parts.get(*part)?.data.get(range.clone())
            }
            Contents::Relocated(bytes) => Some(bytes),
            Contents::File { .. } | Contents::Zeros => None,
        }
    }

    /// The whole contents of a section, loaded or not, unpacked and relocated; nothing when there is no such section or
    /// it has no contents in the file. What had to be unpacked or relocated is not kept: ask once.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is packed in an unknown way, or damaged, or larger than it can be.
    pub fn section_data(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, Error> {
        let Some(section) = self.sections.iter().find(|s| s.name == name && s.has_contents()) else { return Ok(None) };
        if let Some(bytes) = self.plain(section) {
            return Ok(Some(Cow::Borrowed(bytes)));
        }
        let Contents::File { part, range, packing, relocations } = &section.contents else { return Ok(None) };
        let Some(part) = self.parts.get(*part) else { return Ok(None) };
        let bytes = part.data.get(range.clone()).unwrap_or_default();
        let malformed = |what| Error::malformed(&part.path, name, what);
        let mut bytes = inflate::section(bytes, *packing).map_err(malformed)?;
        for relocations in relocations {
            let relocations = part.data.get(relocations.clone()).unwrap_or_default();
            relocate::apply(&mut bytes, section.address, relocations, &part.values).map_err(malformed)?;
        }
        Ok(Some(Cow::Owned(bytes)))
    }
}

impl Section {
    /// Whether it has contents in a file.
    pub(super) fn has_contents(&self) -> bool {
        !matches!(self.contents, Contents::Zeros)
    }

    /// Counts its part on by as many as there are before it.
    pub(super) fn move_parts(&mut self, by: usize) {
        if let Contents::File { part, .. } = &mut self.contents {
            *part = part.saturating_add(by);
        }
    }
}
