//! `lima info TRACE`: the front page of a trace, its tables, and what is missing from it.

mod text;

use super::opened::named;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use lima_model::{Losses, Manifest, Table};
use lima_trace::Trace;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The arguments.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The trace: a folder NAME.lima
    trace: PathBuf,
    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    format: Format,
}

/// The formats of the output.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: {"schema", "trace"}
    Json,
}

/// All that is shown of a trace.
#[derive(Debug)]
struct Info {
    path: String,
    manifest: Manifest,
    complete: bool,
    losses: Losses,
    tables: Vec<TableInfo>,
    /// Path and reason.
    damaged: Vec<(String, String)>,
}

#[derive(Debug)]
struct TableInfo {
    name: &'static str,
    segments: usize,
    rows: u64,
    bytes: u64,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let info = Info::of(&named(&arguments.trace)?);
    let output = match arguments.format {
        Format::Text => text::page(&info),
        Format::Json => format!("{:#}\n", info.json()),
    };
    std::io::stdout().write_all(output.as_bytes()).context("cannot write the output")?;
    Ok(ExitCode::SUCCESS)
}

impl Info {
    fn of(trace: &Trace) -> Self {
        let table = |&table: &Table| TableInfo {
            name: table.name(),
            segments: trace.segments(table).len(),
            rows: trace.rows(table),
            bytes: trace.segments(table).iter().map(|segment| segment.bytes).sum(),
        };
        let damaged = trace.damaged().iter();
        Self {
            path: trace.folder().display().to_string(),
            manifest: trace.manifest().clone(),
            complete: trace.complete(),
            losses: trace.losses(),
            tables: Table::ALL.iter().map(table).collect(),
            damaged: damaged.map(|damaged| (damaged.path.display().to_string(), damaged.reason.clone())).collect(),
        }
    }

    /// The manifest's fields, with `complete` and `losses` as they are known after reading the trace, and more.
    fn json(&self) -> Value {
        let mut trace = json!(self.manifest);
        trace["path"] = json!(self.path);
        trace["complete"] = json!(self.complete);
        trace["losses"] = json!(self.losses);
        let table = |table: &TableInfo| json!({"table": table.name, "segments": table.segments, "rows": table.rows, "bytes": table.bytes});
        trace["tables"] = self.tables.iter().map(table).collect();
        let damaged = |(path, reason): &(String, String)| json!({"path": path, "reason": reason});
        trace["damaged"] = self.damaged.iter().map(damaged).collect();
        json!({"schema": "lima-info/1", "trace": trace})
    }
}
