//! CSV, and the workbook: a sheet a table. No text is ever taken for a formula.

use super::pivot::{PHASES, matrix};
use anyhow::{Context, Result};
use lima_analyze::study::{Cell, Results, StudyTable};
use lima_model::escape;
use rust_xlsxwriter::{Format, FormatAlign, Workbook, Worksheet};
use std::path::Path;

/// The most rows of a table in the workbook: spreadsheets become slow long before their limit.
const MOST_ROWS: usize = 100_000;
/// The most characters in a cell.
const MOST_TEXT: usize = 32_000;

/// Writes a table as CSV.
pub fn csv(table: &StudyTable, path: &Path) -> Result<()> {
    let said = || format!("write {}", path.display());
    let mut writer = csv::Writer::from_path(path).with_context(said)?;
    let columns = table.columns();
    writer.write_record(&columns).with_context(said)?;
    for row in 0..table.len() {
        let record = (0..columns.len()).map(|column| match table.cell(row, column) {
            Cell::Missing => String::new(),
            Cell::Text(text) => escape::cell(text),
            Cell::Whole(number) => number.to_string(),
            Cell::Fraction(number) => number.to_string(),
            Cell::Flag(flag) => flag.to_string(),
        });
        writer.write_record(record).with_context(said)?;
    }
    writer.flush().with_context(said)
}

/// Writes all tables as a workbook.
pub fn workbook(results: &Results, path: &Path) -> Result<()> {
    let mut book = Workbook::new();
    let look = Look::new();
    contents(book.add_worksheet(), results, &look)?;
    for phase in PHASES {
        let pivot = matrix(results, phase);
        if !pivot.is_empty() {
            let sheet = book.add_worksheet().set_name(format!("matrix {phase}"))?;
            let columns = std::iter::once("workload").chain(pivot.columns.iter().map(String::as_str));
            look.header(sheet, columns)?;
            for (at, row) in (1..).zip(&pivot.rows) {
                sheet.write_string(at, 0, text(row))?;
                for (column, name) in (1..).zip(&pivot.columns) {
                    if let Some(value) = pivot.get(row, name) {
                        sheet.write_number_with_format(at, column, value, &look.rate)?;
                    }
                }
            }
            sheet.set_column_width(0, 40)?;
        }
    }
    for table in &results.tables {
        sheet(book.add_worksheet().set_name(table.name)?, table, &look)?;
    }
    book.save(path).with_context(|| format!("write {}", path.display()))
}

/// The first sheet: which tables there are.
fn contents(sheet: &mut Worksheet, results: &Results, look: &Look) -> Result<()> {
    sheet.set_name("contents")?;
    look.header(sheet, ["table", "rows", "what"].into_iter())?;
    for (at, table) in (1..).zip(&results.tables) {
        sheet.write_string(at, 0, table.name)?;
        sheet.write_number_with_format(at, 1, table.len() as f64, &look.whole)?;
        sheet.write_string(at, 2, &table.about)?;
    }
    for (at, note) in (results.tables.len() as u32 + 2..).zip(&results.notes) {
        sheet.write_string(at, 0, text(note))?;
    }
    sheet.set_column_width(0, 24)?;
    sheet.set_column_width(2, 140)?;
    Ok(())
}

fn sheet(sheet: &mut Worksheet, table: &StudyTable, look: &Look) -> Result<()> {
    let columns = table.columns();
    look.header(sheet, columns.iter().map(String::as_str))?;
    let rows = table.len().min(MOST_ROWS);
    let mut widths: Vec<usize> = columns.iter().map(String::len).collect();
    for row in 0..rows {
        let at = row as u32 + 1;
        for (column, name) in columns.iter().enumerate() {
            let place = column as u16;
            match table.cell(row, column) {
                Cell::Missing => continue,
                Cell::Text(value) => {
                    let value = text(value);
                    widths[column] = widths[column].max(value.chars().count());
                    sheet.write_string(at, place, value)?
                }
                Cell::Whole(number) => sheet.write_number_with_format(at, place, number as f64, &look.whole)?,
                Cell::Fraction(number) => sheet.write_number_with_format(at, place, number, look.of(name))?,
                Cell::Flag(flag) => sheet.write_boolean(at, place, flag)?,
            };
        }
    }
    for (column, width) in widths.into_iter().enumerate() {
        sheet.set_column_width(column as u16, width.clamp(8, 44) as f64 + 1.0)?;
    }
    if rows > 0 {
        sheet.autofilter(0, 0, rows as u32, columns.len().saturating_sub(1) as u16)?;
    }
    if rows < table.len() {
        let note = format!("the first {rows} of {} rows: all are in csv/{name}.csv", table.len(), name = table.name);
        sheet.write_string(rows as u32 + 1, 0, note)?;
    }
    Ok(())
}

/// A name, made safe for a cell that is a text and nothing else.
fn text(name: &str) -> String {
    escape::terminal(name).chars().take(MOST_TEXT).collect()
}

/// How cells look.
struct Look {
    head: Format,
    whole: Format,
    rate: Format,
    share: Format,
}

impl Look {
    fn new() -> Self {
        Self {
            head: Format::new().set_bold().set_align(FormatAlign::Left),
            whole: Format::new().set_num_format("#,##0"),
            rate: Format::new().set_num_format("#,##0.0"),
            share: Format::new().set_num_format("0.0000"),
        }
    }

    /// The names of the columns, which stay in sight.
    fn header<'a>(&self, sheet: &mut Worksheet, columns: impl Iterator<Item = &'a str>) -> Result<()> {
        for (at, name) in (0..).zip(columns) {
            sheet.write_string_with_format(0, at, text(name), &self.head)?;
        }
        sheet.set_freeze_panes(1, 0)?;
        Ok(())
    }

    /// Of fractions by what they are fractions of.
    fn of(&self, column: &str) -> &Format {
        if column.contains("_ns_") || column.ends_with("_ns") {
            &self.whole
        } else if column.ends_with("_per_s") {
            &self.rate
        } else {
            &self.share
        }
    }
}
