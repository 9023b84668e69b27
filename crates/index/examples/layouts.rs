//! How long it takes to find all locks in the structs of a kernel, from its BTF: `layouts FILE` (an ELF file with a
//! section .BTF, or the contents of one).

use lima_index::layout::lock_members;
use lima_index::types::{Type, btf};
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which file?")?;
    let file = std::fs::File::open(&path)?;
    // SAFETY: the file is only read, and nobody changes it while this runs.
    let file = unsafe { memmap2::Mmap::map(&file)? };
    let elf = object::File::parse(&*file).ok();
    let bytes = match &elf {
        Some(elf) => elf.section_by_name(".BTF").ok_or("no section .BTF")?.data()?,
        None => &*file,
    };
    let begin = Instant::now();
    let types = btf::read(bytes)?.build()?;
    let read = begin.elapsed();
    let rows = lock_members(&types);
    let all = begin.elapsed();
    println!("{} types in {read:?}, {} lock members in {:?}", types.end().0, rows.len(), all - read);
    let structs: BTreeSet<_> = rows.iter().map(|row| &row.composite).collect();
    let mut kinds = BTreeMap::new();
    for row in &rows {
        *kinds.entry(row.lock_type.name()).or_insert(0) += 1;
    }
    println!("{} structs, {kinds:?}", structs.len());
    let composites = types.own().filter(|&id| matches!(types.get(id), Type::Composite(_)) && types.is_named(id));
    println!("{} named composites", composites.count());
    for row in rows.iter().filter(|_| std::env::args().nth(2).is_some()) {
        println!("{row:?}");
    }
    Ok(())
}
