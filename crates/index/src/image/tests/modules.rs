//! Modules: addresses, links into the kernel and elsewhere, packed files, debug information in files of their own.

use super::{Workshop, ask, big, open_module};
use crate::image::{Image, Kind, MODULES_START, ModuleFile, ModulePaths, Place, Source, Wanted, find, modules};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where the first call after an address goes: as the machine would see it.
fn calls(image: &Image, function: &str) -> Vec<u64> {
    let symbol = image.symbols_named(function).next().unwrap();
    let code = image.bytes(symbol.address, usize::try_from(symbol.size).unwrap()).unwrap();
    let call = |at: usize| {
        let distance = i32::from_le_bytes(code.get(at + 1..at + 5)?.try_into().ok()?);
        (code[at] == 0xe8).then(|| (symbol.address + at as u64 + 5).wrapping_add_signed(i64::from(distance)))
    };
    (0..code.len())
        .filter_map(call)
        .filter(|target| image.symbol_at(*target).is_some() || *target < MODULES_START)
        .collect()
}

#[test]
fn a_module_is_laid_out_and_linked() {
    let workshop = Workshop::new();
    let kernel = Image::open(&workshop.kernel()).unwrap();
    let module = open_module(&workshop.module(), &kernel);
    assert_eq!((&module.kind, module.build_id.len()), (&Kind::Module("mini".to_owned()), 20));
    assert_eq!(module.release(), Some("9.9.9-test"));
    let address = |image: &Image, name: &str| image.symbols_named(name).next().unwrap().address;
    let own = |name| address(&module, name);

    assert_eq!(module.section(".text").unwrap().address, MODULES_START);
    assert_eq!(module.u64_at(own("to_own")), Some(own("own")));
    assert_eq!(module.u64_at(own("to_kernels")), Some(address(&kernel, "a_lock")));
    let elsewhere = module.symbols_named("elsewhere").next().unwrap();
    assert_eq!((elsewhere.place, module.u64_at(own("to_other"))), (Place::Elsewhere, Some(elsewhere.address)));
    assert!(module.section_of(elsewhere.address).is_none());
    assert_eq!(module.symbol_at(elsewhere.address).unwrap().0.name, "elsewhere");
    assert_eq!(module.symbols_named("share_of_mini").next().unwrap().place, Place::PerCpu);

    let locks = [address(&kernel, "mutex_lock"), elsewhere.address, address(&kernel, "mutex_unlock")];
    assert_eq!(calls(&module, "inner"), locks);
    assert_eq!(calls(&module, "outer"), [own("inner"), own("inner")]);
}

#[test]
fn modules_share_no_addresses() {
    let workshop = Workshop::new();
    let kernel = Image::open(&workshop.kernel()).unwrap();
    let path = workshop.module();
    let first = ModuleFile::read(&path, None).unwrap();
    assert_eq!((first.name(), first.size() % 4096), ("mini", 0));
    let next = MODULES_START + first.size();
    let (first, second) =
        (first.at(MODULES_START, &kernel).unwrap(), Image::open_module(&path, &kernel, next).unwrap());
    assert!(first.symbols.iter().all(|s| s.place == Place::Absolute || s.address < next));
    assert!(second.symbols.iter().all(|s| s.place == Place::Absolute || s.address >= next));
    let refused = ModuleFile::read(&path, None).unwrap().at(u64::MAX - 100, &kernel).unwrap_err().to_string();
    assert!(refused.contains("do not fit"), "{refused}");
}

#[test]
fn packed_modules_are_the_same() {
    let workshop = Workshop::new();
    let kernel = Image::open(&workshop.kernel()).unwrap();
    let path = workshop.module();
    let bytes = fs::read(&path).unwrap();
    let plain = open_module(&path, &kernel);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&bytes).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
    xz.write_all(&bytes).unwrap();
    let packed = [
        ("mini.ko.gz", gzip.finish().unwrap()),
        ("mini.ko.xz", xz.finish().unwrap()),
        ("mini.ko.zst", zstd::encode_all(bytes.as_slice(), 3).unwrap()),
    ];
    for (name, contents) in packed {
        let module = open_module(&workshop.write(name, contents), &kernel);
        assert_eq!((&module.kind, &module.symbols), (&plain.kind, &plain.symbols), "{name}");
    }
}

