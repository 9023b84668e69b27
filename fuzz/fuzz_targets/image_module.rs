//! A module of any bytes, laid out, and linked against a kernel in which nothing is.

#![no_main]

mod asked;

use libfuzzer_sys::fuzz_target;
use lima_index::image::{Image, MODULES_START, ModuleFile};
use std::path::Path;
use std::sync::LazyLock;

static KERNEL: LazyLock<Image> = LazyLock::new(|| {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    file.resize(64, 0);
    file[40] = 64; // where the section headers are
    file[52] = 64; // how long the file's header is
    file[58] = 64; // how long each of theirs is
    file[60] = 2; // how many there are
    file[62] = 1; // which of them holds their names
    let mut names = vec![0; 128];
    names[64 + 4] = 3; // a table of text
    names[64 + 24] = 48; // any zero byte
    names[64 + 32] = 1; // of one byte
    file.extend(names);
    Image::from_bytes(Path::new("empty kernel"), file).expect("a kernel without contents")
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = ModuleFile::from_bytes(Path::new("fuzzed.ko"), bytes.to_vec()) else { return };
    let _ = (file.name().len(), file.size());
    if let Ok(image) = file.at(MODULES_START, &KERNEL) {
        asked::ask(&image);
    }
});
