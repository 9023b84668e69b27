//! Symbols in texts, and where kernels are found.

use super::{Workshop, big};
use crate::image::{Image, Place, Source, Wanted, find, symbols_in_text};
use std::fs;
use std::path::Path;

fn text(text: &str) -> Result<Vec<crate::image::Symbol>, String> {
    symbols_in_text(Path::new("names"), text.as_bytes()).map_err(|e| e.to_string())
}

#[test]
fn symbols_from_a_text() {
    let found = text(concat!(
        "0000000000000000 A __per_cpu_start\n0000000000000040 A runqueues\n0000000000000080 A __per_cpu_end\n",
        "0000000000001000 A number\nffffffff81000000 T _text\r\nffffffff81000010 t f.isra.0\n",
        "ffffffff82000000 b table\nffffffffc0000000 t inner\t[ext4]\n",
    ));
    let found = found.unwrap();
    let place = |name: &str| found.iter().find(|s| s.name == name).map(|s| s.place);
    assert_eq!(place("runqueues"), Some(Place::PerCpu));
    assert_eq!(place("number"), Some(Place::Absolute));
    assert_eq!(place("f.isra.0"), Some(Place::Memory));
    assert_eq!((place("inner"), found.len()), (None, 7));
}

#[test]
fn texts_that_are_none() {
    assert!(text("0000000000000000 T _text\n0000000000000000 t f\n").unwrap_err().contains("kptr_restrict"));
    assert_eq!(text("").unwrap_err(), "names: symbols: there are none");
    assert_eq!(
        text("ffffffff81000000 T _text\nwhat\u{1b} is this\n").unwrap_err(),
        "names: line 2: expected `ADDRESS TYPE NAME`, found `what\\u{1b} is this`"
    );
    assert!(
        text("ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n")
            .unwrap_err()
            .contains("debug package")
    );
}

#[test]
fn an_image_gets_symbols_where_it_has_them() {
    let workshop = Workshop::new();
    let whole = Image::open(&workshop.kernel()).unwrap();
    workshop.run("objcopy", &["--strip-all", "vmlinux", "bare"]);
    let bare = || Image::open(&workshop.path("bare")).unwrap();
    assert!(bare().symbols.is_empty());
    // As on a running kernel, which was moved by this much.
    let slide = 0x1e00_0000;
    let mut lines = String::from("0000000000000040 A thing\n");
    for symbol in whole.symbols.iter().filter(|s| s.place == Place::Memory) {
        let letter = if whole.section_of(symbol.address).is_some_and(|s| s.executable) { 'T' } else { 'd' };
        lines += &format!("{:x} {letter} {}\n", symbol.address + slide, symbol.name);
    }
    lines += &format!("{:x} T _text\n", 0xffff_ffff_8100_0000_u64 + slide);
    let image = bare().with_symbols(&workshop.write("names", &lines)).unwrap();
    for name in ["mutex_lock", "a_lock"] {
        let address = |image: &Image| image.symbols_named(name).next().unwrap().address;
        assert_eq!(address(&image), address(&whole));
    }
    let at = image.symbols_named("mutex_lock").next().unwrap().address + 1;
    assert_eq!(image.symbol_at(at).map(|(s, offset)| (s.name.as_str(), offset)), Some(("mutex_lock", 1)));

    let moved = lines.replace(" linux_banner", " other").replace(" mutex_lock\n", " linux_banner\n");
    let moved = bare().with_symbols(&workshop.write("moved", moved)).unwrap_err().to_string();
    assert!(moved.contains("`linux_banner`") && moved.ends_with("of another kernel"), "{moved}");

    let foreign: String = (0..200).map(|n| format!("{:x} T f{n}\n", 0xffff_ffff_9000_0000_u64 + n)).collect();
    let foreign = workshop.write("foreign", foreign + "ffffffff81000000 T _text\n");
    assert!(bare().with_symbols(&foreign).unwrap_err().to_string().contains("of another kernel?"));
}

