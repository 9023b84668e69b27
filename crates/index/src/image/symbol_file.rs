//! Symbols from a text: `System.map`, `/proc/kallsyms`, what `nm` prints.

use super::kallsyms::symbol;
use super::{Image, Place, Symbol, SymbolKind};
use crate::Error;
use std::path::Path;

/// Where addresses of the kernel itself begin.
const KERNEL: u64 = 0xffff_ffff_8000_0000;
/// What the kernel's `linux_banner` begins with.
const BANNER: &[u8] = b"Linux version ";

/// The kernel's symbols in a text (`System.map`, `/proc/kallsyms`, what `nm` prints), ascending by address, those of modules left out. `path` is for errors.
///
/// # Errors
/// [`Error::Malformed`] when a line is no symbol; [`Error::Missing`] when all addresses are hidden.
pub fn symbols_in_text(path: &Path, text: &[u8]) -> Result<Vec<Symbol>, Error> {
    let mut symbols = Vec::new();
    for (number, line) in (1_u32..).zip(text.split(|b| *b == b'\n')).filter(|(_, line)| !line.is_empty()) {
        match self::line(line) {
            Some(Line::Symbol(symbol)) => symbols.push(symbol),
            Some(Line::Module) => {}
            None => {
                let found = String::from_utf8_lossy(&line[..line.len().min(60)]).escape_debug().to_string();
                let what = format!("expected `ADDRESS TYPE NAME`, found `{found}`");
                return Err(Error::malformed(path, format!("line {number}"), what));
            }
        }
    }
    if text.starts_with(b"ffffffffffffffff B The real System.map") {
        return Err(Error::Missing(format!(
            "{}: only says that the real one is in the debug package (linux-image-...-dbg)",
            path.display()
        )));
    }
    if symbols.is_empty() {
        return Err(Error::malformed(path, "symbols", "there are none"));
    }
    if symbols.iter().all(|s| s.address == 0) {
        return Err(Error::Missing(format!(
            "{}: all addresses are 0, as the kernel shows them to users without privileges; run as root, or set \
             kernel.kptr_restrict to 0",
            path.display()
        )));
    }
    mark_per_cpu(&mut symbols);
    symbols.sort_by_key(|s| s.address);
    Ok(symbols)
}

enum Line {
    Symbol(Symbol),
    Module,
}

/// `ffffffff81000000 T _stext`, followed by `[ext4]` for a module's.
fn line(line: &[u8]) -> Option<Line> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    let address = u64::from_str_radix(std::str::from_utf8(words.next()?).ok()?, 16).ok()?;
    let &[letter] = words.next()? else { return None };
    let name = words.next().filter(|name| name.len() <= 1024)?;
    if words.next().is_some_and(|module| module.starts_with(b"[")) {
        return Some(Line::Module);
    }
    let place = if address >= KERNEL { Place::Memory } else { Place::Absolute };
    Some(Line::Symbol(symbol(letter, String::from_utf8_lossy(name).into_owned(), address, place)))
}

/// Numbers below the end of each CPU's share are offsets into it.
fn mark_per_cpu(symbols: &mut [Symbol]) {
    let value = |name: &str| symbols.iter().find(|s| s.name == name).map(|s| s.address);
    // Kernels whose per-CPU variables have addresses like all others (since v6.15) begin the share there too.
    let (Some(start), Some(end)) = (value("__per_cpu_start"), value("__per_cpu_end")) else { return };
    for symbol in symbols.iter_mut().filter(|s| (start..end).contains(&s.address)) {
        symbol.place = Place::PerCpu;
    }
}

impl Image {
    /// Gives an image the symbols of a text (`System.map`, `/proc/kallsyms`, what `nm` prints) in place of its own. The
    /// addresses of a running kernel, which was loaded at a random place, are put back to where the image has them.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read; [`Error::Malformed`] when it is no such text, or of another kernel as far
    /// as can be told; [`Error::Missing`] when addresses are hidden.
    pub fn with_symbols(self, path: &Path) -> Result<Self, Error> {
        let symbols = self.symbols_of(path)?;
        Ok(self.replace_symbols(symbols))
    }

    /// The symbols of a text, at the addresses of this image.
    pub(super) fn symbols_of(&self, path: &Path) -> Result<Vec<Symbol>, Error> {
        let mut symbols = symbols_in_text(path, &super::contents::Data::map(path)?)?;
        let Some(text) = self.section(".text") else { return Ok(symbols) };
        let start = symbols.iter().find(|s| s.name == "_text" || s.name == "_stext").ok_or_else(|| {
            Error::malformed(path, "symbols", "there is no `_text`, which says where the kernel is loaded")
        })?;
        let slide = start.address.wrapping_sub(text.address);
        for symbol in symbols.iter_mut().filter(|s| s.address >= KERNEL) {
            symbol.address = symbol.address.wrapping_sub(slide);
        }
        let known = symbols.iter().filter(|s| s.place == Place::Memory && s.kind == SymbolKind::Function);
        let (mut functions, mut inside) = (0_u64, 0_u64);
        for symbol in known {
            functions += 1;
            inside += u64::from(self.section_of(symbol.address).is_some_and(|s| s.executable));
        }
        if inside < functions / 100 * 95 {
            let what = format!("{inside} of {functions} functions lie in the image's code: of another kernel?");
            return Err(Error::malformed(path, "symbols", what));
        }
        let banner = symbols.iter().find(|s| s.name == "linux_banner").and_then(|s| self.bytes_from(s.address));
        if banner.is_some_and(|bytes| !bytes.starts_with(BANNER)) {
            let what = "the image has no version where `linux_banner` is said to be: of another kernel";
            return Err(Error::malformed(path, "symbols", what));
        }
        symbols.sort_by_key(|s| s.address);
        Ok(symbols)
    }
}
