//! What `lima index build` ends with.

use super::{Source, head};
use crate::units::count;
use lima_model::escape;
use lima_model::index::Tally;
use std::fmt::Write;

/// What an index knows, and what it cost to make: what `lima index build` ends with.
pub fn summary(source: &Source<'_>) -> String {
    let manifest = source.manifest;
    let mut out = head(source);
    let rows = |name: &str| manifest.tables.get(name).map_or(0, |table| table.rows);
    let _ = writeln!(
        out,
        "locks: {} in structs, {} in variables; {} functions, {} calls",
        count(rows("locks")),
        count(rows("globals")),
        count(rows("functions")),
        count(rows("calls"))
    );
    for (what, tally) in [
        ("sites that acquire or try", &manifest.sites.taking),
        ("sites that release", &manifest.sites.release),
        ("sites that initialise", &manifest.sites.init),
    ] {
        tallied(what, tally, &mut out);
    }
    let bytes: u64 = manifest.tables.values().map(|table| table.bytes).sum();
    let seconds = |ns: u64| ns as f64 / 1e9;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let _ = writeln!(
        out,
        "made in {:.2} s ({:.2} s of CPU time), at most {:.0} MiB of memory; {:.1} MiB on disk",
        seconds(manifest.cost.wall_ns),
        seconds(manifest.cost.cpu_ns),
        mib(manifest.cost.peak_bytes),
        mib(bytes)
    );
    for note in &manifest.notes {
        let _ = writeln!(out, "note: {}", escape::terminal(note));
    }
    out
}

fn tallied(what: &str, tally: &Tally, out: &mut String) {
    let share = |part: u64| {
        if tally.sites == 0 { String::new() } else { format!(" ({:.1} %)", part as f64 * 100.0 / tally.sites as f64) }
    };
    let _ =
        writeln!(out, "{what}: {}, {}{} resolved", count(tally.sites), count(tally.resolved), share(tally.resolved));
    for (title, counts) in [("  resolved by", &tally.by_method), ("  unknown because", &tally.by_cause)] {
        let mut counts: Vec<_> = counts.iter().collect();
        counts.sort_by_key(|&(name, &number)| (std::cmp::Reverse(number), name));
        let said: Vec<_> =
            counts.iter().map(|&(name, &number)| format!("{} {}", escape::terminal(name), count(number))).collect();
        if !said.is_empty() {
            let _ = writeln!(out, "{title}: {}", said.join(", "));
        }
    }
}
