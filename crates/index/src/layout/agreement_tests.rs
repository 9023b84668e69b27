//! BTF and DWARF tell of the same locks.

use super::lock_members;
use crate::debug::Debug;
use crate::image::Image;
use crate::rows::LockMember;
use crate::types::Types;
use crate::types::fixture::{d61, d61_path};
use std::collections::BTreeSet;

/// What both must agree on; of DWARF's structs there are some that no code uses, and some more than once.
fn said(types: &Types) -> BTreeSet<String> {
    let words = |row: &LockMember| {
        let (declaring, own, kind) = (&row.declaring, &row.declared_path, row.lock_type.name());
        let array = row.array_count.map(|count| format!(" x{count}")).unwrap_or_default();
        format!("{}.{} = {declaring}.{own} {kind} at {}, {}{array}", row.composite, row.path, row.offset, row.bytes)
    };
    lock_members(types).iter().map(words).collect()
}

#[test]
fn index_filter_layout_btf_and_dwarf_agree() {
    let (Some(btf), Some(path)) = (d61(), d61_path()) else { return };
    let image = Image::open(&path).expect("an image");
    let debug = Debug::open(&image).expect("debug information").expect("some");
    let dwarf = debug.types(&path, None).expect("types");
    let (btf, dwarf) = (said(&btf), said(&dwarf));
    let (only_btf, only_dwarf): (Vec<_>, Vec<_>) = (btf.difference(&dwarf).collect(), dwarf.difference(&btf).collect());
    assert!(btf.len() > 1900 && only_btf.is_empty() && only_dwarf.is_empty(), "{only_btf:#?}\n{only_dwarf:#?}");
}
