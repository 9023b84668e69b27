//! `lima report`.

use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use lima_analyze::{Analysis, By, Filter, Query};
use lima_report::{Format, units};
use lima_trace::Trace;
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How many rows a table shows when nothing else is asked for.
const ROWS: usize = 20;

/// The arguments.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The trace, a folder `NAME.lima`
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    #[command(flatten)]
    how: How,
}

/// What to report, and in which form.
#[derive(Args, Debug)]
pub struct How {
    /// What a row stands for [default: object]
    #[arg(long, value_name = "WHAT", value_parser = by())]
    by: Option<By>,
    /// Column to sort by, named as in the JSON report [default: wait_ns_total; with `--by time`: time_ns]
    #[arg(long, value_name = "COLUMN")]
    sort: Option<String>,
    /// Show the first N rows, 0 for all [default: 20 in a table, all in other formats and with `--by time`]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Look only at waits that fit, `*` standing for any text; may be given several times
    ///
    /// Keys are object, method, lock, type, mode, context, site, function (anywhere on the stack), tenant (that waited),
    /// holder (tenant that held the lock) and holder_method; with `--by task` they are type, tenant, comm, pid and tid.
    /// Of several filters with the same key one must fit; different keys must all fit. KEY!=VALUE leaves out what fits.
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,
    /// Form of the report: `folded` and `svg` are stacks weighed by the time waited, `svg` as a flame graph
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
enum Form {
    /// For people
    Table,
    /// For programs
    Json,
    /// For spreadsheets
    Csv,
    /// Stacks, one a line
    Folded,
    /// Flame graph
    Svg,
}

fn by() -> impl TypedValueParser<Value = By> {
    PossibleValuesParser::new(By::ALL.iter().map(|by| by.name()))
        .map(|name| By::ALL.iter().copied().find(|by| by.name() == name).unwrap_or_default())
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    show(&arguments.trace, &arguments.how)?;
    Ok(ExitCode::SUCCESS)
}

/// Reports on the trace in a folder.
pub fn show(trace: &Path, how: &How) -> Result<()> {
    let filters = how.filters.iter().map(|filter| filter.parse()).collect::<Result<Vec<Filter>>>()?;
    let analysis = Analysis::of(&Trace::open(trace)?)?;
    let format = match how.format {
        Form::Table => Format::Table,
        Form::Json => Format::Json,
        Form::Csv => Format::Csv,
        Form::Folded | Form::Svg => return flame(&analysis, &filters, how),
    };
    let by = how.by.unwrap_or_default();
    let top = match how.top {
        Some(top) => Some(top).filter(|&top| top > 0),
        None => (format == Format::Table && by != By::Time).then_some(ROWS),
    };
    let query = Query { by, sort: how.sort.clone(), top, filters };
    let report = analysis.report(&query)?;
    let text = lima_report::report(analysis.about(), &report, format, width(how.output.as_deref()))?;
    write(how.output.as_deref(), &text)?;
    if format == Format::Csv {
        if report.cut.rows > 0 {
            let (rows, ns) = (units::of(report.cut.rows, "more row", "more rows"), report.cut.wait_ns_total);
            eprintln!("{rows}, {}", units::duration(ns));
        }
        eprint!("{}", lima_report::foot(analysis.about()));
    }
    Ok(())
}

/// The forms that are stacks.
fn flame(analysis: &Analysis, filters: &[Filter], how: &How) -> Result<()> {
    let form = if how.format == Form::Svg { "svg" } else { "folded" };
    if how.by.is_some_and(|by| by != By::Stack) || how.sort.is_some() || how.top.is_some() {
        bail!("`--format {form}` is all stacks at once: it goes with `--filter`, and not with --by, --sort or --top");
    }
    let flame = analysis.flame(filters)?;
    let text = match how.format {
        Form::Svg => lima_report::svg(analysis.about(), &flame)?,
        _ => lima_report::folded(&flame).into_bytes(),
    };
    write(how.output.as_deref(), &text)?;
    if flame.is_empty() {
        eprintln!("No lock was waited for, or no wait fits the filters.");
    }
    eprint!("{}", lima_report::foot(analysis.about()));
    Ok(())
}

/// The width to break lines at: that of the terminal, if that is where they go.
pub fn width(output: Option<&Path>) -> Option<usize> {
    output.is_none().then(lima_report::terminal_width).flatten()
}

/// Writes to a file or to standard output.
pub fn write(output: Option<&Path>, text: &[u8]) -> Result<()> {
    match output {
        Some(path) => fs::write(path, text).with_context(|| format!("cannot write {}", path.display())),
        None => stdout().write_all(text).and_then(|()| stdout().flush()).context("cannot write to standard output"),
    }
}
