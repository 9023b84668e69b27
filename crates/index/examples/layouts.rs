//! How long it takes to find all locks in the structs of a kernel, from its BTF, and in its variables, from its DWARF:
//! `layouts FILE [--members | --globals]` (an image, or the contents of a section .BTF).

use lima_index::debug::{Debug, TypeMap};
use lima_index::image::Image;
use lima_index::layout::{Globals, lock_members};
use lima_index::types::btf;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which file?")?;
    let list = std::env::args().nth(2).unwrap_or_default();
    let bytes;
    let image = Image::open(Path::new(&path)).ok();
    let section = match &image {
        Some(image) => image.btf()?.ok_or("no section .BTF")?,
        None => {
            bytes = std::fs::read(&path)?;
            bytes.into()
        }
    };
    let begin = Instant::now();
    let types = Arc::new(btf::read(&section)?.build()?);
    let read = begin.elapsed();
    let rows = lock_members(&types);
    let all = begin.elapsed();
    println!("{} types in {read:?}, {} lock members in {:?} more", types.end().0, rows.len(), all - read);
    let structs: BTreeSet<_> = rows.iter().map(|row| &row.composite).collect();
    println!("in {} structs: {:?}", structs.len(), count(rows.iter().map(|row| row.lock_type.name())));
    if list == "--members" {
        rows.iter().for_each(|row| println!("{row:?}"));
    }
    let Some(image) = &image else { return Ok(()) };
    let begin = Instant::now();
    let variables = match Debug::open(image)? {
        Some(debug) => debug.variables(&TypeMap::new(Arc::clone(&types))),
        None => Vec::new(),
    };
    let read = begin.elapsed();
    let begin = Instant::now();
    let (rows, left_out) = Globals::new(image, &types, &variables).into_rows();
    println!("{} variables in {read:?}, {} locks in {:?} more", variables.len(), rows.len(), begin.elapsed());
    let holding: BTreeSet<_> =
        rows.iter().map(|row| (&row.symbol, &row.function, row.address - row.address % 4096)).collect();
    println!("in about {} variables, {left_out} left out", holding.len());
    println!("{:?}", count(rows.iter().map(|row| row.lock_type.name())));
    println!("{:?}", count(rows.iter().map(|row| row.method)));
    if list == "--globals" {
        rows.iter().for_each(|row| println!("{row:?}"));
    }
    Ok(())
}

fn count<'a>(words: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_insert(0) += 1);
    counts
}
