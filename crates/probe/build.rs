//! Compiles the BPF programs and generates their Rust skeletons, types included, into OUT_DIR.

use libbpf_cargo::SkeletonBuilder;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let clang = clang();
    println!("cargo::rerun-if-env-changed=CLANG");
    for folder in ["src/bpf", "src/capabilities"] {
        println!("cargo::rerun-if-changed={folder}");
        for source in sources(Path::new(folder)) {
            let name = source.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".bpf.c"));
            let skeleton = out.join(format!("{}.skel.rs", name.expect("sources end in .bpf.c")));
            SkeletonBuilder::new()
                .source(&source)
                .clang(&clang)
                .clang_args(["-Isrc/bpf", "-mcpu=v3", "-Wall", "-Werror"])
                .build_and_generate(&skeleton)
                .unwrap_or_else(|error| panic!("{} does not compile: {error:?}", source.display()));
        }
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.to_string_lossy().ends_with(".bpf.c")).collect()
}

/// `$CLANG`, or the newest that Debian 12 has, or what is called `clang`.
fn clang() -> PathBuf {
    if let Some(clang) = env::var_os("CLANG") {
        return clang.into();
    }
    let runs = |name: &&str| {
        Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    };
    ["clang-19", "clang"].iter().find(|name| runs(name)).expect("clang is missing: run `make setup`").into()
}
