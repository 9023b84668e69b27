//! Single waits: which one took so long, for which lock, held by whom, doing what.

use crate::analysis::Analysis;
use crate::filter::Source;
use crate::report::{By, Query, Report, Sums, sorted};
use crate::table::{self, Column, Kind, Rows, Value};
use anyhow::Result;

/// Columns of stacks, with `_id` behind the name as long as they are numbers.
const STACKS: [&str; 5] = ["stack", "user_stack", "holder_stack", "holder_site", "release_stack"];

impl Analysis {
    /// The waits that the trace keeps one by one. There may be millions: only those that were asked for leave the
    /// engine.
    pub(crate) fn events(&self, query: &Query, sort: String) -> Result<Report> {
        self.narrow(Source::Events, &query.filters)?;
        let whole = self.engine.prepare("SELECT count(*) AS waits, sum(wait_ns) AS wait_ns_total FROM single_waits")?;
        let schema = whole.schema().as_arrow().clone();
        let whole = table::rows(&schema, &self.engine.collect(whole)?, 1)?;
        let (waits, wait_ns_total) = (whole.number(0, "waits"), whole.number(0, "wait_ns_total"));

        let frame = sorted(self.engine.prepare(include_str!("../sql/events.sql"))?, &sort, By::Event)?;
        let frame = frame.limit(0, query.top)?;
        let schema = frame.schema().as_arrow().clone();
        let rows = table::rows(&schema, &self.engine.collect(frame)?, usize::MAX)?;
        let shown = rows.rows.len() as u64;
        let shown_ns = (0..rows.rows.len()).map(|row| rows.number(row, "wait_ns")).fold(0, u64::saturating_add);
        let cut = waits.saturating_sub(shown);
        Ok(Report {
            by: By::Event,
            acquisitions: false,
            sort,
            filters: query.filters.clone(),
            rows: self.with_frames(self.with_chains(rows)?),
            whole: Sums { rows: waits, waits, wait_ns_total, ..Sums::default() },
            cut: Sums {
                rows: cut,
                waits: cut,
                wait_ns_total: wait_ns_total.saturating_sub(shown_ns),
                ..Sums::default()
            },
        })
    }

    /// Puts the frames of stacks where their numbers stand. Of user stacks there is no column when none was recorded.
    pub(crate) fn with_frames(&self, mut rows: Rows) -> Rows {
        if (0..rows.rows.len()).all(|row| rows.number(row, "user_stack_id") == 0) {
            rows.remove("user_stack_id");
        }
        for position in 0..rows.columns.len() {
            let id = rows.columns[position].name.strip_suffix("_id");
            let Some(name) = id.filter(|name| STACKS.contains(name)).map(str::to_owned) else { continue };
            for row in &mut rows.rows {
                row[position] = match (&*name, &row[position]) {
                    ("user_stack", &Value::Number(id)) if id != 0 => Value::Texts(self.stacks.user_frames(id, true)),
                    // A waiter's stack that is missing is a loss; whoever held the lock may have had none to show.
                    ("stack", &Value::Number(id)) => Value::Texts(self.stacks.kernel_frames(id, true)),
                    ("holder_stack" | "holder_site" | "release_stack", &Value::Number(id)) if id != 0 => {
                        Value::Texts(self.stacks.kernel_frames(id, true))
                    }
                    _ => Value::Missing,
                };
            }
            rows.columns[position] = Column { name, kind: Kind::Frames };
        }
        rows
    }
}
