//! Opening a kernel.

use super::contents::{Data, Part};
use super::elf::Elf;
use super::{Image, Kind, Section, Symbol, vmlinuz};
use crate::Error;
use std::path::Path;
use std::sync::OnceLock;

impl Image {
    /// Opens a kernel: a linked ELF file, as it is or packed, or a bzImage (`vmlinuz`).
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read; [`Error::Malformed`] when it is no kernel for x86-64, or damaged.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::kernel(path, vmlinuz::unpack(path, Data::map(path)?)?)
    }

    /// A kernel from the bytes of its ELF file.
    pub(super) fn kernel(path: &Path, data: Data) -> Result<Self, Error> {
        let elf = Elf::read(path, &data)?;
        if elf.relocatable() {
            return Err(Error::malformed(path, "ELF header", "not linked: a module or an object file, and no kernel"));
        }
        let build_id = elf.build_id();
        let sections: Vec<Section> = elf.sections.iter().map(|s| s.to_section(0)).collect();
        let symbols = elf.symbols(&sections)?;
        let part = Part { path: path.to_owned(), data, values: Vec::new() };
        Ok(Self::assemble(path, Kind::Kernel, build_id, sections, symbols, vec![part]))
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
        Self { path, kind, build_id, sections, symbols, parts, by_address, by_name: OnceLock::new() }
    }
}
