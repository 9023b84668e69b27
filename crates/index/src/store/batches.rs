//! Rows as Arrow's batches, column by column in the order of the schema.

use super::Part;
use super::source::source;
use crate::debug::Frame;
use crate::layout::object_of;
use crate::rows::{CallRow, FunctionRow, PointerRow, SiteRow};
use arrow::array::{
    ArrayRef, BooleanArray, ListArray, RecordBatch, StringArray, StringBuilder, UInt32Array, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;
use lima_model::IndexTable;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// So many rows are encoded at a time: bounds the memory for them.
const ROWS: usize = 64 << 10;

/// Gives the rows of one table of a part to `put`, a batch at a time.
pub(super) fn each<E: From<ArrowError>>(
    part: &Part,
    table: IndexTable,
    mut put: impl FnMut(RecordBatch) -> Result<(), E>,
) -> Result<(), E> {
    let batch = |columns| RecordBatch::try_new(table.schema(), columns).map_err(E::from);
    match table {
        IndexTable::Locks => part.locks.chunks(ROWS).try_for_each(|rows| put(batch(locks(part, rows))?)),
        IndexTable::Globals => part.globals.chunks(ROWS).try_for_each(|rows| put(batch(globals(part, rows))?)),
        IndexTable::Functions => part.functions.chunks(ROWS).try_for_each(|rows| put(batch(functions(part, rows))?)),
        IndexTable::Calls => part.calls.chunks(ROWS).try_for_each(|rows| put(batch(calls(rows))?)),
        IndexTable::Pointers => part.pointers.chunks(ROWS).try_for_each(|rows| put(batch(pointers(part, rows))?)),
        IndexTable::Sites => part.sites.chunks(ROWS).try_for_each(|rows| put(batch(sites(part, rows))?)),
        IndexTable::Nesting => {
            let objects = part.sites.iter().map(|site| (site.address, site.object.as_str())).collect();
            part.nesting.chunks(ROWS).try_for_each(|rows| put(batch(nesting(&objects, rows))?))
        }
        IndexTable::Sections => part.sections.chunks(ROWS).try_for_each(|rows| put(batch(sections(part, rows))?)),
    }
}

fn locks(part: &Part, rows: &[crate::rows::LockMember]) -> Vec<ArrayRef> {
    vec![
        text(rows.iter().map(|row| format!("{}.{}", row.declaring, row.declared_path))),
        text(rows.iter().map(|row| row.lock_type.name())),
        text(rows.iter().map(|row| &*row.composite)),
        text(rows.iter().map(|row| &row.path)),
        text(rows.iter().map(|row| &*row.declaring)),
        text(rows.iter().map(|row| &row.declared_path)),
        Arc::new(rows.iter().map(|row| Some(row.offset)).collect::<UInt32Array>()),
        Arc::new(rows.iter().map(|row| Some(row.bytes)).collect::<UInt32Array>()),
        Arc::new(rows.iter().map(|row| row.array_count).collect::<UInt32Array>()),
        Arc::new(rows.iter().map(|row| Some(row.composite_bytes)).collect::<UInt32Array>()),
        text_lists(rows.iter().map(|row| row.line_mates.iter())),
        module(part, rows.len()),
    ]
}

fn globals(part: &Part, rows: &[crate::rows::GlobalLock]) -> Vec<ArrayRef> {
    vec![
        text(rows.iter().map(object_of)),
        text(rows.iter().map(|row| row.lock_type.name())),
        text(rows.iter().map(|row| &row.symbol)),
        maybe(rows.iter().map(|row| row.function.as_deref())),
        text(rows.iter().map(|row| &row.path)),
        Arc::new(rows.iter().map(|row| Some(row.address)).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.bytes)).collect::<UInt32Array>()),
        text(rows.iter().map(|row| &row.section)),
        Arc::new(rows.iter().map(|row| Some(row.per_cpu)).collect::<BooleanArray>()),
        text(rows.iter().map(|row| &row.variable_type)),
        text(rows.iter().map(|row| row.method)),
        module(part, rows.len()),
    ]
}

fn functions(part: &Part, rows: &[FunctionRow]) -> Vec<ArrayRef> {
    vec![
        Arc::new(rows.iter().map(|row| Some(row.address)).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.bytes)).collect::<UInt64Array>()),
        text(rows.iter().map(|row| &*row.name)),
        text_lists(rows.iter().map(|row| row.aliases.iter())),
        cold_parts(rows),
        text(rows.iter().map(|row| row.role)),
        maybe(rows.iter().map(|row| row.file.as_deref())),
        Arc::new(rows.iter().map(|row| row.line).collect::<UInt32Array>()),
        module(part, rows.len()),
    ]
}

fn cold_parts(rows: &[FunctionRow]) -> ArrayRef {
    let parts = rows.iter().flat_map(|row| &row.cold);
    let values: UInt64Array =
        parts.flat_map(|part| [part.start, part.end.saturating_sub(part.start)]).map(Some).collect();
    list(rows.iter().map(|row| row.cold.len() * 2), DataType::UInt64, Arc::new(values))
}

fn calls(rows: &[CallRow]) -> Vec<ArrayRef> {
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| Some(row.address)).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.caller)).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| row.callee).collect::<UInt64Array>()),
        text(rows.iter().map(|row| row.kind)),
        maybe(rows.iter().map(|row| row.member.as_deref())),
        maybe(rows.iter().map(|row| row.frames.first().map(|frame| &*frame.file))),
        Arc::new(rows.iter().map(|row| row.frames.first().map(|frame| frame.line)).collect::<UInt32Array>()),
    ];
    columns.extend(frames(rows.iter().map(|row| &*row.frames)));
    columns
}

