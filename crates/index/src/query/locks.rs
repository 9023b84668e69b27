//! Which locks there are.

use crate::Error;
use crate::store::Index;
use lima_model::IndexTable;
use lima_model::pattern::fits;
use lima_model::table::{Kind, Rows, Value};

/// Which locks are meant: those that fit all of these.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    /// The type, `mutex`.
    pub lock_type: Option<String>,
    /// Pattern of the struct that the lock lies in; leaves out locks in variables.
    pub composite: Option<String>,
    /// Pattern of the object, `inode.i_rwsem`.
    pub object: Option<String>,
    /// Only locks in variables.
    pub globals: bool,
    /// Pattern of the module; `vmlinux` is the kernel image.
    pub module: Option<String>,
}

/// What stands for the kernel image where a module is asked for.
pub(super) const KERNEL: &str = "vmlinux";

pub(super) fn in_module(wanted: Option<&str>, module: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| fits(wanted, module.unwrap_or(KERNEL)))
}

const COLUMNS: &[(&str, Kind)] = &[
    ("object", Kind::Text),
    ("lock_type", Kind::Text),
    ("size", Kind::Id),
    ("struct", Kind::Text),
    ("offset", Kind::Id),
    ("path", Kind::Text),
    ("struct_size", Kind::Id),
    ("array_count", Kind::Count),
    ("line_mates", Kind::Texts),
    ("symbol", Kind::Text),
    ("address", Kind::Address),
    ("section", Kind::Text),
    ("per_cpu", Kind::Flag),
    ("function", Kind::Text),
    ("variable_type", Kind::Text),
    ("method", Kind::Text),
    ("module", Kind::Text),
];

impl Locks {
    fn fit(&self, object: &str, lock_type: &str, module: Option<&str>) -> bool {
        self.lock_type.as_deref().is_none_or(|wanted| wanted == lock_type)
            && self.object.as_deref().is_none_or(|wanted| fits(wanted, object))
            && in_module(self.module.as_deref(), module)
    }
}

/// The locks in structs, then those in variables.
pub fn locks(index: &Index, wanted: &Locks) -> Result<Rows, Error> {
    let mut rows = Rows::new(COLUMNS.iter().copied());
    if !wanted.globals {
        members(index, wanted, &mut rows)?;
    }
    if wanted.composite.is_none() {
        globals(index, wanted, &mut rows)?;
    }
    Ok(rows)
}

fn members(index: &Index, wanted: &Locks, rows: &mut Rows) -> Result<(), Error> {
    let table = index.read_all(IndexTable::Locks)?;
    let (objects, types, modules) = (table.texts("object")?, table.texts("lock_type")?, table.texts("module")?);
    let (composites, paths, mates) = (table.texts("struct")?, table.texts("path")?, table.text_lists("line_mates")?);
    let (offsets, sizes, counts) = (table.small("offset")?, table.small("size")?, table.small("array_count")?);
    let struct_sizes = table.small("struct_size")?;
    for row in 0..table.len() {
        let composite = composites.get(row);
        if !wanted.fit(objects.get(row), types.get(row), modules.maybe(row))
            || !wanted.composite.as_deref().is_none_or(|wanted| fits(wanted, composite))
        {
            continue;
        }
        rows.rows.push(vec![
            objects.get(row).into(),
            types.get(row).into(),
            sizes.get(row).into(),
            composite.into(),
            offsets.get(row).into(),
            paths.get(row).into(),
            struct_sizes.get(row).into(),
            counts.maybe(row).into(),
            mates.get(row).map(str::to_owned).collect::<Vec<_>>().into(),
            Value::Missing,
            Value::Missing,
            Value::Missing,
            Value::Missing,
            Value::Missing,
            Value::Missing,
            Value::Missing,
            modules.maybe(row).into(),
        ]);
    }
    Ok(())
}

fn globals(index: &Index, wanted: &Locks, rows: &mut Rows) -> Result<(), Error> {
    let table = index.read_all(IndexTable::Globals)?;
    let (objects, types, modules) = (table.texts("object")?, table.texts("lock_type")?, table.texts("module")?);
    let (symbols, paths, sections) = (table.texts("symbol")?, table.texts("path")?, table.texts("section")?);
    let (functions, variables) = (table.texts("function")?, table.texts("variable_type")?);
    let (addresses, sizes, per_cpu) = (table.numbers("address")?, table.small("size")?, table.flags("per_cpu")?);
    let methods = table.texts("method")?;
    for row in 0..table.len() {
        if !wanted.fit(objects.get(row), types.get(row), modules.maybe(row)) {
            continue;
        }
        rows.rows.push(vec![
            objects.get(row).into(),
            types.get(row).into(),
            sizes.get(row).into(),
            Value::Missing,
            Value::Missing,
            paths.get(row).into(),
            Value::Missing,
            Value::Missing,
            Value::Missing,
            symbols.get(row).into(),
            addresses.get(row).into(),
            sections.get(row).into(),
            per_cpu.value(row).into(),
            functions.maybe(row).into(),
            variables.get(row).into(),
            methods.get(row).into(),
            modules.maybe(row).into(),
        ]);
    }
    Ok(())
}
