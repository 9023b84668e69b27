//! The page that `lima info` prints for people.

use super::Info;
use jiff::Timestamp;
use lima_model::escape::terminal;
use lima_model::manifest::{Ended, Manifest};
use std::fmt::{self, Write};

/// The whole page.
pub(super) fn page(info: &Info) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write_page(&mut out, info);
    out
}

fn write_page(out: &mut String, info: &Info) -> fmt::Result {
    write_facts(out, info)?;
    write_tables(out, info)?;
    write_programs(out, &info.manifest)?;
    write_edges_and_workings(out, &info.manifest)?;
    write_losses(out, info)?;
    write_list(out, "damaged", info.damaged.iter().map(|(path, reason)| format!("{path}: {reason}")))?;
    write_list(out, "notes", info.manifest.notes.iter().cloned())
}

/// What was recorded, where and how.
fn write_facts(out: &mut String, info: &Info) -> fmt::Result {
    let Manifest { kernel, options, clock, .. } = &info.manifest;
    let mut fact = |name: &str, value: String| {
        let value = if value.trim().is_empty() { "-" } else { value.trim() };
        writeln!(out, "{name:<12} {}", terminal(value))
    };
    fact("trace", info.path.clone())?;
    fact("written by", format!("LIMA {}, schema {}", info.manifest.lima_version, info.manifest.schema))?;
    fact("host", info.manifest.host.clone())?;
    fact("kernel", format!("{} {} on {}", kernel.release, kernel.machine, count(kernel.cpus.into(), "CPU")))?;
    fact("", kernel.version.clone())?;
    fact("build id", kernel.build_id.clone())?;
    fact("recorded", format!("{}, for {}", date(clock.start_unix_ns), duration(clock.duration_ns)))?;
    if !info.manifest.command.is_empty() {
        fact("command", command(&info.manifest))?;
    }
    fact("ended", ended(&info.manifest).into())?;
    fact("level", format!("{}, totals by {}", options.level, duration(options.bucket_ns)))?;
    fact(
        "single waits",
        match options.threshold_ns {
            0 => "all".into(),
            threshold => format!("from {} on", duration(threshold)),
        },
    )?;
    fact("user stacks", if options.user_stacks { "recorded" } else { "not recorded" }.into())?;
    let hierarchy = match options.cgroup_hierarchy.as_str() {
        "" => String::new(),
        hierarchy => format!(" ({hierarchy})"),
    };
    fact("tenants by", format!("{}{hierarchy}", options.tenant_by))?;
    for filter in &options.filters {
        fact("filter", format!("{} = {}", filter.field, filter.values.join(", ")))?;
    }
    fact("limits", format!("{} keys a bucket, buffer {}", options.max_totals, size(options.buffer_bytes)))?;
    fact("complete", if info.complete { "yes" } else { "no" }.into())
}

fn write_tables(out: &mut String, info: &Info) -> fmt::Result {
    let row = |name: &str, rows: u64, bytes: u64, segments: usize| {
        [name.to_owned(), rows.to_string(), size(bytes), segments.to_string()]
    };
    let mut rows: Vec<_> =
        info.tables.iter().map(|table| row(table.name, table.rows, table.bytes, table.segments)).collect();
    let tables = &info.tables;
    rows.push(row(
        "all",
        tables.iter().map(|table| table.rows).sum(),
        tables.iter().map(|table| table.bytes).sum(),
        tables.iter().map(|table| table.segments).sum(),
    ));
    write_columns(out, ["table", "rows", "size", "segments"], b"lrrr", &rows)
}

fn write_programs(out: &mut String, manifest: &Manifest) -> fmt::Result {
    if manifest.programs.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = manifest
        .programs
        .iter()
        .map(|program| {
            // Runs are counted only with kernel.bpf_stats_enabled.
            let measured = |value: String| if program.runs == 0 { "-".to_owned() } else { value };
            [
                terminal(&program.name),
                terminal(&program.attached_to),
                measured(program.runs.to_string()),
                measured(duration(program.run_ns)),
                measured(duration(program.run_ns / program.runs.max(1))),
                program.recursion_misses.to_string(),
            ]
        })
        .collect();
    write_columns(out, ["program", "attached to", "runs", "time", "a run", "misses"], b"llrrrr", &rows)
}

