//! A kernel image or a module as sections and symbols at addresses, whatever file it came in.
//!
//! After this room there are only addresses. A module, which has none, is laid out and relocated as the kernel's
//! loader would do it (above [`MODULES_START`], each where its caller says), so that code of the image and of modules
//! reads alike; calls into the kernel have the kernel's addresses.
//!
//! A big file is mapped, not read: opening the kernel costs its symbol table, and nothing of its debug information
//! until [`Image::section_data`] asks for it.

mod contents;
mod elf;
mod find;
mod inflate;
mod kallsyms;
mod lookup;
mod lzo;
mod module;
mod module_files;
mod open;
mod relocate;
mod symbol_file;
#[cfg(test)]
mod tests;
mod vmlinuz;

pub use find::{Found, Source, Wanted, build_id_of_running, find};
pub use kallsyms::symbols_in_tables;
pub use module::ModuleFile;
pub use module_files::{ModulePaths, modules};
pub use symbol_file::symbols_in_text;

use contents::{Contents, Part};
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Where made-up addresses of modules begin: the kernel's own module space on x86-64.
pub const MODULES_START: u64 = 0xffff_ffff_c000_0000;

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The kernel itself.
    Kernel,
    /// A module, by its name (`ext4`).
    Module(String),
}

/// A part of an image that is loaded, or that describes it.
#[derive(Debug)]
pub struct Section {
    /// Its name, `.text`. Old names of compressed sections (`.zdebug_info`) are given as the plain ones.
    pub name: String,
    /// Where it is loaded; 0 for sections that are not loaded, such as `.debug_info`.
    pub address: u64,
    /// Its size when loaded, bytes.
    pub size: u64,
    /// Whether it is loaded.
    pub loaded: bool,
    /// Whether it is code.
    pub executable: bool,
    /// Whether its contents are one CPU's share, and addresses in it are offsets (`.data..percpu`).
    pub per_cpu: bool,
    /// Where its contents are.
    contents: Contents,
}

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SymbolKind {
    /// Code.
    Function,
    /// Data.
    Object,
    /// It is not known which.
    Other,
}

/// What kind of address a symbol has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// An address in memory.
    Memory,
    /// An offset into each CPU's share.
    PerCpu,
    /// A number, and no address at all.
    Absolute,
    /// Somewhere outside of the image, with a made-up address: what a module takes from another one.
    Elsewhere,
}

/// A name for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name as it stands in the symbol table, `ext4_file_write_iter.isra.0`.
    pub name: String,
    /// Its address.
    pub address: u64,
    /// Its size in bytes, 0 when the source (kallsyms) has none; then the next symbol ends it.
    pub size: u64,
    /// What it stands for.
    pub kind: SymbolKind,
    /// Visible outside its file.
    pub global: bool,
    /// What kind of address it has.
    pub place: Place,
}

/// An opened image. Immutable, and shared between threads.
pub struct Image {
    /// The file that it came from.
    pub path: PathBuf,
    /// Kernel or module.
    pub kind: Kind,
    /// The GNU build id; empty when the file has none.
    pub build_id: Vec<u8>,
    /// All sections, by their number in the file; number 0 is none.
    pub sections: Vec<Section>,
    /// Symbols with addresses, ascending by address.
    pub symbols: Vec<Symbol>,
    /// The files that contents of sections are in.
    parts: Vec<Part>,
    /// The release, where it is known from elsewhere.
    said_release: Option<String>,
    /// Loaded sections by address.
    by_address: Vec<u32>,
    /// Symbols by the hash of their names, once somebody asks.
    by_name: OnceLock<Vec<(u64, u32)>>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not its contents: half a gigabyte.
        f.debug_struct("Image")
            .field("path", &self.path)
            .field("kind", &self.kind)
            .field("sections", &self.sections.len())
            .field("symbols", &self.symbols.len())
            .finish_non_exhaustive()
    }
}
