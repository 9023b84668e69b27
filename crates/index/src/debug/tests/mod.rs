//! The room against programs that are compiled on the spot, other tools, and the big kernel when it is there.

mod frames;
mod hostile;
mod sections;
mod variables;

use super::{Debug, TypeMap};
use crate::image::Image;
use crate::types::{Types, btf};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

/// A compiled program.
struct Program {
    _folder: TempDir,
    path: PathBuf,
    image: Image,
    /// What it was compiled with.
    with: String,
}

const SOURCE: &str = include_str!("fixture.c");

/// The fixture, compiled by each compiler for each version of DWARF.
fn programs() -> Vec<Program> {
    let mut programs = Vec::new();
    for compiler in ["gcc", "clang-19"] {
        for version in ["-gdwarf-4", "-gdwarf-5"] {
            programs.extend(compiled(compiler, &[version, "-O2"]));
        }
    }
    // Entries that refer to other units; packed sections.
    programs.extend(compiled("gcc", &["-gdwarf-5", "-O2", "-flto"]));
    programs.extend(compiled("clang-19", &["-gdwarf-5", "-O1", "-gz=zlib"]));
    programs
}

fn compiled(compiler: &str, flags: &[&str]) -> Option<Program> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("fixture.c"), SOURCE).unwrap();
    let path = folder.path().join("program");
    let result = Command::new(compiler)
        .args(["-nostdlib", "-static", "-fno-pie", "-fno-stack-protector", "-o", "program", "./fixture.c"])
        .args(flags)
        .args(if compiler == "gcc" { &["-no-pie"][..] } else { &[] })
        .current_dir(folder.path())
        .status();
    match result {
        Ok(status) => assert!(status.success(), "{compiler} {flags:?}"),
        Err(error) => {
            println!("skipped: {compiler}: {error}");
            return None;
        }
    }
    let image = Image::open(&path).unwrap();
    Some(Program { _folder: folder, path, image, with: format!("{compiler} {flags:?}") })
}

/// The big kernel with debug information, when the test set-up has fetched it.
fn d61() -> Option<Image> {
    let home = std::env::var_os("HOME")?;
    let path = Path::new(&home).join(".cache/lima/kernels/d61/usr/lib/debug/boot/vmlinux-6.1.0-50-cloud-amd64");
    if path.exists() {
        return Some(Image::open(&path).unwrap());
    }
    println!("skipped: {} is not there; scripts/fetch-kernel.sh fetches it", path.display());
    None
}

fn btf_types(image: &Image) -> Arc<Types> {
    let btf = image.section_data(".BTF").unwrap().unwrap();
    Arc::new(btf::read(&btf).unwrap().build().unwrap())
}

impl Program {
    fn debug(&self) -> Debug<'_> {
        Debug::open(&self.image).unwrap().unwrap()
    }

    fn types(&self, debug: &Debug<'_>) -> TypeMap {
        TypeMap::new(Arc::new(debug.types(&self.path, None).unwrap()))
    }

    /// Start and end of a function.
    fn function(&self, name: &str) -> (u64, u64) {
        let symbol = self.image.symbols.iter().find(|symbol| symbol.name.split('.').next() == Some(name)).unwrap();
        (symbol.address, symbol.address + symbol.size)
    }
}
