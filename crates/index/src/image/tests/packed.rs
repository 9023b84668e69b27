//! Packed kernels and packed sections: every way that the kernel's build knows, and those that go wrong.

use super::{Workshop, big};
use crate::image::Image;
use crate::image::inflate::Format;
use std::fs;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::Command;

/// A bzImage around a packed kernel.
fn boot_image(packed: &[u8], size: Option<usize>) -> Vec<u8> {
    let mut image = vec![0_u8; 1024 + 100];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
    let size = size.map(|size| u32::try_from(size).unwrap().to_le_bytes());
    let length = packed.len() + size.map_or(0, |s| s.len());
    image[0x248..0x24c].copy_from_slice(&100_u32.to_le_bytes());
    image[0x24c..0x250].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
    image.extend_from_slice(packed);
    image.extend_from_slice(size.as_ref().map_or(&[], |s| s.as_slice()));
    image.extend_from_slice(b"what follows the kernel");
    image
}

/// The kernel in every format, and whether the build puts the size after it.
fn packings(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>, bool)> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(bytes).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(bytes).unwrap();
    let options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
    let lzma = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
    let mut lzma = liblzma::write::XzEncoder::new_stream(Vec::new(), lzma);
    lzma.write_all(bytes).unwrap();
    let mut lz4 = b"\x02!L\x18".to_vec();
    for block in bytes.chunks(8 << 20) {
        let packed = lz4_flex::block::compress(block);
        lz4.extend_from_slice(&u32::try_from(packed.len()).unwrap().to_le_bytes());
        lz4.extend_from_slice(&packed);
    }
    let mut packings = vec![
        ("gzip", gzip.finish().unwrap(), false),
        ("bzip2", bzip2.finish().unwrap(), true),
        ("xz", xz.finish().unwrap(), true),
        ("lzma", lzma.finish().unwrap(), true),
        ("lz4", lz4, true),
        ("zstd", zstd::encode_all(bytes, 3).unwrap(), true),
        ("not at all", bytes.to_vec(), false),
    ];
    packings.extend(lzop(bytes).map(|packed| ("lzo", packed, true)));
    packings
}

/// What the kernel's build has `lzop` make of it.
fn lzop(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    match Command::new("lzop").args(["-9", "-c"]).stdin(file).output() {
        Ok(output) if output.status.success() => Some(output.stdout),
        _ => {
            eprintln!("skipped: LZO, because there is no lzop");
            None
        }
    }
}

/// A file as `lzop` makes it, with one block and a checksum of what it unpacks to.
fn lzo_file(block: &[u8], unpacked: u32) -> Vec<u8> {
    let mut file = b"\x89LZO\0\r\n\x1a\n\x10\x30\x20\xa0\x09\x40\x01\x09\0\0\0\x01".to_vec();
    file.extend([0; 12 + 1 + 4]);
    file.extend(unpacked.to_be_bytes());
    file.extend(u32::try_from(block.len()).unwrap().to_be_bytes());
    file.extend([0; 4]);
    file.extend(block);
    file.extend([0; 4]);
    file
}

#[test]
fn lzo_by_hand() {
    let unpack = |block: &[u8], size| Format::Lzo.unpack(&lzo_file(block, size), None);
    let end = b"\x11\0\0";
    // Four literals; the last two of them 33 times more, in one match that reaches into itself; one literal behind it.
    let block = [b"\x15abcd\x20\x21\x05\0!".as_slice(), end].concat();
    assert_eq!(unpack(&block, 71).unwrap(), [b"abcd".as_slice(), &b"cd".repeat(33), b"!"].concat());
    // A run of 3 + 15 + 255 + 2 literals; 66 times the last, and a literal; the two before that once more.
    let literals: Vec<u8> = (0..=255).chain(0..19).collect();
    let block = [b"\0\0\x02".as_slice(), &literals, b"\x20\x21\x01\0?\x04\0", end].concat();
    assert_eq!(unpack(&block, 344).unwrap(), [&literals[..], &[18; 66], b"?\x12?"].concat());
    assert!(unpack(b"\x12a\x40\x01\x11\0\0", 9).is_err_and(|error| error.contains("damaged")), "back beyond the start");
    assert!(unpack(&block[..100], 500).is_err_and(|error| error.contains("damaged")), "no end");
    assert!(unpack(b"\x20\0\0\0", 500).is_err_and(|error| error.contains("damaged")), "cut short");
    assert!(unpack(&block, 400).is_err_and(|error| error.contains("too few")));
    assert!(unpack(b"\x12a\x11\0\0", 65 << 20).is_err_and(|error| error.contains("not plausible")));
}

