//! A table for terminals and pipes: no borders, numbers to the right, words broken only where the width demands it.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

/// A column of numbers is wider only under a long heading.
const LONG: u16 = 24;

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
    columns: Vec<Align>,
    table: Table,
}

impl Grid {
    /// A table with these headings.
    pub fn new(headings: impl IntoIterator<Item = (String, Align)>) -> Self {
        let (headings, columns): (Vec<_>, Vec<_>) = headings.into_iter().unzip();
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(cells(headings.into_iter(), &columns));
        Self { columns, table }
    }

    /// Adds a row.
    pub fn row(&mut self, texts: impl IntoIterator<Item = String>) {
        let row = cells(texts.into_iter(), &self.columns);
        self.table.add_row(row);
    }

    /// The table as text, at most `width` columns wide where that can be done by breaking words.
    pub fn render(mut self, width: Option<usize>) -> String {
        if let Some(width) = width {
            self.table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width.try_into().unwrap_or(u16::MAX));
        }
        let widths = self.table.column_max_content_widths();
        for (at, align) in self.columns.iter().enumerate() {
            let Some(column) = self.table.column_mut(at) else { continue };
            column.set_padding((0, 2));
            if *align == Align::Right {
                // A number is never broken; the long name of a tenant above it may be.
                column.set_constraint(match widths[at] {
                    LONG.. => ColumnConstraint::UpperBoundary(Width::Fixed(LONG)),
                    _ => ColumnConstraint::ContentWidth,
                });
            }
        }
        self.table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

fn cells(texts: impl Iterator<Item = String>, columns: &[Align]) -> Vec<Cell> {
    let alignment = |align: &Align| match align {
        Align::Left => CellAlignment::Left,
        Align::Right => CellAlignment::Right,
    };
    texts.zip(columns).map(|(text, align)| Cell::new(text).set_alignment(alignment(align))).collect()
}
