//! An answer as a table for people.

use super::columns::{cell, heading};
use super::{Answer, head};
use crate::grid::Grid;
use crate::text;
use crate::units::of;
use lima_model::escape;
use lima_model::table::{Rows, Value};
use std::fmt::Write;

/// At most `width` columns wide when that is given.
pub(super) fn table(answer: &Answer<'_>, width: Option<usize>) -> String {
    let mut out = String::new();
    if let Some(before) = &answer.before {
        let _ = write!(out, "before: {}after:  ", head(before));
    }
    out.push_str(&head(&answer.index));
    out.push('\n');
    if answer.rows.rows.is_empty() {
        out.push_str(answer.subject.nothing());
        out.push('\n');
    } else if answer.subject.shown().is_empty() {
        facts(answer.rows, &mut out);
    } else {
        out.push_str(&grid(answer, width));
    }
    if answer.cut > 0 {
        let _ = writeln!(out, "{} (--top 0 shows all)", of(answer.cut, "more row", "more rows"));
    }
    for note in answer.notes {
        let _ = writeln!(out, "note: {}", escape::terminal(note));
    }
    out
}

fn grid(answer: &Answer<'_>, width: Option<usize>) -> String {
    let rows = answer.rows;
    let cells: Vec<Vec<String>> = (0..rows.rows.len())
        .map(|row| answer.subject.shown().iter().map(|&shown| cell(shown, rows, row)).collect())
        .collect();
    // A column in which no row has anything is left out.
    let used: Vec<bool> =
        (0..answer.subject.shown().len()).map(|at| cells.iter().any(|row| !row[at].is_empty())).collect();
    let headings = answer.subject.shown().iter().zip(&used).filter(|&(_, &used)| used);
    let mut grid =
        Grid::new(headings.map(|(&shown, _)| heading(shown, rows))).spare(answer.subject.spare().iter().copied());
    for row in cells {
        let cells = row.into_iter().zip(&used).filter(|&(_, &used)| used);
        grid.row(cells.map(|(cell, _)| if cell.is_empty() { "-".to_owned() } else { cell }));
    }
    grid.render(width)
}

/// The values of each row, one a line.
fn facts(rows: &Rows, out: &mut String) {
    let longest = rows.columns.iter().map(|column| column.name.len()).max().unwrap_or_default();
    for row in &rows.rows {
        for (column, value) in rows.columns.iter().zip(row) {
            let name = column.name.replace('_', " ");
            match value {
                Value::Missing => {}
                Value::Texts(texts) => {
                    for (at, text) in texts.iter().enumerate() {
                        let name = if at == 0 { &name } else { "" };
                        let _ = writeln!(out, "{name:<longest$}  {}", escape::terminal(text));
                    }
                }
                value => {
                    let _ = writeln!(out, "{name:<longest$}  {}", text::value(value, column.kind));
                }
            }
        }
    }
}
