//! Where the bytes of sections are: mapped, read or unpacked files, and copies that were relocated.

use super::inflate::{self, Packing};
use super::{Image, Section};
use crate::Error;
use memmap2::Mmap;
use std::borrow::Cow;
use std::fs::File;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

/// The bytes of a file.
#[derive(Debug)]
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

/// A file that sections of an image are in.
#[derive(Debug)]
pub(super) struct Part {
    /// Its name, for errors.
    pub(super) path: PathBuf,
    /// Its bytes.
    pub(super) data: Data,
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
    },
}

impl Image {
    /// The contents of a section that are in the file as they are; nothing for `.bss` and packed ones.
    pub(super) fn plain(&self, section: &Section) -> Option<&[u8]> {
        match &section.contents {
            Contents::File { part, range, packing: Packing::None } => self.parts.get(*part)?.data.get(range.clone()),
            Contents::File { .. } | Contents::Zeros => None,
        }
    }

    /// The whole contents of a section, loaded or not, unpacked; nothing when there is no such section or it has no
    /// contents in the file. What had to be unpacked is not kept: ask once.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is packed in an unknown way, or damaged, or larger than it can be.
    pub fn section_data(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, Error> {
        let Some(section) = self.sections.iter().find(|s| s.name == name && !matches!(s.contents, Contents::Zeros))
        else {
            return Ok(None);
        };
        let Contents::File { part, range, packing } = &section.contents else { return Ok(None) };
        let Some((part, bytes)) = self.parts.get(*part).and_then(|p| Some((p, p.data.get(range.clone())?))) else {
            return Ok(None);
        };
        if *packing == Packing::None {
            return Ok(Some(Cow::Borrowed(bytes)));
        }
        let unpacked = inflate::section(bytes, *packing).map_err(|what| Error::malformed(&part.path, name, what))?;
        Ok(Some(Cow::Owned(unpacked)))
    }
}

impl Section {
    /// Whether it has contents in a file.
    pub(super) fn has_contents(&self) -> bool {
        !matches!(self.contents, Contents::Zeros)
    }
}
