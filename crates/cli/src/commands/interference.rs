//! `lima interference`.

use crate::commands::report::{width, write};
use anyhow::Result;
use clap::{Args, ValueEnum};
use lima_analyze::{Analysis, Who};
use lima_report::{Format, units};
use lima_trace::Trace;
use std::path::PathBuf;
use std::process::ExitCode;

/// How many objects have a matrix of their own when nothing else is asked for.
const OBJECTS: usize = 5;

/// The arguments.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The trace, a folder `NAME.lima`
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// Form of the result
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Show the N objects with the longest waits, 0 for all [default: 5 in a table, all in other formats]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Look only at objects with this name, `*` standing for any text
    #[arg(long, value_name = "PATTERN")]
    object: Option<String>,
    /// Look only at waits of this tenant and at those that it caused, `*` standing for any text
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The forms of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
enum Form {
    /// Sentences and matrices, for people
    Table,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let analysis = Analysis::of(&Trace::open(&arguments.trace)?)?;
    let format = match arguments.format {
        Form::Table => Format::Table,
        Form::Json => Format::Json,
        Form::Csv => Format::Csv,
    };
    let top = match arguments.top {
        Some(top) => Some(top).filter(|&top| top > 0),
        None => (format == Format::Table).then_some(OBJECTS),
    };
    let who = Who { object: arguments.object.clone(), tenant: arguments.tenant.clone(), top };
    let found = analysis.interference(&who)?;
    let output = arguments.output.as_deref();
    write(output, &lima_report::interference(analysis.about(), &found, format, width(output))?)?;
    if format == Format::Csv {
        if found.cut.rows > 0 {
            let objects = units::of(found.cut.rows, "more object", "more objects");
            eprintln!("{objects}, {}", units::duration(found.cut.wait_ns_total));
        }
        eprint!("{}", lima_report::foot(analysis.about()));
    }
    Ok(ExitCode::SUCCESS)
}
