//! Results of an analysis, and answers of an index, for people and programs: text, JSON, CSV, folded stacks, flame
//! graphs.
//!
//! [`report()`], [`interference()`] and [`index::answer`] choose by [`Format`]. Whatever the format, names that tenants chose are made safe
//! for the place that they go to, and what the trace lacks is said: in the text and in JSON; for the other formats the
//! caller shows [`foot`] beside them. [`study`] writes the results of a study into a folder.

mod events;
mod flame;
pub mod frame;
mod grid;
pub mod index;
pub mod json;
mod matrix;
mod sheet;
pub mod study;
mod text;
pub mod units;

pub use flame::{folded, svg};
pub use frame::foot;

use anyhow::Result;
use lima_analyze::{About, Interference, Report};

/// How rows are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

/// A report. As a table it is at most `width` columns wide when that is given.
pub fn report(about: &About, report: &Report, format: Format, width: Option<usize>) -> Result<Vec<u8>> {
    Ok(match format {
        Format::Table => text::report(about, report, width).into_bytes(),
        Format::Json => pretty(&json::report(about, report))?,
        Format::Csv => sheet::csv(&report.rows)?,
    })
}

/// Interference. As a table it is at most `width` columns wide when that is given.
pub fn interference(about: &About, found: &Interference, format: Format, width: Option<usize>) -> Result<Vec<u8>> {
    Ok(match format {
        Format::Table => matrix::interference(about, found, width).into_bytes(),
        Format::Json => pretty(&json::interference(about, found))?,
        Format::Csv => sheet::csv(&found.rows)?,
    })
}

/// The width of the terminal that standard output is; `None` when it is none.
pub fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

fn pretty(json: &serde_json::Value) -> Result<Vec<u8>> {
    let mut out = serde_json::to_vec_pretty(json)?;
    out.push(b'\n');
    Ok(out)
}