fn write_edges_and_workings(out: &mut String, manifest: &Manifest) -> fmt::Result {
    let edges = manifest.edges;
    writeln!(
        out,
        "\nedges: {} had begun before the recording did, {} had not ended when it did",
        count(edges.began_before, "wait"),
        count(edges.unfinished, "wait")
    )?;
    let workings = manifest.workings;
    writeln!(
        out,
        "stacks: {} recalled, {} walked; {} added up outside the kernel",
        workings.stacks_recalled,
        workings.stacks_walked,
        count(workings.waits_spilled, "wait")
    )?;
    if workings.acquisitions_spilled > 0 {
        let spilled = count(workings.acquisitions_spilled, "event");
        writeln!(out, "acquisitions and holds: {spilled} added up outside the kernel")?;
    }
    if workings.own_acquisitions > 0 {
        writeln!(out, "left out: {} by LIMA's own process", count(workings.own_acquisitions, "acquisition"))?;
    }
    if workings.own_waits > 0 {
        writeln!(out, "left out: {} of LIMA's own programs", count(workings.own_waits, "wait"))?;
    }
    Ok(())
}

fn write_losses(out: &mut String, info: &Info) -> fmt::Result {
    if info.losses.is_none() {
        return writeln!(out, "losses: none");
    }
    let rows: Vec<_> = info
        .losses
        .present()
        .map(|(name, count, meaning)| [terminal(name), count.to_string(), terminal(meaning)])
        .collect();
    write_columns(out, ["losses", "count", "meaning"], b"lrl", &rows)
}

fn write_list(out: &mut String, title: &str, items: impl Iterator<Item = String>) -> fmt::Result {
    let mut items = items.peekable();
    if items.peek().is_some() {
        writeln!(out, "\n{title}")?;
    }
    items.try_for_each(|item| writeln!(out, "  {}", terminal(&item)))
}

/// A table; `align` says for each column whether it is flush `l`eft or `r`ight.
fn write_columns<const N: usize>(
    out: &mut String,
    head: [&str; N],
    align: &[u8; N],
    rows: &[[String; N]],
) -> fmt::Result {
    let rows: Vec<_> = std::iter::once(head.map(str::to_owned)).chain(rows.iter().cloned()).collect();
    let widths: [usize; N] =
        std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default());
    writeln!(out)?;
    for row in &rows {
        let mut line = String::new();
        for ((cell, width), align) in row.iter().zip(widths).zip(align) {
            if *align == b'r' { write!(line, "{cell:>width$}  ")? } else { write!(line, "{cell:<width$}  ")? }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn command(manifest: &Manifest) -> String {
    let words: Vec<_> = manifest.command.iter().map(|word| quoted(word)).collect();
    match manifest.exit_status {
        Some(status) => format!("{} (exit status {status})", words.join(" ")),
        None => words.join(" "),
    }
}

/// A word of a command line, in quotes when it would otherwise look like several.
fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains(|c: char| c.is_whitespace() || "'\"\\$`;&|<>()*?".contains(c)) {
        format!("'{}'", word.replace('\'', "'\\''"))
    } else {
        word.to_owned()
    }
}

fn ended(manifest: &Manifest) -> &'static str {
    match manifest.ended {
        Ended::Recording => "not in order: the recorder is still at work, or was killed",
        Ended::Interrupted => "by Ctrl-C or TERM",
        Ended::Duration => "when the time was over",
        Ended::Command => "with the command",
        Ended::Error => "by an error (see notes)",
    }
}

fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

fn date(unix_ns: i64) -> String {
    Timestamp::from_nanosecond(unix_ns.into())
        .map_or_else(|_| "at an unknown time".into(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// A duration with three digits and a unit; from 100 s on in whole hours, minutes and seconds.
fn duration(ns: u64) -> String {
    let value = ns as f64;
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} us", three_digits(value / 1e3)),
        1_000_000..1_000_000_000 => format!("{} ms", three_digits(value / 1e6)),
        1_000_000_000..100_000_000_000 => format!("{} s", three_digits(value / 1e9)),
        _ => {
            let seconds = ns / 1_000_000_000;
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            if hours > 0 {
                format!("{hours} h {minutes} min {seconds} s")
            } else {
                format!("{minutes} min {seconds} s")
            }
        }
    }
}

fn size(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", three_digits(value / 1024.0)),
        1_048_576..1_073_741_824 => format!("{} MiB", three_digits(value / 1_048_576.0)),
        _ => format!("{} GiB", three_digits(value / 1_073_741_824.0)),
    }
}

/// `1.23`, `12.3` or `123`, and no zeros after the point: `50`, `1`.
fn three_digits(value: f64) -> String {
    let places = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    let text = format!("{value:.places$}");
    if places == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
