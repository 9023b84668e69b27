//! How a struct is laid out.

use crate::Error;
use crate::build::{hex, types_of};
use crate::image::{Image, MODULES_START, ModuleFile};
use crate::layout::{LayoutRow, layout};
use crate::store::Index;
use crate::types::{TypeId, Types, TypesBuilder, btf};
use lima_model::index::{Basis, Input};
use lima_model::table::{Kind, Rows, Value};
use rayon::prelude::*;
use std::path::Path;
use std::sync::Arc;

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
    ("module", Kind::Text),
];

/// The members of a struct or union, or of what a typedef stands for, with its locks and cache lines; with `expand` those
/// of the structs inside that have locks, too. Of a type that the kernel itself does not have, those of every module that
/// has it. Layouts are not kept in an index: the kernel's image, or its modules, are opened again.
///
/// # Errors
/// [`Error::Missing`] when the image is gone or is another one now, or nothing has such a struct.
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
    let types = Arc::new(types_of(&image, manifest.mode == Basis::Dwarf)?);
    let mut rows = Rows::new(COLUMNS.iter().copied());
    add(&types, named(&types, name), None, name, expand, &mut rows);
    if rows.rows.is_empty() {
        let modules: Vec<_> = manifest.inputs.iter().filter(|input| input.kind == "module").collect();
        let found: Vec<_> = modules.par_iter().filter_map(|module| in_module(module, &image, &types, name)).collect();
        for (module, types, found) in &found {
            add(types, found.clone(), Some(module), name, expand, &mut rows);
        }
        if rows.rows.is_empty() {
            return Err(Error::Missing(format!(
                "there is no struct or union `{name}` among the kernel's own types and those of the {} modules of this index",
                modules.len()
            )));
        }
    }
    Ok(rows)
}

/// The structs and unions of a name, and those that typedefs of that name stand for.
fn named(types: &Types, name: &str) -> Vec<TypeId> {
    let mut found: Vec<TypeId> = types.composites_named(name).collect();
    found.extend(types.aliases_named(name).map(|id| types.resolve(id)).filter(|&id| types.composite(id).is_some()));
    found.dedup();
    found
}

/// The same of a module's own types, by its BTF. A module that cannot be read, or is another one now, has none.
fn in_module(module: &Input, image: &Image, types: &Arc<Types>, name: &str) -> Option<(String, Types, Vec<TypeId>)> {
    let own = ModuleFile::read(Path::new(&module.path), None).ok()?.at(MODULES_START, image).ok()?;
    let (bytes, base) = (own.btf().ok()??, own.btf_base().ok()?);
    let builder = match base {
        Some(base) => btf::read_module_with_base(&base, &bytes, Arc::clone(types)),
        None => btf::read_module(&bytes, Arc::clone(types)),
    };
    let types = builder.and_then(TypesBuilder::build).ok()?;
    let found = named(&types, name);
    (!found.is_empty()).then(|| (module.name.clone(), types, found))
}

fn add(types: &Types, found: Vec<TypeId>, module: Option<&str>, name: &str, expand: bool, rows: &mut Rows) {
    for id in found {
        let size = types.bytes(id);
        let members = layout(types, id, expand).unwrap_or_default();
        rows.rows.extend(members.into_iter().map(|member| row(name, module, size, member)));
    }
}

fn row(name: &str, module: Option<&str>, size: u32, member: LayoutRow) -> Vec<Value> {
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
        module.map(str::to_owned).into(),
    ]
}
