//! What is at an address.

use super::graph::Graph;
use super::sites::{Frames, Table};
use crate::Error;
use crate::store::Index;
use lima_model::IndexTable;
use lima_model::table::{Kind, Rows, Value};

const COLUMNS: &[(&str, Kind)] = &[
    ("address", Kind::Address),
    ("what", Kind::Text),
    ("symbol", Kind::Text),
    ("offset", Kind::Address),
    ("section", Kind::Text),
    ("module", Kind::Text),
    ("file", Kind::Text),
    ("line", Kind::Id),
    ("inlined", Kind::Frames),
    ("calls", Kind::Text),
    ("role", Kind::Text),
    ("operation", Kind::Text),
    ("primitive", Kind::Text),
    ("object", Kind::Text),
    ("lock_type", Kind::Text),
    ("mode", Kind::Text),
    ("method", Kind::Text),
];

/// No function is as long.
pub(super) const MOST_BYTES: u64 = 1 << 24;
/// A near call on x86-64: a return address lies so far behind it.
const CALL_BYTES: u64 = 5;

/// A row that says what lies at an address: `what` is `site`, `call`, `code`, `lock`, `data`, or `nothing` that the index
/// knows. An address right behind a call, as stacks have it, means the call.
pub fn at(index: &Index, address: u64) -> Result<Rows, Error> {
    let mut rows = Rows::new(COLUMNS.iter().copied());
    let mut row = vec![Value::Missing; COLUMNS.len()];
    let mut set = |name: &str, value: Value| {
        if let Some(column) = COLUMNS.iter().position(|&(column, _)| column == name) {
            row[column] = value;
        }
    };
    set("address", address.into());
    set("what", "nothing".into());
    let executable = section(index, address, &mut set)?;
    match executable {
        Some(true) => code(index, address, &mut set)?,
        Some(false) => data(index, address, &mut set)?,
        // A kernel without section headers: whatever there is.
        None => {
            code(index, address, &mut set)?;
            data(index, address, &mut set)?;
        }
    }
    rows.rows.push(row);
    Ok(rows)
}

/// Whether the address lies in code, when it is known in which section it lies.
fn section(index: &Index, address: u64, set: &mut dyn FnMut(&str, Value)) -> Result<Option<bool>, Error> {
    let table = index.read_all(IndexTable::Sections)?;
    let (starts, sizes) = (table.numbers("address")?, table.numbers("size")?);
    let inside = |&row: &usize| address.checked_sub(starts.get(row)).is_some_and(|offset| offset < sizes.get(row));
    let Some(row) = (0..table.len()).find(inside) else { return Ok(None) };
    let executable = table.flags("executable")?.value(row);
    set("section", table.texts("name")?.get(row).into());
    set("module", table.texts("module")?.maybe(row).into());
    set("what", if executable { "code" } else { "data" }.into());
    Ok(Some(executable))
}

fn code(index: &Index, address: u64, set: &mut dyn FnMut(&str, Value)) -> Result<(), Error> {
    let graph = Graph::of(index)?;
    let functions = graph.functions();
    if let Some(row) = graph.function_of(address) {
        let start = functions.numbers("address")?.get(row);
        set("what", "code".into());
        set("symbol", functions.texts("name")?.get(row).into());
        // A cold part has no offset.
        set("offset", address.checked_sub(start).filter(|&offset| offset < MOST_BYTES).into());
        set("module", functions.texts("module")?.maybe(row).into());
        set("role", functions.texts("role")?.get(row).into());
        set("file", functions.texts("file")?.maybe(row).into());
        set("line", functions.small("line")?.maybe(row).into());
    }
    let calls = index.read_all(IndexTable::Calls)?;
    let addresses = calls.numbers("address")?;
    let nearest = |wanted: u64| addresses.all().iter().position(|&found| found == wanted);
    let Some(row) = nearest(address).or_else(|| nearest(address.wrapping_sub(CALL_BYTES))) else { return Ok(()) };
    let callee = calls.numbers("callee")?.maybe(row).map(|callee| graph.name(callee)).transpose()?;
    set("what", "call".into());
    set("calls", callee.unwrap_or_else(|| "(indirect)".to_owned()).into());
    set("file", calls.texts("file")?.maybe(row).into());
    set("line", calls.small("line")?.maybe(row).into());
    set("inlined", Frames::of(&calls)?.shown(row).into());
    let call = addresses.get(row);
    let columns = index.read_all(IndexTable::Sites)?;
    let sites = Table::of(&columns)?;
    let Some(row) = (0..sites.len).find(|&row| sites.address.get(row) == call) else { return Ok(()) };
    set("what", "site".into());
    set("file", sites.file.maybe(row).into());
    set("line", sites.line.maybe(row).into());
    set("operation", sites.operation.get(row).into());
    set("primitive", sites.primitive.get(row).into());
    set("object", sites.object.get(row).into());
    set("lock_type", sites.lock_type.get(row).into());
    set("mode", sites.mode.get(row).into());
    set("method", sites.method.get(row).into());
    Ok(())
}

fn data(index: &Index, address: u64, set: &mut dyn FnMut(&str, Value)) -> Result<(), Error> {
    let table = index.read_all(IndexTable::Globals)?;
    let (starts, sizes) = (table.numbers("address")?, table.small("size")?);
    let inside = |&row: &usize| {
        let offset = address.wrapping_sub(starts.get(row));
        offset < u64::from(sizes.get(row).max(1))
    };
    let Some(row) = (0..table.len()).find(inside) else { return Ok(()) };
    set("what", "lock".into());
    set("symbol", table.texts("symbol")?.get(row).into());
    set("offset", address.wrapping_sub(starts.get(row)).into());
    set("object", table.texts("object")?.get(row).into());
    set("lock_type", table.texts("lock_type")?.get(row).into());
    set("method", table.texts("method")?.get(row).into());
    set("module", table.texts("module")?.maybe(row).into());
    Ok(())
}
