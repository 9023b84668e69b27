//! What commands that show rows have in common: their forms, how many rows, and where they go.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use lima_analyze::{About, Sums};
use lima_report::{Format, units};
use std::fs;
use std::io::{Write, stdout};
use std::path::PathBuf;

/// The forms of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub enum Form {
    /// For people
    Table,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
}

impl From<Form> for Format {
    fn from(form: Form) -> Self {
        match form {
            Form::Table => Self::Table,
            Form::Json => Self::Json,
            Form::Csv => Self::Csv,
        }
    }
}

/// Where a result goes.
#[derive(Args, Debug)]
pub struct Output {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Output {
    /// The width to break lines at: that of the terminal, if that is where they go.
    pub fn width(&self) -> Option<usize> {
        self.output.is_none().then(lima_report::terminal_width).flatten()
    }

    /// Writes to the file or to standard output.
    pub fn write(&self, text: &[u8]) -> Result<()> {
        match &self.output {
            Some(path) => fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
            None => stdout().write_all(text).and_then(|()| stdout().flush()).context("cannot write to standard output"),
        }
    }
}

/// How many rows: as asked for, where 0 is all, else as is customary.
pub fn top(asked: Option<usize>, customary: Option<usize>) -> Option<usize> {
    asked.map_or(customary, |top| Some(top).filter(|&top| top > 0))
}

/// Says on standard error what has no place in CSV: how much was cut off (`what`: one of it, several), and what the trace
/// lacks.
pub fn beside_csv(about: &About, cut: &Sums, what: [&str; 2]) {
    if cut.rows > 0 {
        eprintln!("{}, {}", units::of(cut.rows, what[0], what[1]), units::duration(cut.wait_ns_total));
    }
    eprint!("{}", lima_report::foot(about));
}