#[test]
fn the_best_image_is_found() {
    let workshop = Workshop::new();
    let kernel = workshop.kernel();
    workshop.run("objcopy", &["--strip-debug", "vmlinux", "plain"]);
    let wanted = Wanted { root: workshop.path(""), release: Some("9.9.9-test".to_owned()), ..Default::default() };
    let nothing = find(&wanted).unwrap_err().to_string();
    for part in ["no image of kernel 9.9.9-test", "linux-image-9.9.9-test-dbg", "boot/vmlinuz-9.9.9-test: not there"] {
        assert!(nothing.contains(part), "{nothing}");
    }

    fs::create_dir_all(workshop.path("boot")).unwrap();
    let plain = workshop.path("boot/vmlinuz-9.9.9-test");
    fs::copy(workshop.path("plain"), &plain).unwrap();
    let found = find(&wanted).unwrap();
    assert_eq!((found.source, &found.kernel.path), (Source::Code, &plain));
    assert!(found.passed_over.iter().any(|line| line.ends_with("usr/lib/debug/boot/vmlinux-9.9.9-test: not there")));

    fs::create_dir_all(workshop.path("usr/lib/debug/boot")).unwrap();
    let debug = workshop.path("usr/lib/debug/boot/vmlinux-9.9.9-test");
    fs::write(&debug, "garbage").unwrap();
    let found = find(&wanted).unwrap();
    assert_eq!(found.source, Source::Code);
    assert!(found.passed_over.iter().any(|line| line.contains("not an ELF file")), "{:?}", found.passed_over);
    fs::copy(&kernel, &debug).unwrap();
    fs::create_dir_all(workshop.path("lib/modules/9.9.9-test/kernel")).unwrap();
    fs::copy(workshop.module(), workshop.path("lib/modules/9.9.9-test/kernel/mini.ko")).unwrap();
    let found = find(&wanted).unwrap();
    assert_eq!((found.source, &found.kernel.path, found.modules.len()), (Source::Debug, &debug, 1));

    let named = Wanted { vmlinux: Some(plain.clone()), ..wanted };
    let found = find(&named).unwrap();
    assert_eq!((found.source, &found.kernel.path, found.modules.len()), (Source::Code, &plain, 0));
    fs::create_dir(workshop.path("empty")).unwrap();
    let refused = |wanted: Wanted| find(&wanted).unwrap_err().to_string();
    let missing = Wanted { vmlinux: Some(workshop.path("no such file")), ..named.clone() };
    assert!(refused(missing).contains("cannot open"));
    let missing = Wanted { debug: Some(workshop.path("no such folder")), ..named.clone() };
    assert!(refused(missing).contains("no such folder: No such file or directory"));
    let missing = Wanted { modules: Some(workshop.path("empty")), ..named };
    assert!(refused(missing).contains("no modules"));
}

#[test]
fn code_and_debug_information_in_two_files() {
    let workshop = Workshop::new();
    let whole = Image::open(&workshop.kernel()).unwrap();
    workshop.run("objcopy", &["--only-keep-debug", "vmlinux", "only.debug"]);
    workshop.run("objcopy", &["--strip-all", "vmlinux", "bare"]);
    let named = |vmlinux: &str, vmlinuz: Option<&str>, debug: Option<&str>| {
        find(&Wanted {
            root: workshop.path("nowhere"),
            vmlinux: Some(workshop.path(vmlinux)),
            vmlinuz: vmlinuz.map(|name| workshop.path(name)),
            debug: debug.map(|name| workshop.path(name)),
            ..Default::default()
        })
    };
    assert!(named("only.debug", None, None).unwrap_err().to_string().contains("no code"));
    assert_eq!(named("bare", None, None).unwrap().source, Source::Code);

    let id: String = whole.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = format!("debug/.build-id/{}", &id[..2]);
    fs::create_dir_all(workshop.path(&folder)).unwrap();
    fs::copy(workshop.path("only.debug"), workshop.path(&format!("{folder}/{}.debug", &id[2..]))).unwrap();
    fs::create_dir_all(workshop.path("boot")).unwrap();
    fs::create_dir_all(workshop.path("usr/lib/debug/boot")).unwrap();
    fs::copy(workshop.path("bare"), workshop.path("boot/vmlinuz-9.9.9-test")).unwrap();
    fs::copy(workshop.path("only.debug"), workshop.path("usr/lib/debug/boot/vmlinux-9.9.9-test")).unwrap();
    let usual = Wanted { root: workshop.path(""), release: Some("9.9.9-test".to_owned()), ..Default::default() };
    workshop.run("objcopy", &["--add-gnu-debuglink=only.debug", "bare", "linked"]);
    let together = [
        named("only.debug", Some("bare"), None),
        named("bare", None, Some("debug")),
        named("linked", None, None),
        find(&usual),
    ];
    for (way, found) in together.into_iter().enumerate() {
        let found = found.unwrap();
        assert_eq!((found.source, &found.kernel.symbols), (Source::Debug, &whole.symbols), "way {way}");
        for section in [".debug_info", ".debug_line", ".text"] {
            assert_eq!(found.kernel.section_data(section).unwrap(), whole.section_data(section).unwrap(), "way {way}");
        }
        let text = whole.section(".text").unwrap().address;
        assert_eq!(found.kernel.bytes(text, 16), whole.bytes(text, 16), "way {way}");
    }
    workshop.write("second.c", "long another; long *second(void) { return &another; }");
    workshop.run("gcc", &["-nostdlib", "-static", "-no-pie", "-Wl,--build-id", "-o", "other", "second.c"]);
    let other = Image::open(&workshop.path("other")).unwrap();
    assert!(other.with_debug(whole).unwrap_err().to_string().contains("not of the same build"));
}

#[test]
fn the_running_kernel_is_at_least_described() {
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        println!("skipped: this kernel does not show its types");
        return;
    }
    match find(&Wanted::default()) {
        Ok(found) => {
            let running = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
            assert_eq!(found.kernel.release(), Some(running.trim()));
            assert!(found.kernel.btf().unwrap().is_some());
            assert!(found.kernel.symbols_named("mutex_lock").next().is_some());
        }
        Err(error) => println!("skipped: {error}"),
    }
}

#[test]
fn the_big_kernel_is_found_in_its_folder() {
    let Some(root) = big("d61", "") else { return };
    let wanted = Wanted { root, release: Some("6.1.0-50-cloud-amd64".to_owned()), ..Default::default() };
    assert_eq!(find(&wanted).unwrap().source, Source::Debug);
}
