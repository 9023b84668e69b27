//! A fingerprint of the code that makes indexes: one that other code made may know less, and is made anew.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=src");
    let mut hash = DefaultHasher::new();
    hash_folder(Path::new("src"), &mut hash)?;
    env::var("CARGO_PKG_VERSION").unwrap_or_default().hash(&mut hash);
    println!("cargo::rustc-env=LIMA_ANALYSIS={:016x}", hash.finish());
    Ok(())
}

fn hash_folder(folder: &Path, hash: &mut DefaultHasher) -> io::Result<()> {
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            hash_folder(&path, hash)?;
        } else {
            path.hash(hash);
            fs::read(&path)?.hash(hash);
        }
    }
    Ok(())
}
