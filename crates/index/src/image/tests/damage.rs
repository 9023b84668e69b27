//! Files that are cut short, garbled or foreign: an error that names file and section, and nothing worse.

use super::written::{Arrangement, some_symbols, tables};
use super::{Workshop, ask};
use crate::image::{Image, MODULES_START, ModuleFile, symbols_in_tables, symbols_in_text};
use proptest::prelude::{any, prop};
use proptest::test_runner::{Config, TestRunner};
use std::fs;
use std::path::Path;

fn refusal(bytes: Vec<u8>) -> String {
    Image::from_bytes(Path::new("the-file"), bytes).unwrap_err().to_string()
}

#[test]
fn foreign_files() {
    let workshop = Workshop::new();
    let kernel = fs::read(workshop.kernel()).unwrap();
    assert_eq!(refusal(Vec::new()), "the-file: ELF header: not an ELF file: it is empty");
    assert!(refusal(b"#!/bin/sh\n".to_vec()).starts_with(
        "the-file: ELF header: not an ELF file, nor a kernel packed in a known way: it begins with [23, 21,"
    ));
    let with = |at: usize, byte: u8| {
        let mut bytes = kernel.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(refusal(with(4, 1)), "the-file: ELF header: a 32-bit file; only 64-bit kernels are read");
    assert_eq!(refusal(with(5, 2)), "the-file: ELF header: a big-endian file; only little-endian kernels are read");
    assert_eq!(refusal(with(18, 183)), "the-file: ELF header: for arm64; only x86-64 is read so far");
    assert!(refusal(with(18, 8)).starts_with("the-file: ELF header: for machine 8; "));
    assert!(Image::open(&workshop.path("")).unwrap_err().to_string().ends_with("file: not a regular file"));
    let missing = Image::open(&workshop.path("none")).unwrap_err().to_string();
    assert!(missing.starts_with("cannot open ") && missing.contains("none: No such file"), "{missing}");
}

#[test]
fn every_cut_is_told() {
    let workshop = Workshop::new();
    let bytes = fs::read(workshop.kernel()).unwrap();
    // The section headers are last.
    for end in (0..bytes.len()).step_by(97) {
        assert!(refusal(bytes[..end].to_vec()).starts_with("the-file: ELF "));
    }
}

#[test]
fn sections_outside_of_the_file_and_of_memory() {
    let workshop = Workshop::new();
    let bytes = fs::read(workshop.kernel()).unwrap();
    let headers = usize::try_from(u64::from_le_bytes(bytes[40..48].try_into().unwrap())).unwrap();
    let number =
        Image::open(&workshop.path("vmlinux")).unwrap().sections.iter().position(|s| s.name == ".data").unwrap();
    let with = |field: usize, value: u64| {
        let mut bytes = bytes.clone();
        let at = headers + number * 64 + field;
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        refusal(bytes)
    };
    assert!(with(24, 1 << 40).starts_with("the-file: .data: lies at offset 0x10000000000 with "));
    assert!(with(32, u64::MAX).contains("but the file ends at"));
    assert!(with(16, u64::MAX).contains("go past the end of memory"));
    assert!(with(48, 3).contains("is no power of two"));
}

#[test]
fn absurd_modules() {
    let workshop = Workshop::new();
    let bytes = fs::read(workshop.module()).unwrap();
    let kernel = Image::open(&workshop.kernel()).unwrap();
    let headers = usize::try_from(u64::from_le_bytes(bytes[40..48].try_into().unwrap())).unwrap();
    let module = Image::open_module(&workshop.path("mini.ko"), &kernel, MODULES_START).unwrap();
    let number = |name: &str| module.sections.iter().position(|s| s.name == name).unwrap();
    let with = |section: &str, field: usize, value: u64, size: usize| {
        let mut bytes = bytes.clone();
        let at = headers + number(section) * 64 + field;
        bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        let file = ModuleFile::from_bytes(Path::new("mini.ko"), bytes);
        file.and_then(|file| file.at(MODULES_START, &kernel)).unwrap_err().to_string()
    };
    assert!(with(".bss", 32, 1 << 40, 8).starts_with("mini.ko: .bss: of 0x10000000000 bytes"));
    assert!(with(".bss", 32, 256 << 20, 8).contains("goes past"));
    assert!(with(".text", 48, 1 << 30, 8).contains("too large"));
    assert!(with(".rela.text", 44, 9999, 4).starts_with("mini.ko: .rela.text: is about section 9999 of "));
    assert!(with(".rela.text", 4, 9, 4).contains("without addend"));
    assert!(with(".rela.text", 32, 23, 8).contains("no whole number of relocations"));
}

/// Changes bytes here and there, and cuts.
fn garble(bytes: &[u8], changes: &[(prop::sample::Index, u8)], cut: Option<prop::sample::Index>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, value) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}

/// Whatever happens to its bytes, it is read or refused.
fn survives(cases: u32, original: &[u8], read: impl Fn(Vec<u8>)) {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12);
    let cut = prop::option::weighted(0.1, any::<prop::sample::Index>());
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&(changes, cut), |(changes, cut)| {
        read(garble(original, &changes, cut));
        Ok(())
    });
    result.unwrap();
}

/// The parts of a file that say where everything is: changes there hurt most.
fn structure(bytes: &[u8]) -> std::ops::Range<usize> {
    let headers = usize::try_from(u64::from_le_bytes(bytes[40..48].try_into().unwrap())).unwrap();
    headers..bytes.len()
}

#[test]
fn garbled_kernels() {
    let workshop = Workshop::new();
    workshop.kernel();
    workshop.run("objcopy", &["--compress-debug-sections=zlib", "--remove-section=.rela.*", "vmlinux", "small"]);
    let original = fs::read(workshop.path("small")).unwrap();
    let read = |bytes| {
        if let Ok(image) = Image::from_bytes(Path::new("garbled"), bytes) {
            ask(&image);
        }
    };
    survives(500, &original, read);
    let headers = structure(&original);
    survives(1500, &original[headers.clone()], |tail| read([&original[..headers.start], &tail].concat()));
}

#[test]
fn garbled_modules() {
    let workshop = Workshop::new();
    let kernel = Image::open(&workshop.kernel()).unwrap();
    let original = fs::read(workshop.module()).unwrap();
    let read = |bytes| {
        let file = ModuleFile::from_bytes(Path::new("garbled"), bytes);
        if let Ok(image) = file.and_then(|file| file.at(MODULES_START, &kernel)) {
            ask(&image);
        }
    };
    survives(500, &original, read);
    let headers = structure(&original);
    survives(1500, &original[headers.clone()], |tail| read([&original[..headers.start], &tail].concat()));
}

#[test]
fn garbled_tables_and_texts() {
    let original = tables(&some_symbols(), Arrangement::AddressesLast);
    survives(1000, &original, |bytes| {
        let _ = symbols_in_tables(&bytes, 0x100);
    });
    let text = b"ffffffff81000000 T _text\n0000000000000040 A runqueues\nffffffff81000010 t f\t[ext4]\n";
    survives(1000, text, |bytes| {
        let _ = symbols_in_text(Path::new("garbled"), &bytes);
    });
}