fn refusal(bytes: Vec<u8>) -> String {
    Image::from_bytes(Path::new("kernel-file"), bytes).unwrap_err().to_string()
}

#[test]
fn every_packing_of_a_kernel() {
    let workshop = Workshop::new();
    let path = workshop.kernel();
    let bytes = fs::read(&path).unwrap();
    let plain = Image::open(&path).unwrap();
    for (name, packed, size) in packings(&bytes) {
        let boot = boot_image(&packed, size.then_some(bytes.len()));
        for file in [boot.clone(), packed.clone()] {
            let image = Image::from_bytes(&path, file).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!((&image.symbols, &image.build_id), (&plain.symbols, &plain.build_id), "{name}");
        }
        let cut = boot[..boot.len() - packed.len() / 2].to_vec();
        assert!(refusal(cut).starts_with("kernel-file: boot image: the kernel is "), "{name}");
        if name != "not at all" {
            let wrong = boot_image(&packed[..packed.len() * 2 / 3], Some(bytes.len()));
            assert!(refusal(wrong).starts_with("kernel-file: boot image: "), "{name}");
        }
        if size {
            let wrong = refusal(boot_image(&packed, Some(bytes.len() - 1)));
            assert!(wrong.contains("announces") || wrong.contains("cannot be unpacked"), "{name}: {wrong}");
        }
    }
}

#[test]
fn what_cannot_be_unpacked_is_said() {
    let lzo = boot_image(b"\x89LZO\0\r\n\x1a\nand so on", Some(10));
    assert_eq!(refusal(lzo), "kernel-file: boot image: Lzo: packed by LZO's method 32, and 1 to 3 (LZO1X) are known");
    assert!(refusal(boot_image(b"something else", Some(10))).contains("packed in an unknown way"));
    let mut old = boot_image(b"", None);
    old[0x206] = 7;
    assert!(refusal(old).contains("boot protocol 2.7"));
    assert!(refusal(b"\0\0".repeat(0x120)).contains("not an ELF file"));
}

#[test]
fn bombs_do_not_go_off() {
    let zeros = zstd::encode_all(std::io::repeat(0).take(70 << 20), 1).unwrap();
    assert!(zeros.len() < 1 << 16);
    assert!(refusal(zeros.clone()).contains("not plausible"), "a packed file");
    let announced = refusal(boot_image(&zeros, Some(1 << 30)));
    assert!(announced.contains("plausible"), "a boot image: {announced}");
    assert!(refusal(boot_image(&zeros, Some(1 << 20))).contains("more than the 1048576 bytes that it announces"));
}

#[test]
fn packed_sections() {
    let workshop = Workshop::new();
    let plain = Image::open(&workshop.kernel()).unwrap();
    for packing in ["zlib-gabi", "zlib-gnu", "zstd"] {
        workshop.run("objcopy", &[&format!("--compress-debug-sections={packing}"), "vmlinux", "packed"]);
        let packed = Image::open(&workshop.path("packed")).unwrap();
        assert!(packed.has_dwarf());
        for section in [".debug_info", ".debug_str", ".debug_line"] {
            assert_eq!(
                packed.section_data(section).unwrap(),
                plain.section_data(section).unwrap(),
                "{packing} {section}"
            );
        }
    }
}

#[test]
fn a_real_boot_image() {
    let releases = [("d61", "6.1.0-50-cloud-amd64"), ("d612", "6.12.117+deb12-cloud-amd64")];
    for (name, release) in releases {
        let Some(path) = big(name, &format!("boot/vmlinuz-{release}")) else { continue };
        let Some(linked) = big(name, &format!("usr/lib/debug/boot/vmlinux-{release}")) else { continue };
        let (image, linked) = (Image::open(&path).unwrap(), Image::open(&linked).unwrap());
        assert_eq!((image.release(), &image.build_id), (Some(release), &linked.build_id));
        let (text, same) = (image.section(".text").unwrap(), linked.section(".text").unwrap());
        assert_eq!((text.address, text.size), (same.address, same.size));
        // Every symbol of the kernel's own table is in the linker's.
        let known: std::collections::HashSet<_> = linked.symbols.iter().map(|s| (&s.name, s.address)).collect();
        let strange = image.symbols.iter().filter(|s| !known.contains(&(&s.name, s.address))).count();
        assert!(image.symbols.len() > 80_000 && strange <= 3, "{strange} of {}", image.symbols.len());
    }
}
