//! Debug information of any bytes: for each section in turn its length in four bytes, and its contents
//! (`fuzz/seed-debug.sh` makes such files). Everything is asked of it that an index asks.

#![no_main]

#[path = "../../crates/index/src/debug/tests/sections.rs"]
mod sections;

use libfuzzer_sys::fuzz_target;
use lima_index::debug::{Debug, TypeMap};
use sections::SECTIONS;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    let sections = SECTIONS.map(|name| {
        let Some((length, after)) = rest.split_first_chunk() else { return (name, rest) };
        let (contents, after) = after.split_at((u32::from_le_bytes(*length) as usize).min(after.len()));
        rest = after;
        (name, contents)
    });
    let load = |name: &str| Ok(sections.iter().find(|(other, _)| *other == name).map(|(_, bytes)| Cow::Borrowed(*bytes)));
    let path = Path::new("fuzz");
    let Ok(Some(debug)) = Debug::from_sections(path, &[], load) else { return };
    // Where the seeds have their code.
    let addresses: Vec<u64> = (0x401000..0x401400).step_by(8).collect();
    let _ = debug.frames(&addresses);
    let map = TypeMap::new(Arc::new(debug.types(path, None).unwrap_or_default()));
    let _ = (debug.variables(&map), debug.variables_of(&map, &addresses), debug.functions(&map, &addresses));
});
