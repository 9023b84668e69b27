//! Opening a kernel.

use super::contents::{Data, Part};
use super::elf::Elf;
use super::{Image, Kind, Section, Symbol, kallsyms, vmlinuz};
use crate::Error;
use rustc_hash::FxHashSet;
use std::path::Path;
use std::sync::OnceLock;

impl Image {
    /// Opens a kernel: a linked ELF file, as it is or packed, or a bzImage (`vmlinuz`). One that
    /// was stripped of its symbols has those that the kernel keeps for itself, without sizes; there are none at all when
    /// it was built without them.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read; [`Error::Malformed`] when it is no kernel for x86-64, or damaged.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::kernel(path, Data::map(path)?)
    }

    /// A kernel from the bytes of its file, where they are at hand. The path is for errors.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        Self::kernel(path, Data::Owned(bytes))
    }

    fn kernel(path: &Path, data: Data) -> Result<Self, Error> {
        let data = vmlinuz::unpack(path, data)?;
        let elf = Elf::read(path, &data)?;
        if elf.relocatable() {
            return Err(Error::malformed(path, "ELF header", "not linked: a module or an object file, and no kernel"));
        }
        let build_id = elf.build_id();
        let sections: Vec<Section> = elf.sections.iter().map(|s| s.to_section(0)).collect();
        let symbols = elf.symbols(&sections)?;
        let part = Part { path: path.to_owned(), data, values: Vec::new() };
        let image = Self::assemble(path, Kind::Kernel, build_id, sections, symbols, vec![part]);
        if !image.symbols.is_empty() {
            return Ok(image);
        }
        Ok(match kallsyms::in_image(&image) {
            Some(symbols) => image.replace_symbols(symbols),
            None => image,
        })
    }

    /// The image with other symbols, ascending by address.
    pub(super) fn replace_symbols(mut self, symbols: Vec<Symbol>) -> Self {
        self.symbols = symbols;
        self.by_name = OnceLock::new();
        self
    }

    /// Whether it has machine code: a file of debug information alone says where code is, but not what.
    pub fn has_code(&self) -> bool {
        self.sections.iter().any(|s| s.executable && s.has_contents())
    }

    /// Gives a linked image the debug information of another file of the same build, and its symbols where it has none
    /// with sizes.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the builds differ, or do not say what they are.
    pub fn with_debug(mut self, debug: Self) -> Result<Self, Error> {
        if self.build_id.is_empty() || self.build_id != debug.build_id {
            let what = format!("not of the same build as {}, as far as they say", self.path.display());
            return Err(Error::malformed(&debug.path, "build id", what));
        }
        let first = self.parts.len();
        add_debug_sections(&mut self.sections, debug.sections, |section| section.move_parts(first));
        self.parts.extend(debug.parts);
        let sized = self.symbols.iter().any(|s| s.size > 0);
        Ok(if sized || debug.symbols.is_empty() { self } else { self.replace_symbols(debug.symbols) })
    }

    /// Puts an image together from its parts. Symbols are ascending by address.
    pub(super) fn assemble(
        path: &Path,
        kind: Kind,
        build_id: Vec<u8>,
        sections: Vec<Section>,
        symbols: Vec<Symbol>,
        parts: Vec<Part>,
    ) -> Self {
        let mut by_address: Vec<u32> =
            (0_u32..).zip(&sections).filter(|(_, s)| s.loaded && s.size > 0).map(|(i, _)| i).collect();
        by_address.sort_by_key(|&i| sections[i as usize].address);
        let path = path.to_owned();
        Self {
            path,
            kind,
            build_id,
            sections,
            symbols,
            parts,
            said_release: None,
            by_address,
            by_name: OnceLock::new(),
        }
    }
}

/// Adds the sections that describe code to those that hold it, each one changed as its part needs it.
pub(super) fn add_debug_sections(sections: &mut Vec<Section>, debug: Vec<Section>, change: impl Fn(&mut Section)) {
    let mut known: FxHashSet<String> = sections.iter().filter(|s| s.has_contents()).map(|s| s.name.clone()).collect();
    for mut section in debug.into_iter().filter(|s| s.has_contents() && !s.loaded) {
        let describes = section.name.starts_with(".debug_") || section.name == ".BTF";
        if describes && known.insert(section.name.clone()) {
            change(&mut section);
            sections.push(section);
        }
    }
}
