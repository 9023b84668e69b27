//! `lima interference`.

use super::opened::opened;
use super::output::{Form, Output, beside_csv, top};
use anyhow::Result;
use clap::Args;
use lima_analyze::Who;
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
    /// Look only at this phase of the recording (`lima mark` begins one)
    #[arg(long, value_name = "NAME")]
    phase: Option<String>,
    /// Look only at waits of this tenant and at those that it caused: its name, the path of its cgroup, or its container
    /// id; `*` standing for any text
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// The index to name locks with [default: that of the trace's kernel in ~/.cache/lima/index, if there is one]
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let analysis = opened(&arguments.trace, arguments.index.as_deref())?;
    let form = arguments.format;
    let top = top(arguments.top, (form == Form::Table).then_some(OBJECTS));
    let phase = arguments.phase.clone();
    let who = Who { object: arguments.object.clone(), phase, tenant: arguments.tenant.clone(), top };
    let found = analysis.interference(&who)?;
    let output = &arguments.output;
    output.write(&lima_report::interference(analysis.about(), &found, form.into(), output.width())?)?;
    if form == Form::Csv {
        beside_csv(analysis.about(), &found.cut, ["more object", "more objects"]);
    }
    Ok(ExitCode::SUCCESS)
}
