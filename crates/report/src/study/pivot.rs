//! Tables with a row for each workload and a column for each platform.

use lima_analyze::study::{Results, StudyTable};
use std::collections::{BTreeMap, BTreeSet};

/// One number for each of some rows and columns.
#[derive(Clone, Debug, Default)]
pub struct Pivot {
    /// What the rows are called.
    pub rows: Vec<String>,
    /// What the columns are called.
    pub columns: Vec<String>,
    cells: BTreeMap<(String, String), f64>,
}

impl Pivot {
    /// From the rows of a table with this phase: `row` and `column` name, `value` is the number. Rows and columns are in order
    /// of their names, platforms in the `platforms`' order.
    pub fn of(
        platforms: &[String],
        table: &StudyTable,
        phase: &str,
        row: impl Fn(&StudyTable, usize) -> String,
        column: &str,
        value: impl Fn(&StudyTable, usize) -> Option<f64>,
    ) -> Self {
        let mut cells = BTreeMap::new();
        let (mut rows, mut columns) = (BTreeSet::new(), BTreeSet::new());
        for at in (0..table.len()).filter(|&at| table.text(at, "phase") == phase) {
            let key = (row(table, at), table.text(at, column).to_owned());
            rows.insert(key.0.clone());
            columns.insert(key.1.clone());
            if let Some(value) = value(table, at) {
                cells.insert(key, value);
            }
        }
        let in_order = |names: BTreeSet<String>| {
            let mut names: Vec<_> = names.into_iter().collect();
            names.sort_by_key(|name| platforms.iter().position(|platform| platform == name));
            names
        };
        Self { rows: in_order(rows), columns: in_order(columns), cells }
    }

    /// The number in a row and column.
    pub fn get(&self, row: &str, column: &str) -> Option<f64> {
        self.cells.get(&(row.to_owned(), column.to_owned())).copied()
    }

    /// Whether it has no number.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

/// The phases in their order, as far as the study has them.
pub const PHASES: [&str; 2] = ["cold", "warm"];

/// How a workload is called: with what ran beside it, when that was something.
pub fn workload(table: &StudyTable, row: usize) -> String {
    let (alone, all) = (table.text(row, "workload"), table.text(row, "workloads"));
    if alone == all || all.is_empty() { alone.to_owned() } else { format!("{alone} ({all})") }
}

/// The matrix of a phase: workloads against platforms, median rates.
pub fn matrix(results: &Results, phase: &str) -> Pivot {
    results.table("matrix").map_or_else(Pivot::default, |table| {
        Pivot::of(&results.platforms, table, phase, workload, "platform", |table, row| {
            table.number(row, "rate_median_per_s")
        })
    })
}
