//! How a struct is laid out.

use crate::Error;
use crate::build::{hex, types_of};
use crate::image::Image;
use crate::layout::{LayoutRow, layout};
use crate::store::Index;
use crate::types::TypeId;
use lima_model::index::Basis;
use lima_model::table::{Kind, Rows, Value};
use std::path::Path;

const COLUMNS: &[(&str, Kind)] = &[
    ("struct", Kind::Text),
    ("struct_size", Kind::Id),
    ("cache_line", Kind::Id),
    ("offset", Kind::Id),
    ("size", Kind::Id),
    ("bit_offset", Kind::Id),
    ("bit_size", Kind::Id),
    ("depth", Kind::Id),
    ("path", Kind::Text),
    ("type", Kind::Text),
    ("lock_type", Kind::Text),
    ("locks_inside", Kind::Id),
];

/// The members of a struct or union, or of what a typedef stands for, with its locks and cache lines; with `expand` those
/// of the structs inside that have locks, too. Layouts are not kept in an index: the kernel's image is opened again.
///
/// # Errors
/// [`Error::Missing`] when the image is gone or is another one now, or has no such struct.
pub fn show(index: &Index, name: &str, expand: bool) -> Result<Rows, Error> {
    let manifest = index.manifest();
    let path = manifest.inputs.first().map(|input| Path::new(&input.path));
    let path = path.ok_or_else(|| Error::malformed(index.folder(), "index.json", "it names no kernel"))?;
    let image = Image::open(path)?;
    if hex(&image.build_id) != manifest.build_id {
        return Err(Error::Missing(format!(
            "{} is no longer the kernel that the index was made from: make the index anew",
            path.display()
        )));
    }
    let types = types_of(&image, manifest.mode == Basis::Dwarf)?;
    let mut found: Vec<TypeId> = types.composites_named(name).collect();
    found.extend(types.aliases_named(name).map(|id| types.resolve(id)).filter(|&id| types.composite(id).is_some()));
    found.dedup();
    if found.is_empty() {
        return Err(Error::Missing(format!("the kernel's own types have no struct or union `{name}`")));
    }
    let mut rows = Rows::new(COLUMNS.iter().copied());
    for id in found {
        let size = types.bytes(id);
        let members = layout(&types, id, expand).unwrap_or_default();
        rows.rows.extend(members.into_iter().map(|member| row(name, size, member)));
    }
    Ok(rows)
}

fn row(name: &str, size: u32, member: LayoutRow) -> Vec<Value> {
    vec![
        name.into(),
        size.into(),
        member.line.into(),
        member.offset.into(),
        member.bytes.into(),
        member.bits.map(|(offset, _)| offset).into(),
        member.bits.map(|(_, size)| size).into(),
        member.depth.into(),
        member.path.into(),
        member.type_name.into(),
        member.lock_type.map(|lock_type| lock_type.name()).into(),
        Some(member.locks_inside).filter(|&locks| locks > 0).into(),
    ]
}
