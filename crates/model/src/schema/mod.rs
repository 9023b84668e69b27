//! The tables of traces and indexes, column by column.
//!
//! This is the one place where a column is defined: writers build their batches from it, readers check against it, and
//! the tables in `docs/trace-format.md` and `docs/index-format.md` are made from it.

#[macro_use]
mod column;
mod index;
mod trace;

pub use column::{Column, Kind, check_columns, conform};
pub use index::IndexTable;
pub use trace::Table;

/// The tables of a trace as a Markdown document.
pub fn markdown() -> String {
    let tables = Table::ALL.iter().map(|table| column::describe(table.name(), table.meaning(), table.columns()));
    tables.collect()
}

/// The tables of an index as a Markdown document.
pub fn index_markdown() -> String {
    let tables = IndexTable::ALL.iter().map(|table| column::describe(table.name(), table.meaning(), table.columns()));
    tables.collect()
}
