//! Everything that can be asked of an image.

use lima_index::image::Image;

/// Asks it.
pub fn ask(image: &Image) {
    let _ = (image.release(), image.has_dwarf(), image.btf().is_ok());
    for section in &image.sections {
        let _ = (image.section_data(&section.name).is_ok(), image.section_of(section.address).is_some());
        let _ = (image.bytes(section.address, 16), image.bytes_from(section.end()), image.c_string_at(section.address));
    }
    for symbol in &image.symbols {
        let _ = (image.symbol_at(symbol.address), image.symbol_at(symbol.address.wrapping_add(symbol.size)));
        let _ = (image.symbols_named(&symbol.name).count(), image.u64_at(symbol.address));
    }
}
