//! `lima report`.

use super::opened::opened;
use super::output::{self, Output, beside_csv, top};
use anyhow::{Result, bail};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use lima_analyze::{Analysis, By, Filter, Query};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// How many rows a table shows when nothing else is asked for.
const ROWS: usize = 20;
/// The same for single waits in any form: each has stacks, and there may be millions.
const EVENTS: usize = 10;

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
    /// Report acquisitions and holds instead of waits, of a trace recorded with `--level acquisitions`
    #[arg(long)]
    acquisitions: bool,
    /// Column to sort by, named as in the JSON report [default: wait_ns_total; with `--by time`: time_ns; with `--by
    /// event`: wait_ns; with `--acquisitions`: acquisitions]
    #[arg(long, value_name = "COLUMN")]
    sort: Option<String>,
    /// Show the first N rows, 0 for all [default: 20 in a table, all in other formats and with `--by time`; 10 with `--by
    /// event`]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Look only at waits that fit, `*` standing for any text; may be given several times
    ///
    /// Keys are object, method, instance, path, lock, type, mode, context, phase, site, function (anywhere on the stack), tenant (that waited),
    /// holder (tenant that held the lock) and holder_method; with `--by event` also comm, pid, tid, cpu, holder_comm,
    /// holder_pid and holder_tid; with `--by task` they are type, phase, tenant, comm, pid and tid.
    /// Of several filters with the same key one must fit; different keys must all fit. KEY!=VALUE leaves out what fits.
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,
    /// Form of the report: `folded` and `svg` are stacks weighed by the time waited, `svg` as a flame graph
    #[arg(long, value_enum, default_value_t = Form::Rows(output::Form::Table))]
    format: Form,
    /// The index to name locks with [default: that of the trace's kernel in ~/.cache/lima/index, if there is one]
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Rows(output::Form),
    Folded,
    Svg,
}

impl ValueEnum for Form {
    fn value_variants<'a>() -> &'a [Self] {
        use output::Form::{Csv, Json, Table};
        &[Self::Rows(Table), Self::Rows(Json), Self::Rows(Csv), Self::Folded, Self::Svg]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Rows(form) => form.to_possible_value(),
            Self::Folded => Some(PossibleValue::new("folded").help("Stacks, one a line")),
            Self::Svg => Some(PossibleValue::new("svg").help("Flame graph")),
        }
    }
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
    let analysis = opened(trace, how.index.as_deref())?;
    let Form::Rows(form) = how.format else { return flame(&analysis, &filters, how) };
    let by = how.by.unwrap_or_default();
    let customary = match by {
        By::Event => Some(EVENTS),
        By::Time => None,
        _ => (form == output::Form::Table).then_some(ROWS),
    };
    let top = top(how.top, customary);
    let query = Query { by, sort: how.sort.clone(), top, filters, acquisitions: how.acquisitions };
    let report = analysis.report(&query)?;
    how.output.write(&lima_report::report(analysis.about(), &report, form.into(), how.output.width())?)?;
    if form == output::Form::Csv {
        beside_csv(analysis.about(), &report.cut, ["more row", "more rows"]);
    }
    Ok(())
}

/// The forms that are stacks.
fn flame(analysis: &Analysis, filters: &[Filter], how: &How) -> Result<()> {
    let form = if how.format == Form::Svg { "svg" } else { "folded" };
    if how.acquisitions || how.by.is_some_and(|by| by != By::Stack) || how.sort.is_some() || how.top.is_some() {
        bail!(
            "`--format {form}` is all stacks at once: it goes with `--filter`, and not with --acquisitions, --by, --sort or --top"
        );
    }
    let flame = analysis.flame(filters)?;
    let text = match how.format {
        Form::Svg => lima_report::svg(analysis.about(), &flame)?,
        _ => lima_report::folded(&flame).into_bytes(),
    };
    how.output.write(&text)?;
    if flame.is_empty() {
        eprintln!("No lock was waited for, or no wait fits the filters.");
    }
    eprint!("{}", lima_report::foot(analysis.about()));
    Ok(())
}
