//! `lima explain`: how it is known what a lock protects.

use super::index::cache;
use super::opened::named;
use super::output::Output;
use super::resolve::no_index;
use anyhow::Result;
use clap::{Args, ValueEnum};
use lima_model::escape::terminal;
use lima_resolve::Resolver;
use lima_resolve::explain::{Explanation, explain};
use lima_resolve::lines::Lines;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// How many places are shown.
const PLACES: usize = 20;

/// The arguments.
#[derive(Args, Debug)]
#[command(after_help = "Example: lima explain example.lima inode.i_rwsem")]
pub struct Arguments {
    /// The trace, a folder `NAME.lima`
    #[arg(value_name = "TRACE")]
    trace: PathBuf,
    /// Address of the lock (0x...), as `lima report --by lock` shows it; or an object, of which the lock taken most often is
    /// explained
    #[arg(value_name = "LOCK")]
    lock: String,
    /// The index to explain it with [default: that of the trace's kernel in ~/.cache/lima/index]
    #[arg(long, value_name = "DIR")]
    index: Option<PathBuf>,
    /// Form of the explanation
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
    #[command(flatten)]
    output: Output,
}

/// The forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let trace = named(&arguments.trace)?;
    let Some(index) = cache::of_trace(&trace, arguments.index.as_deref())? else { return Err(no_index(&trace)) };
    let resolver = Resolver::of(&trace, &index)?;
    let found = explain(&resolver, &Lines::of(&index)?, &arguments.lock)?;
    let text = match arguments.format {
        Form::Text => found.iter().map(text).collect::<Vec<_>>().join("\n"),
        Form::Json => {
            let rows: Vec<_> = found.iter().map(value).collect();
            format!("{:#}\n", json!({"schema": "lima-explain/1", "rows": rows}))
        }
    };
    arguments.output.write(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn text(found: &Explanation) -> String {
    let Explanation { lock, life, lock_type, evidence, places, meaning } = found;
    let mut out = format!("{} at {lock:#x}", lock_type.name());
    if *life > 0 {
        let _ = write!(out, ", initialised {life} times since the recording began");
    }
    out.push('\n');
    let mut objects: Vec<_> = places.iter().map(|place| (&*place.object, place.method, place.confidence)).collect();
    objects.sort_unstable();
    objects.dedup();
    for (object, method, confidence) in objects {
        let _ = writeln!(out, "  {} (found by {method}, {confidence})", terminal(object));
    }
    if let Some(meaning) = meaning {
        let _ = writeln!(out, "  {} ({})", meaning.means, meaning.source);
    }
    out.push_str("\nevidence\n");
    for (_, says) in evidence {
        let _ = writeln!(out, "  {}", terminal(says));
    }
    if evidence.is_empty() {
        out.push_str("  the places alone\n");
    }
    out.push_str("\nplaces that took it\n");
    for place in places.iter().take(PLACES) {
        let _ = writeln!(out, "  {}", terminal(&place.place));
        let mut counts = Vec::new();
        if place.acquisitions > 0 {
            counts.push(format!("{} acquisitions", place.acquisitions));
        }
        if place.wait_ns > 0 {
            counts.push(format!("{:.3} ms waited", place.wait_ns as f64 / 1e6));
        }
        let _ = writeln!(
            out,
            "      the index says {}{}{}",
            terminal(&place.says),
            if counts.is_empty() { "" } else { "; " },
            counts.join(", ")
        );
    }
    if places.len() > PLACES {
        let _ = writeln!(out, "  {} more places (--format json has all)", places.len() - PLACES);
    }
    out
}

fn value(found: &Explanation) -> Value {
    let Explanation { lock, life, lock_type, evidence, places, meaning } = found;
    let evidence: Vec<_> = evidence.iter().map(|(kind, says)| json!({"kind": kind.name(), "says": says})).collect();
    let places: Vec<_> = places
        .iter()
        .map(|place| {
            json!({
                "place": place.place,
                "acquisitions": place.acquisitions,
                "wait_ns": place.wait_ns,
                "says": place.says,
                "object": place.object,
                "method": place.method,
                "confidence": place.confidence,
            })
        })
        .collect();
    json!({
        "lock": lock,
        "life": life,
        "lock_type": lock_type.name(),
        "evidence": evidence,
        "places": places,
        "means": meaning.map(|meaning| meaning.means),
        "source": meaning.map(|meaning| meaning.source),
    })
}