fn pointers(part: &Part, rows: &[PointerRow]) -> Vec<ArrayRef> {
    vec![
        text(rows.iter().map(|row| &*row.member)),
        Arc::new(rows.iter().map(|row| Some(row.function)).collect::<UInt64Array>()),
        maybe(rows.iter().map(|row| row.variable.as_deref())),
        module(part, rows.len()),
    ]
}

fn sites(part: &Part, rows: &[SiteRow]) -> Vec<ArrayRef> {
    let name = |row: &SiteRow| {
        let found = part.functions.binary_search_by_key(&row.function, |function| function.address);
        found.map_or_else(|_| format!("{:#x}", row.function).into(), |at| Arc::clone(&part.functions[at].name))
    };
    let cause = |row: &SiteRow| {
        let unknown = row.method == lima_model::words::SiteMethod::Unknown;
        unknown.then_some(if row.cause.is_empty() { "not looked for" } else { row.cause })
    };
    let places: Vec<_> = rows.iter().map(|row| source(&row.frames)).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| Some(row.address)).collect::<UInt64Array>()),
        text(rows.iter().map(name)),
        Arc::new(rows.iter().map(|row| Some(row.function)).collect::<UInt64Array>()),
        maybe(places.iter().map(|place| place.map(|frame| &*frame.file))),
        Arc::new(places.iter().map(|place| place.map(|frame| frame.line)).collect::<UInt32Array>()),
        text(rows.iter().map(|row| row.operation.name())),
        text(rows.iter().map(|row| &*row.primitive)),
        text(rows.iter().map(|row| row.lock_type.name())),
        text(rows.iter().map(|row| row.mode.name())),
        text(rows.iter().map(|row| &row.object)),
        Arc::new(rows.iter().map(|row| row.lock_address).collect::<UInt64Array>()),
        text_lists(rows.iter().map(|row| row.alternatives.iter())),
        text(rows.iter().map(|row| row.method.name())),
        text(rows.iter().map(|row| row.method.confidence())),
        maybe(rows.iter().map(cause)),
    ];
    columns.extend(frames(rows.iter().map(|row| &*row.frames)));
    columns.push(maybe(rows.iter().map(|row| row.lock_name.as_deref())));
    columns.push(Arc::new(rows.iter().map(|row| row.class_key).collect::<UInt64Array>()));
    columns.push(module(part, rows.len()));
    columns
}

fn nesting(objects: &FxHashMap<u64, &str>, rows: &[crate::rows::NestingRow]) -> Vec<ArrayRef> {
    let object = |site: u64| objects.get(&site).copied().unwrap_or("unknown");
    vec![
        Arc::new(rows.iter().map(|row| Some(row.function)).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.outer)).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.inner)).collect::<UInt64Array>()),
        text(rows.iter().map(|row| object(row.outer))),
        text(rows.iter().map(|row| object(row.inner))),
        Arc::new(rows.iter().map(|row| row.through).collect::<UInt64Array>()),
    ]
}

fn sections(part: &Part, rows: &[crate::rows::SectionRow]) -> Vec<ArrayRef> {
    vec![
        module(part, rows.len()),
        text(rows.iter().map(|row| &row.name)),
        Arc::new(rows.iter().map(|row| Some(row.address)).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.bytes)).collect::<UInt64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.executable)).collect::<BooleanArray>()),
        Arc::new(rows.iter().map(|row| Some(row.per_cpu)).collect::<BooleanArray>()),
    ]
}

fn module(part: &Part, rows: usize) -> ArrayRef {
    maybe(std::iter::repeat_n(part.module.as_deref(), rows))
}

fn text<T: AsRef<str>>(values: impl Iterator<Item = T>) -> ArrayRef {
    maybe(values.map(Some))
}

fn maybe<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    let rows = values.size_hint().0;
    let mut builder = StringBuilder::with_capacity(rows, rows * 16);
    values.for_each(|value| builder.append_option(value));
    Arc::new(builder.finish())
}

/// The three columns that tell a chain of inlined functions.
fn frames<'a>(rows: impl Iterator<Item = &'a [Frame]> + Clone) -> [ArrayRef; 3] {
    let lists = || rows.clone().map(<[Frame]>::iter);
    [
        text_lists(lists().map(|frames| frames.map(|frame| &*frame.function))),
        text_lists(lists().map(|frames| frames.map(|frame| &*frame.file))),
        {
            let values: UInt32Array = lists().flatten().map(|frame| Some(frame.line)).collect();
            list(lists().map(|frames| frames.len()), DataType::UInt32, Arc::new(values))
        },
    ]
}

fn text_lists<T: AsRef<str>>(rows: impl Iterator<Item: ExactSizeIterator<Item = T>> + Clone) -> ArrayRef {
    let values: StringArray = rows.clone().flatten().map(Some).collect();
    list(rows.map(|row| row.len()), DataType::Utf8, Arc::new(values))
}

fn list(lengths: impl Iterator<Item = usize>, item: DataType, values: ArrayRef) -> ArrayRef {
    let field = Arc::new(Field::new("item", item, false));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), values, None))
}
