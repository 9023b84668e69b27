//! A table for terminals and pipes: no borders, numbers to the right. Where the width does not suffice, columns are left
//! out that can be spared, and after that names are broken; numbers never are.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use std::fmt::Write;

/// Where a column's texts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of texts under headings.
#[derive(Debug)]
pub struct Grid {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    /// Headings of columns that can be spared, the first one first.
    spare: Vec<String>,
}

/// The blanks between columns.
const GAP: u16 = 2;
/// Names longer than this are broken before a column is left out.
const NAME: u16 = 32;
/// Names are not broken into pieces shorter than this.
const SHORT: u16 = 16;
/// A heading above numbers is broken when it is longer than this.
const LONG: u16 = 24;

impl Grid {
    /// A table with these headings.
    pub fn new(headings: impl IntoIterator<Item = (String, Align)>) -> Self {
        Self { columns: headings.into_iter().collect(), rows: Vec::new(), spare: Vec::new() }
    }

    /// Says which columns are left out where the width does not suffice, the first one first.
    pub fn spare<'a>(mut self, headings: impl IntoIterator<Item = &'a str>) -> Self {
        self.spare = headings.into_iter().map(str::to_owned).collect();
        self
    }

    /// Adds a row.
    pub fn row(&mut self, texts: impl IntoIterator<Item = String>) {
        self.rows.push(texts.into_iter().collect());
    }

    /// The table as text, at most `width` columns wide where that can be done.
    pub fn render(mut self, width: Option<usize>) -> String {
        let Some(width) = width else { return text(&self.table()) };
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        let mut left_out = Vec::new();
        let spare = std::mem::take(&mut self.spare);
        let mut spare = spare.iter();
        let mut table = self.table();
        while self.wide(&table, NAME) > width {
            let Some(heading) = spare.next() else { break };
            if self.remove(heading) {
                left_out.push(heading.as_str());
                table = self.table();
            }
        }
        if self.wide(&table, u16::MAX) > width {
            self.narrow(&mut table, width);
        }
        let mut out = text(&table);
        if !left_out.is_empty() {
            let _ = writeln!(out, "(left out for want of width: {})", left_out.join(", "));
        }
        out
    }

    fn table(&self) -> Table {
        let cells = |texts: &mut dyn Iterator<Item = &String>| -> Vec<Cell> {
            let alignment = |align| match align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            };
            texts
                .zip(&self.columns)
                .map(|(text, &(_, align))| Cell::new(text).set_alignment(alignment(align)))
                .collect()
        };
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(cells(&mut self.columns.iter().map(|(heading, _)| heading)));
        table.add_rows(self.rows.iter().map(|row| cells(&mut row.iter())));
        let last = self.columns.len().saturating_sub(1);
        table.column_iter_mut().enumerate().for_each(|(at, column)| {
            column.set_padding((0, if at == last { 0 } else { GAP }));
        });
        table
    }

    fn remove(&mut self, heading: &str) -> bool {
        let Some(at) = self.columns.iter().position(|(column, _)| column == heading) else { return false };
        self.columns.remove(at);
        self.rows.iter_mut().for_each(|row| {
            row.remove(at);
        });
        true
    }

    /// The width of the table with names broken at `name` characters and nothing else broken.
    fn wide(&self, table: &Table, name: u16) -> u16 {
        let widths = table.column_max_content_widths();
        let widths = self.columns.iter().zip(widths).map(|(&(_, align), width)| match align {
            Align::Left => width.min(name),
            Align::Right => width,
        });
        widths.fold(0u16, |sum, width| sum.saturating_add(width.saturating_add(GAP))).saturating_sub(GAP)
    }

    /// Breaks names, and long headings.
    fn narrow(&self, table: &mut Table, width: u16) {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        let widths = table.column_max_content_widths();
        for (column, (&(_, align), content)) in table.column_iter_mut().zip(self.columns.iter().zip(widths)) {
            column.set_constraint(match align {
                Align::Left => ColumnConstraint::LowerBoundary(Width::Fixed(content.min(SHORT) + GAP)),
                Align::Right if content > LONG => ColumnConstraint::UpperBoundary(Width::Fixed(LONG + GAP)),
                Align::Right => ColumnConstraint::ContentWidth,
            });
        }
    }
}

fn text(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
