use super::{Source, address_of, demangled, look_up, open_file, parse};
use proptest::prelude::{Strategy, any, proptest};
use std::cell::Cell;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::process::Command;

/// A library of which every name and place is known, made by the compiler that is there.
fn compiled(folder: &Path) -> File {
    let source = folder.join("known.c");
    let text = "int inner(int x) { return x * 3; }\nint __alias(int) __attribute__((alias(\"inner\")));\n\
        static __attribute__((noinline, used)) int hidden(int x) { return x + 1; }\nint data = 5;\n";
    std::fs::write(&source, text).unwrap();
    let library = folder.join("known.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-O1", "-fPIC", "-Wl,--build-id=0x0123456789abcdef"]);
    assert!(compiler.arg("-o").arg(&library).arg(&source).status().unwrap().success());
    open_file(&library).unwrap()
}

/// The start of a symbol, as nm tells.
fn start(folder: &Path, name: &str) -> u64 {
    let output = Command::new("nm").arg(folder.join("known.so")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.split(' ').nth(2) == Some(name)).unwrap();
    u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap()
}

#[test]
fn functions_are_found_by_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = compiled(folder.path());
    // A library's code lies in its file as it lies in memory.
    let (inner, hidden, data) =
        (start(folder.path(), "inner"), start(folder.path(), "hidden"), start(folder.path(), "data"));
    let wanted = [(inner, false), (inner + 2, true), (hidden + 1, true), (inner, true), (1 << 40, false)];
    let places = look_up(file, &wanted).unwrap();
    assert_eq!(places.build_id.as_deref(), Some("0123456789abcdef"));
    let found: Vec<_> = places
        .found
        .iter()
        .map(|(address, found)| (*address, found.as_ref().map(|found| (found.symbol.as_str(), found.offset))))
        .collect();
    assert_eq!(found[0], (Some(inner), Some(("inner", 0))));
    assert_eq!(found[1], (Some(inner + 2), Some(("inner", 2))));
    assert_eq!(found[2], (Some(hidden + 1), Some(("hidden", 1))));
    // A call that returns to the start of a function was in the one before, here in no function with a size.
    assert!(found[3].1.is_none_or(|(name, _)| name != "inner"));
    assert_eq!(found[4], (None, None));
    assert_ne!(data, inner);
}

#[test]
fn a_file_that_is_too_large_is_known_to_be_cut() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source { left: Cell::new(100), ..Source::of(compiled(folder.path())) };
    assert!(parse(&source).is_none() && source.is_cut.get());
    let source = Source::of(compiled(folder.path()));
    assert!(parse(&source).is_some() && !source.is_cut.get());
}

#[test]
fn names_are_put_back_into_words() {
    assert_eq!(demangled("_ZN4core3ptr13drop_in_place17h0123456789abcdefE"), "core::ptr::drop_in_place");
    assert_eq!(
        demangled("_ZNSt6vectorIiSaIiEE9push_backEOi"),
        "std::vector<int, std::allocator<int> >::push_back(int&&)"
    );
    assert_eq!(demangled("_Znonsense"), "_Znonsense");
    assert_eq!(demangled("write"), "write");
}

#[test]
fn places_outside_of_what_is_loaded_have_no_address() {
    let segments = [(0..0x100, 0), (0x1000..0x1080, u64::MAX - 0x10)];
    assert_eq!(address_of(&segments, 0x20), Some(0x20));
    assert_eq!(address_of(&segments, 0x100), None);
    assert_eq!(address_of(&segments, 0x1040), None);
}

/// The bytes of a library with some of them changed, and perhaps cut short.
fn harmed(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = bytes.len();
    let changes = proptest::collection::vec((0..length, any::<u8>()), 0..40);
    // Headers decide most.
    let headers = proptest::collection::vec((0..0x400usize, any::<u8>()), 0..8);
    (changes, headers, 0..=length).prop_map(move |(changes, headers, cut)| {
        let mut bytes = bytes.clone();
        changes.into_iter().chain(headers).for_each(|(at, byte)| bytes[at] = byte);
        bytes.truncate(if cut % 3 == 0 { cut } else { length });
        bytes
    })
}

#[test]
fn no_file_stops_the_recorder() {
    let folder = tempfile::tempdir().unwrap();
    drop(compiled(folder.path()));
    let bytes = std::fs::read(folder.path().join("known.so")).unwrap();
    proptest!(|(bytes in harmed(bytes))| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        let _ = look_up(file, &[(0x1100, true), (0x1101, false), (u64::MAX, true)]);
    });
}
