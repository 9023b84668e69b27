//! A kernel of any bytes: the sections and symbols of an ELF file.

#![no_main]

mod asked;

use libfuzzer_sys::fuzz_target;
use lima_index::image::Image;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(image) = Image::from_bytes(Path::new("fuzzed"), bytes.to_vec()) {
        asked::ask(&image);
    }
});
