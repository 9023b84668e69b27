//! Frames, compared with what llvm-symbolizer says.

use super::{d61, programs};
use crate::debug::{Debug, Frame};
use crate::image::SymbolKind;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What llvm-symbolizer says: function, file and line of each frame.
fn symbolized(path: &Path, addresses: &[u64]) -> Option<Vec<Vec<(String, String, u32)>>> {
    let child = Command::new("llvm-symbolizer")
        .args(["--inlining", "--functions=linkage", "--no-demangle", "-e"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: llvm-symbolizer: {error}");
            return None;
        }
    };
    let text: String = addresses.iter().map(|address| format!("{address:#x}\n")).collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let blocks = output.trim_end().split("\n\n").map(|block| {
        let lines: Vec<&str> = block.lines().collect();
        let frame = |pair: &[&str]| {
            let mut parts = pair[1].rsplitn(3, ':');
            let (_, line, file) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
            (pair[0].to_owned(), file.to_owned(), line.parse().unwrap())
        };
        lines.chunks_exact(2).map(frame).collect()
    });
    Some(blocks.collect())
}

/// Whether a frame is the same as theirs. Their outermost name is the symbol's, ours the source's; their files are below
/// the folder of the build.
fn same(ours: &Frame, theirs: &(String, String, u32), outermost: bool) -> bool {
    let (name, file, line) = theirs;
    let name = if outermost { name.split('.').next().unwrap_or(name) } else { name };
    let tidy = super::super::files::tidied(file);
    (outermost || *ours.function == *name) && tidy.ends_with(&*ours.file) && ours.line == *line
}

#[test]
fn frames_of_small_programs() {
    for program in programs() {
        let debug = program.debug();
        let mut addresses = Vec::new();
        for symbol in program.image.symbols.iter().filter(|symbol| symbol.kind == SymbolKind::Function) {
            addresses.extend(symbol.address..symbol.address + symbol.size);
        }
        addresses.sort_unstable();
        addresses.dedup();
        let Some(theirs) = symbolized(&program.path, &addresses) else { return };
        let ours = debug.frames(&addresses);
        assert_eq!(ours.len(), theirs.len());
        for ((address, ours), theirs) in addresses.iter().zip(&ours).zip(&theirs) {
            assert_eq!(ours.len(), theirs.len(), "{}: {address:#x}: {ours:?} {theirs:?}", program.with);
            for (index, (frame, other)) in ours.iter().zip(theirs).enumerate() {
                let outermost = index + 1 == ours.len();
                assert!(same(frame, other, outermost), "{}: {address:#x}: {ours:?} {theirs:?}", program.with);
                assert_eq!(&*frame.file, "fixture.c");
            }
        }
        assert!(ours.iter().any(|frames| frames.len() >= 3), "{}: nothing is inlined twice", program.with);
        assert_eq!(debug.losses().units, 0);
    }
}

#[test]
fn addresses_outside_have_no_frames() {
    for program in programs() {
        let (start, _) = program.function("walk");
        let frames = program.debug().frames(&[0, 1, start, u64::MAX - 1, u64::MAX]);
        let counts: Vec<usize> = frames.iter().map(Vec::len).collect();
        assert_eq!(counts, [0, 0, 1, 0, 0], "{}", program.with);
    }
}

#[test]
fn where_functions_are_declared() {
    for program in programs() {
        let debug = program.debug();
        let map = program.types(&debug);
        let names = ["walk", "part", "take", "use", "_start"];
        let addresses = names.map(|name| program.function(name).0);
        let functions = debug.functions(&map, &addresses);
        let spelled = |id| map.types().spelled(id);
        for (name, function) in names.iter().zip(functions) {
            let function = function.unwrap();
            assert_eq!((&*function.name, &*function.file), (*name, "fixture.c"), "{}", program.with);
            let line = super::SOURCE.lines().nth(function.line as usize - 1).unwrap();
            assert!(line.contains(&format!("{name}(")), "{name}: {line}");
            // Numbers of one size are one to us.
            let of_pointer = |id: &_| map.types().pointee(*id).is_some();
            let parameters: Vec<String> =
                function.parameters.iter().filter(|id| of_pointer(id)).map(|id| spelled(*id)).collect();
            let expected: &[&str] = match *name {
                "walk" => &["struct list *", "pair_t *"],
                "part" => &["struct item *"],
                "take" => &["lock_t *"],
                "use" => &["void *"],
                _ => &[],
            };
            assert_eq!(parameters, expected, "{} of {}", name, program.with);
        }
    }
}

/// Calls of the big kernel, chosen without a pattern but always the same.
fn some_calls(image: &crate::image::Image, count: usize) -> Vec<u64> {
    let mut addresses: Vec<u64> = Vec::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let functions: Vec<_> = image
        .symbols
        .iter()
        .filter(|symbol| {
            symbol.kind == SymbolKind::Function
                && symbol.size > 8
                && image.section_of(symbol.address).is_some_and(|section| section.executable)
        })
        .collect();
    while addresses.len() < count {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let function = functions[(state >> 33) as usize % functions.len()];
        addresses.push(function.address + (state >> 7) % function.size);
    }
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

#[test]
fn frames_of_a_real_kernel() {
    let Some(image) = d61() else { return };
    let debug = Debug::open(&image).unwrap().unwrap();
    let addresses = some_calls(&image, 2000);
    let Some(theirs) = symbolized(&image.path, &addresses) else { return };
    let ours = debug.frames(&addresses);
    let mut different = Vec::new();
    for ((address, ours), theirs) in addresses.iter().zip(&ours).zip(&theirs) {
        let count = ours.len();
        let equal = count == theirs.len()
            && ours.iter().zip(theirs).enumerate().all(|(index, (a, b))| same(a, b, index + 1 == count));
        if !equal && !ours.is_empty() {
            different.push(format!("{address:#x}: {ours:?} {theirs:?}"));
        }
    }
    assert_eq!(debug.losses().units, 0);
    assert!(different.is_empty(), "{} of {}: {different:#?}", different.len(), addresses.len());
}
