//! `lima doctor`: what this kernel and these privileges permit.

use super::index::cache;
use anyhow::Result;
use clap::{Args, ValueEnum};
use lima_model::IndexTable;
use lima_model::escape::terminal;
use lima_model::index::Basis;
use lima_probe::capabilities::{self, Answer, Checkup, Finding, Group, Level};
use std::fmt::Write as _;
use std::process::ExitCode;

/// The arguments.
#[derive(Args, Debug)]
#[command(after_help = "Exit status: 0 when lock contention can be recorded, 1 when not.")]
pub struct Arguments {
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs: schema lima-doctor/1
    Json,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut checkup = capabilities::examine();
    checkup.findings.push(names_of_locks(&checkup.kernel_release));
    match arguments.format {
        Format::Text => print!("{}", text(&checkup)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&checkup)?),
    }
    Ok(ExitCode::from(u8::from(!checkup.works("contention"))))
}

/// Whether there is an index of the running kernel, and what would make a better one.
fn names_of_locks(release: &str) -> Finding {
    let debug =
        format!("install the kernel's debug package (on Debian linux-image-{release}-dbg), then `lima index build`");
    let index = cache::asked(None);
    let (answer, found, remedy) = match &index {
        Ok(index) if index.manifest().mode == Basis::Dwarf => (Answer::Yes, "with places in the source", None),
        Ok(index) if index.manifest().rows(IndexTable::Sites) > 0 => {
            (Answer::Yes, "without places in the source: the index was made without debug information", Some(debug))
        }
        Ok(_) => {
            let found =
                "by slab caches, and by what functions take in other kernels: the index has no code of this kernel";
            (Answer::Yes, found, Some(debug))
        }
        Err(_) => {
            let found = "no index of this kernel: locks show as slab caches and functions";
            (Answer::No, found, Some("make one: `lima index build`".to_owned()))
        }
    };
    let tried = match &index {
        Ok(index) => format!("opened {}", index.folder().display()),
        Err(error) => error.to_string(),
    };
    Finding {
        key: "lock_names",
        group: Group::Kernel,
        what: "names of locks",
        answer,
        tried,
        found: found.to_owned(),
        remedy,
    }
}

fn text(checkup: &Checkup) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "Linux {} {}", terminal(&checkup.kernel_release), terminal(&checkup.machine));
    let _ = writeln!(out, "\nlevels of tracing");
    for level in &checkup.levels {
        out.push_str(&of_level(level));
    }
    for &group in Group::ALL {
        let _ = writeln!(out, "\n{}", group.name());
        let findings: Vec<&Finding> = checkup.findings.iter().filter(|finding| finding.group == group).collect();
        let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or(0);
        let mut before = None;
        for finding in findings {
            out.push_str(&of_finding(finding, width, before));
            before = finding.remedy.as_deref();
        }
    }
    let _ = writeln!(out, "\nsettings");
    let width = |text: fn(&capabilities::Setting) -> &str| {
        checkup
            .settings
            .iter()
            .map(|setting| text(setting).chars().count())
            .filter(|&width| width < 30)
            .max()
            .unwrap_or(0)
    };
    let (keys, values) = (width(|setting| setting.key), width(|setting| &setting.value));
    for setting in &checkup.settings {
        let (value, meaning) = (terminal(&setting.value), terminal(&setting.meaning));
        let _ = writeln!(out, "  {:keys$}  {value:values$}  {meaning}", setting.key);
    }
    out
}

fn of_level(level: &Level) -> String {
    let mut out = format!("  {:12}  {}\n", level.name, if level.works { "works" } else { "does not work" });
    for reason in &level.why {
        let _ = writeln!(out, "  {:12}  because of {}", "", terminal(reason));
    }
    for lost in &level.without {
        let _ = writeln!(out, "  {:12}  without {}", "", terminal(lost));
    }
    out
}

/// A finding; what to do is not said again when it is the same as `before`.
fn of_finding(finding: &Finding, width: usize, before: Option<&str>) -> String {
    let found = terminal(&finding.found);
    let mut out = format!("  {:7}  {:width$}  {found}\n", finding.answer.name(), finding.what);
    if let Some(remedy) = finding.remedy.as_deref().filter(|remedy| before != Some(*remedy)) {
        let _ = writeln!(out, "  {:7}  tried: {}", "", terminal(&finding.tried));
        let _ = writeln!(out, "  {:7}  to change it: {}", "", terminal(remedy));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_findings_are_made_safe_and_remedies_shown_where_needed() {
        let mut finding = Finding {
            key: "cgroups",
            group: Group::Kernel,
            what: "cgroups",
            answer: Answer::Yes,
            tried: "read".to_owned(),
            found: "at /mnt/\x1b[31m".to_owned(),
            remedy: None,
        };
        assert_eq!(of_finding(&finding, 10, None), "  yes      cgroups     at /mnt/\\u{1b}[31m\n");
        finding.answer = Answer::Unknown;
        finding.remedy = Some("mount it".to_owned());
        let shown = of_finding(&finding, 7, None);
        assert_eq!(shown.lines().nth(2), Some("           to change it: mount it"));
        assert_eq!(of_finding(&finding, 7, Some("mount it")).lines().count(), 1);
    }
}
