//! `lima study check`.

use super::print;
use anyhow::Result;
use clap::Args;
use lima_lab::study::{File, Root, Target, check, root};
use lima_model::escape::terminal;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The arguments.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The study's file
    #[arg(value_name = "STUDY.toml")]
    file: PathBuf,
    /// Make the minimal Debian when the study needs it and it is not there
    #[arg(long)]
    prepare: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let study = File::read(&arguments.file)?;
    let machines = study.platforms.iter().any(|platform| platform.is_machine());
    if arguments.prepare && (study.root == Root::Debian || machines) {
        root::make(&|what: &str| eprintln!("lima study: {what}"))?;
    }
    let report = check::check(&study)?;
    let mut text = String::new();
    let place = match &study.target {
        Target::Here => "on this machine".to_owned(),
        Target::Lab(kernel) => format!("each in a fresh guest with Linux {}", terminal(kernel)),
    };
    let platforms: Vec<&str> = study.platforms.iter().map(|platform| platform.name()).collect();
    let (groups, tenants) = (study.groups.len(), study.groups.iter().map(Vec::len).max().unwrap_or_default());
    let _ =
        writeln!(text, "{}: {} runs, {place}, at the level {}", terminal(&study.name), report.runs, study.level.name());
    let _ = writeln!(
        text,
        "  {} x {} x {}",
        count(platforms.len(), "platform"),
        count(groups, "group of workloads"),
        count(study.repetitions as usize, "repetition")
    );
    let _ = writeln!(text, "  platforms: {}", platforms.join(", "));
    let groups: Vec<String> = study.groups.iter().map(|group| group.join(" + ")).collect();
    let _ = writeln!(text, "  {}: {}", if tenants > 1 { "together" } else { "workloads" }, groups.join(", "));
    let _ = writeln!(text, "  about {}", length(report.length));
    let mut blocked = false;
    for missing in &report.missing {
        let mark = if missing.by_itself { "to be made" } else { "missing" };
        blocked |= !missing.by_itself;
        let _ = writeln!(text, "{mark}: {}\n    {}", terminal(&missing.what), terminal(&missing.remedy));
    }
    if !blocked {
        text.push_str("nothing is missing here\n");
    }
    print(&text)?;
    Ok(if blocked { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn count(number: usize, what: &str) -> String {
    match (number, what.strip_prefix("group ")) {
        (1, _) => format!("1 {what}"),
        (_, Some(rest)) => format!("{number} groups {rest}"),
        (_, None) => format!("{number} {what}s"),
    }
}

/// A length as people say it.
pub(super) fn length(length: Duration) -> String {
    match length.as_secs() {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=5999 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{}.{} h", seconds / 3600, seconds % 3600 / 360),
    }
}
