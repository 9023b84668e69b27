//! What stands around every result: of which trace it is, and what that trace lacks.

use crate::units::{count, duration, of};
use lima_analyze::{About, Sums};
use lima_model::manifest::{Ended, not_traced};
use lima_model::{Stat, escape};
use serde_json::{Value, json};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// The lines above a result.
pub fn head(about: &About, whole: &Sums) -> String {
    let seconds = about.manifest.clock.duration_ns as f64 / 1e9;
    let mut out = trace(about);
    let _ = write!(out, "{}, {} waited in all", of(whole.waits, "wait", "waits"), duration(whole.wait_ns_total));
    if seconds > 0.0 {
        let (waits, ns) = (whole.waits as f64 / seconds, whole.wait_ns_total as f64 / seconds);
        let _ = write!(out, "; each second {} and {}", of(waits.round() as u64, "wait", "waits"), duration(ns as u64));
    }
    out.push('\n');
    out
}

/// The lines above a report on acquisitions.
pub fn acquired(about: &About, whole: &Sums) -> String {
    let mut out = trace(about);
    let manifest = &about.manifest;
    let stats = &manifest.options.stats;
    let measured =
        |any: fn(Stat) -> bool| stats.is_empty() || stats.iter().filter_map(|name| Stat::from_name(name)).any(any);
    out.push_str(&of(whole.acquisitions, "acquisition", "acquisitions"));
    if measured(|stat| stat == Stat::Hold) {
        let _ = write!(out, ", held for {} in all", duration(whole.hold_ns_total));
    }
    if measured(|stat| stat == Stat::Wait) {
        let _ = write!(out, "; {} waited in {}", duration(whole.wait_ns_total), of(whole.waits, "wait", "waits"));
    }
    out.push('\n');
    let sample: Vec<_> = manifest.options.sample.iter().map(|(kind, every)| format!("{kind} 1 in {every}")).collect();
    if !sample.is_empty() {
        let _ = writeln!(out, "estimated from a sample: {} (+-: one standard deviation)", sample.join(", "));
    }
    for line in not_traced(&manifest.hooks) {
        let _ = writeln!(out, "not traced: {}", escape::terminal(&line));
    }
    out
}

/// Which trace it is.
pub fn trace(about: &About) -> String {
    let manifest = &about.manifest;
    let mut out = format!(
        "{}: {}, Linux {}, {}, {} recorded\n",
        path(about),
        name(&manifest.host),
        name(&manifest.kernel.release),
        of(manifest.kernel.cpus.into(), "CPU", "CPUs"),
        duration(manifest.clock.duration_ns),
    );
    if !manifest.command.is_empty() {
        let _ = writeln!(out, "command: {}", escape::terminal(&manifest.command.join(" ")));
    }
    if let Some(with) = &manifest.resolved {
        let (id, basis) = (&with.build_id.get(..12).unwrap_or(&with.build_id), name(&with.index));
        let _ = writeln!(out, "objects: by the index of build {}, {basis}", escape::terminal(id));
    }
    out
}

/// The lines under a result: losses, waits at the borders, notes.
pub fn foot(about: &About) -> String {
    let manifest = &about.manifest;
    let mut out = String::new();
    if about.complete {
        out.push_str("complete: nothing was lost\n");
    } else {
        out.push_str("INCOMPLETE:\n");
        for (loss, lost, meaning) in about.losses.present() {
            let _ = writeln!(out, "  {} {}: {}", count(lost), escape::terminal(loss), escape::terminal(meaning));
        }
        if let Some(reason) = unfinished(about) {
            let _ = writeln!(out, "  {reason}");
        }
    }
    let edges = &manifest.edges;
    if edges.began_before > 0 || edges.unfinished > 0 {
        let _ = writeln!(
            out,
            "at the borders: {} had begun before the recording, {} had not ended with it; they are not in the numbers",
            of(edges.began_before, "wait", "waits"),
            count(edges.unfinished),
        );
    }
    for note in &manifest.notes {
        let _ = writeln!(out, "note: {}", escape::terminal(note));
    }
    out
}

/// The trace in a JSON report.
pub fn json(about: &About) -> Value {
    let manifest = &about.manifest;
    json!({
        "path": escape::text(about.path.as_os_str().as_bytes()),
        "lima_version": manifest.lima_version,
        "host": manifest.host,
        "kernel": manifest.kernel.release,
        "cpus": manifest.kernel.cpus,
        "command": manifest.command,
        "start_unix_ns": manifest.clock.start_unix_ns,
        "duration_ns": manifest.clock.duration_ns,
        "ended": manifest.ended,
        "complete": about.complete,
        "losses": about.losses,
        "edges": manifest.edges,
        "resolved": manifest.resolved,
        "notes": manifest.notes,
    })
}

/// The path of the trace as it can be shown.
pub fn path(about: &About) -> String {
    escape::terminal(&escape::text(about.path.as_os_str().as_bytes()))
}

/// Why a trace is not complete although no loss was counted.
fn unfinished(about: &About) -> Option<&'static str> {
    match about.manifest.ended {
        Ended::Error => Some("the recording ended with an error"),
        Ended::Recording => Some("the recorder is at work, or was killed"),
        _ if about.losses.is_none() => Some("the recorder says so, and counted no loss"),
        _ => None,
    }
}

fn name(text: &str) -> String {
    if text.is_empty() { "?".to_owned() } else { escape::terminal(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lima_analyze::synthetic::Synthetic;
    use lima_model::Loss;

    #[test]
    fn losses_stand_under_every_report_with_what_they_mean() {
        let mut trace = Synthetic::sample();
        trace.losses.set(Loss::TotalsFull, 1_234);
        trace.notes.push("short waits have the calling function alone".into());
        let mut about = trace.about();
        about.manifest.edges.unfinished = 2;
        insta::assert_snapshot!(foot(&about), @r#"
    INCOMPLETE:
      1,234 totals_full: waits left out of the totals because the map was full (raise --max-totals)
    at the borders: 0 waits had begun before the recording, 2 had not ended with it; they are not in the numbers
    note: short waits have the calling function alone
    "#);
    }

    #[test]
    fn a_recording_that_failed_is_not_complete() {
        let mut about = Synthetic::sample().about();
        about.complete = false;
        about.manifest.ended = Ended::Error;
        insta::assert_snapshot!(foot(&about), @r#"
    INCOMPLETE:
      the recording ended with an error
    "#);
    }
}
