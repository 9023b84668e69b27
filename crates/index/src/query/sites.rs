//! Who takes which lock.

use super::at::MOST_BYTES;
use super::locks::in_module;
use super::names::function_fits;
use crate::Error;
use crate::store::{Columns, Index, Numbers, Small, SmallLists, TextLists, Texts};
use lima_model::IndexTable;
use lima_model::pattern::fits;
use lima_model::table::{Kind, Rows, Value};

/// Which sites are meant: those that fit all of these.
#[derive(Clone, Debug, Default)]
pub struct Sites {
    /// Pattern of the object, `inode.i_rwsem`.
    pub object: Option<String>,
    /// Also those whose alternatives fit `object`.
    pub alternatives: bool,
    /// Pattern of the function that the site is in, also when that was inlined.
    pub function: Option<String>,
    /// `acquire`, `try`, `release` or `init`; none of them: all.
    pub operations: Vec<String>,
    /// The type, `mutex`.
    pub lock_type: Option<String>,
    /// How the object was found; `unknown` for sites whose object is not known.
    pub method: Option<String>,
    /// Pattern of the module; `vmlinux` is the kernel image.
    pub module: Option<String>,
}

const COLUMNS: &[(&str, Kind)] = &[
    ("address", Kind::Address),
    ("function", Kind::Text),
    ("offset", Kind::Address),
    ("file", Kind::Text),
    ("line", Kind::Id),
    ("operation", Kind::Text),
    ("primitive", Kind::Text),
    ("lock_type", Kind::Text),
    ("mode", Kind::Text),
    ("object", Kind::Text),
    ("alternatives", Kind::Texts),
    ("method", Kind::Text),
    ("confidence", Kind::Text),
    ("cause", Kind::Text),
    ("lock_address", Kind::Address),
    ("frame_functions", Kind::Frames),
    ("frame_files", Kind::Texts),
    ("frame_lines", Kind::Numbers),
    ("lock_name", Kind::Text),
    ("class_key", Kind::Address),
    ("module", Kind::Text),
];

/// The table `sites`, column by column.
pub(super) struct Table<'a> {
    pub address: Numbers<'a>,
    pub function: Texts<'a>,
    pub function_address: Numbers<'a>,
    pub file: Texts<'a>,
    pub line: Small<'a>,
    pub operation: Texts<'a>,
    pub primitive: Texts<'a>,
    pub lock_type: Texts<'a>,
    pub mode: Texts<'a>,
    pub object: Texts<'a>,
    alternatives: TextLists<'a>,
    pub method: Texts<'a>,
    confidence: Texts<'a>,
    cause: Texts<'a>,
    lock_address: Numbers<'a>,
    frames: Frames<'a>,
    lock_name: Texts<'a>,
    class_key: Numbers<'a>,
    pub module: Texts<'a>,
    pub len: usize,
}

/// The columns that tell a chain of inlined functions.
pub(super) struct Frames<'a> {
    functions: TextLists<'a>,
    files: TextLists<'a>,
    lines: SmallLists<'a>,
}

impl<'a> Frames<'a> {
    pub(super) fn of(table: &'a Columns) -> Result<Self, Error> {
        let (functions, files) = (table.text_lists("frame_functions")?, table.text_lists("frame_files")?);
        Ok(Self { functions, files, lines: table.small_lists("frame_lines")? })
    }

    /// The functions of a row, innermost first.
    pub(super) fn functions(&self, row: usize) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        self.functions.get(row)
    }

    /// `function file:line`, innermost first.
    pub(super) fn shown(&self, row: usize) -> Vec<String> {
        let places = self.functions.get(row).zip(self.files.get(row)).zip(self.lines.get(row));
        places.map(|((function, file), line)| format!("{function} {file}:{line}")).collect()
    }

    fn values(&self, row: usize) -> [Value; 3] {
        let texts = |list: TextLists<'_>| list.get(row).map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<u64> = self.lines.get(row).iter().map(|&line| line.into()).collect();
        [texts(self.functions).into(), texts(self.files).into(), lines.into()]
    }
}

impl<'a> Table<'a> {
    pub(super) fn of(table: &'a Columns) -> Result<Self, Error> {
        Ok(Self {
            address: table.numbers("address")?,
            function: table.texts("function")?,
            function_address: table.numbers("function_address")?,
            file: table.texts("file")?,
            line: table.small("line")?,
            operation: table.texts("operation")?,
            primitive: table.texts("primitive")?,
            lock_type: table.texts("lock_type")?,
            mode: table.texts("mode")?,
            object: table.texts("object")?,
            alternatives: table.text_lists("alternatives")?,
            method: table.texts("method")?,
            confidence: table.texts("confidence")?,
            cause: table.texts("cause")?,
            lock_address: table.numbers("lock_address")?,
            frames: Frames::of(table)?,
            lock_name: table.texts("lock_name")?,
            class_key: table.numbers("class_key")?,
            module: table.texts("module")?,
            len: table.len(),
        })
    }

    fn fits(&self, row: usize, wanted: &Sites) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        is(&wanted.lock_type, self.lock_type.get(row))
            && is(&wanted.method, self.method.get(row))
            && (wanted.operations.is_empty() || wanted.operations.iter().any(|name| name == self.operation.get(row)))
            && in_module(wanted.module.as_deref(), self.module.maybe(row))
            && wanted.object.as_deref().is_none_or(|object| {
                fits(object, self.object.get(row))
                    || wanted.alternatives && self.alternatives.get(row).any(|other| fits(object, other))
            })
            && wanted.function.as_deref().is_none_or(|function| {
                function_fits(function, self.function.get(row))
                    || self.frames.functions(row).any(|inlined| fits(function, inlined))
            })
    }

    pub(super) fn row(&self, row: usize) -> Vec<Value> {
        // A cold part has no offset.
        let offset = self.address.get(row).checked_sub(self.function_address.get(row));
        let offset = offset.filter(|&offset| offset < MOST_BYTES);
        let [functions, files, lines] = self.frames.values(row);
        vec![
            self.address.get(row).into(),
            self.function.get(row).into(),
            offset.into(),
            self.file.maybe(row).into(),
            self.line.maybe(row).into(),
            self.operation.get(row).into(),
            self.primitive.get(row).into(),
            self.lock_type.get(row).into(),
            self.mode.get(row).into(),
            self.object.get(row).into(),
            self.alternatives.get(row).map(str::to_owned).collect::<Vec<_>>().into(),
            self.method.get(row).into(),
            self.confidence.get(row).into(),
            self.cause.maybe(row).into(),
            self.lock_address.maybe(row).into(),
            functions,
            files,
            lines,
            self.lock_name.maybe(row).into(),
            self.class_key.maybe(row).into(),
            self.module.maybe(row).into(),
        ]
    }
}

/// No sites, with the columns of [`sites`].
pub(super) fn none() -> Rows {
    Rows::new(COLUMNS.iter().copied())
}

/// The sites, ascending by address.
pub fn sites(index: &Index, wanted: &Sites) -> Result<Rows, Error> {
    let columns = index.read_all(IndexTable::Sites)?;
    let table = Table::of(&columns)?;
    let mut rows = none();
    rows.rows = (0..table.len).filter(|&row| table.fits(row, wanted)).map(|row| table.row(row)).collect();
    Ok(rows)
}