#[test]
fn debug_information_in_a_file_of_its_own() {
    let workshop = Workshop::new();
    let kernel = Image::open(&workshop.kernel()).unwrap();
    let whole = workshop.module();
    workshop.run("objcopy", &["--only-keep-debug", "mini.ko", "mini.ko.debug"]);
    workshop.run("objcopy", &["--strip-debug", "mini.ko", "bare.ko"]);
    workshop.run("objcopy", &["--compress-debug-sections=zlib", "mini.ko.debug", "packed.ko.debug"]);
    let whole = open_module(&whole, &kernel);
    assert!(whole.has_dwarf() && !open_module(&workshop.path("bare.ko"), &kernel).has_dwarf());
    let text = whole.section(".text").unwrap().address;
    // The unit's address range is relocated to where the code is.
    let ranges = whole.section_data(".debug_aranges").unwrap().unwrap();
    assert!(ranges.windows(8).any(|w| w == text.to_le_bytes()), "{ranges:02x?}");

    for debug in ["mini.ko.debug", "packed.ko.debug"] {
        let file = ModuleFile::read(&workshop.path("bare.ko"), Some(&workshop.path(debug))).unwrap();
        let module = file.at(MODULES_START, &kernel).unwrap();
        for section in [".debug_info", ".debug_line", ".debug_aranges", ".debug_str"] {
            assert_eq!(
                module.section_data(section).unwrap(),
                whole.section_data(section).unwrap(),
                "{debug} {section}"
            );
        }
        assert_eq!(module.bytes(text, 16), whole.bytes(text, 16));
    }

    workshop.write("other.c", "int other; __attribute__((section(\".modinfo\"))) char name[] = \"name=other\";");
    workshop.run("gcc", &["-g", "-c", "-o", "other.o", "other.c"]);
    workshop.run("ld", &["-r", "--build-id=sha1", "-o", "other.ko", "other.o"]);
    let refused =
        ModuleFile::read(&workshop.path("bare.ko"), Some(&workshop.path("other.ko"))).unwrap_err().to_string();
    assert!(refused.contains("other.ko") && refused.contains("another build"), "{refused}");
}

#[test]
fn what_is_no_module_of_the_kernel_is_refused() {
    let workshop = Workshop::new();
    let path = workshop.kernel();
    let kernel = Image::open(&path).unwrap();
    let refusal = |path: &Path| Image::open_module(path, &kernel, MODULES_START).unwrap_err().to_string();
    assert!(refusal(&path).contains("no module"));
    workshop.run("gcc", &["-c", "-o", "object.o", "second.c"]);
    assert!(refusal(&workshop.path("object.o")).contains(".modinfo"));
    let module = workshop.module();
    assert!(Image::open(&module).unwrap_err().to_string().contains("not linked"));
    let bytes = fs::read(&module).unwrap();
    let at = bytes.windows(8).position(|w| w == b"9.9.9-te").unwrap();
    let mut other = bytes;
    other[at] = b'8';
    let refused = refusal(&workshop.write("other.ko", other));
    assert!(refused.contains("built for kernel 8.9.9-test, and not for 9.9.9-test"), "{refused}");
}

#[test]
fn real_modules() {
    let Some(root) = big("d61", "") else { return };
    let wanted = Wanted { root, release: Some("6.1.0-50-cloud-amd64".to_owned()), ..Default::default() };
    let found = find(&wanted).unwrap();
    assert_eq!((found.source, found.modules.len()), (Source::Debug, 1121));
    assert!(found.modules.iter().all(|m| m.debug.is_some()));
    let mut start = MODULES_START;
    for paths in found.modules.iter().filter(|m| m.code.to_string_lossy().contains("/overlayfs/")) {
        let file = ModuleFile::read(&paths.code, paths.debug.as_deref()).unwrap();
        let size = file.size();
        let module = file.at(start, &found.kernel).unwrap();
        assert!(module.has_dwarf() && module.btf().unwrap().is_some());
        let mutex_lock = found.kernel.symbols_named("mutex_lock").next().unwrap().address;
        assert!(calls(&module, "ovl_llseek").contains(&mutex_lock));
        ask(&module);
        start += size;
    }
    assert!(start > MODULES_START);
}

#[test]
fn modules_are_listed_with_their_debug_information() {
    let workshop = Workshop::new();
    for folder in ["lib/kernel/fs", "lib/kernel/net", "debug/kernel/fs"] {
        fs::create_dir_all(workshop.path(folder)).unwrap();
    }
    let fs = workshop.write("lib/kernel/fs/a.ko.xz", "");
    let net = workshop.write("lib/kernel/net/b.ko", "");
    workshop.write("lib/modules.dep", "");
    let debug = workshop.write("debug/kernel/fs/a.ko.debug", "");
    std::os::unix::fs::symlink(workshop.path("lib"), workshop.path("lib/build")).unwrap();
    let found = modules(&workshop.path("lib"), &[PathBuf::from("/nowhere"), workshop.path("debug")]).unwrap();
    let wanted = [ModulePaths { code: fs, debug: Some(debug) }, ModulePaths { code: net, debug: None }];
    assert_eq!(found, wanted);
}
