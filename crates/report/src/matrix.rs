//! Interference as text: sentences, a matrix of tenants over all objects, and one for each of the first objects.

use crate::frame;
use crate::grid::{Align, Grid};
use crate::units::{count, duration, of, percent};
use lima_analyze::{About, Interference, Rows};
use lima_model::escape;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many holders a matrix shows as columns of their own.
const HOLDERS: usize = 8;
/// How many waiters a matrix shows as rows, and in sentences.
const WAITERS: usize = 20;

/// Who can stand in the place of the holder and is no tenant.
const NOBODY: &str = "none";
const UNKNOWN: &str = "unknown";

/// Interference as text. Lines are broken at `width` columns when it is given.
pub fn interference(about: &About, found: &Interference, width: Option<usize>) -> String {
    let mut out = frame::head(about, &found.whole);
    out.push('\n');
    if found.rows.rows.is_empty() {
        out.push_str("No tenant waited for a lock while this trace was recorded, as far as was asked.\n\n");
        out.push_str(&potential(&found.potential, width));
        out.push_str(&frame::foot(about));
        return out;
    }
    out.push_str(&sentences(found));
    out.push_str("\nAll objects: time that the tenants at the left waited while those at the top held the lock.\n\n");
    out.push_str(&matrix(&found.all, 0..found.all.rows.len(), width));
    for rows in objects(&found.rows) {
        out.push_str(&object(&found.rows, rows, width));
    }
    if found.cut.rows > 0 {
        let objects = of(found.cut.rows, "more object", "more objects");
        let _ = writeln!(out, "\n{objects}, {} (--top 0 shows all)", duration(found.cut.wait_ns_total));
    }
    let own = (0..found.all.rows.len())
        .any(|row| found.all.text(row, "waiter_tenant") == found.all.text(row, "holder_tenant"));
    out.push_str(if own { "\n(in brackets: tenants waiting for themselves)\n" } else { "\n" });
    out.push_str(&potential(&found.potential, width));
    if found.excess_ns > 0 {
        let excess = duration(found.excess_ns);
        let _ = writeln!(out, "FAULT: holders are blamed for {excess} more than was waited");
    }
    out.push_str(&frame::foot(about));
    out
}

/// How many rows of potential interference are shown.
const POTENTIAL: usize = 20;

/// Locks that several tenants acquire, whether or not somebody waited. Nothing when acquisitions were not counted.
fn potential(rows: &Rows, width: Option<usize>) -> String {
    if rows.rows.is_empty() {
        return String::new();
    }
    let mut out =
        "Potential: acquisitions by the tenants at the left of locks that the others acquire as well.\n\n".to_owned();
    let headings = [("tenant", Align::Left), ("other", Align::Left), ("object", Align::Left), ("type", Align::Left)];
    let numbers = [("locks", Align::Right), ("acquired", Align::Right), ("held", Align::Right)];
    let mut grid = Grid::new(headings.into_iter().chain(numbers).map(|(text, align)| (text.to_owned(), align)));
    for row in 0..rows.rows.len().min(POTENTIAL) {
        let text = |column| escape::terminal(rows.text(row, column));
        grid.row([
            text("holder_tenant"),
            text("other_tenant"),
            text("object"),
            text("lock_type"),
            format!("{} of {}", count(rows.number(row, "locks")), count(rows.number(row, "object_locks"))),
            count(rows.number(row, "acquisitions")),
            duration(rows.number(row, "hold_ns_total")),
        ]);
    }
    out.push_str(&grid.render(width));
    if rows.rows.len() > POTENTIAL {
        let more = of((rows.rows.len() - POTENTIAL) as u64, "more row", "more rows");
        let _ = writeln!(out, "{more} (--format json has all)");
    }
    out.push('\n');
    out
}

/// The ranges of rows that belong to one object each; they stand together.
fn objects(rows: &Rows) -> Vec<std::ops::Range<usize>> {
    let key = |row| ["object", "method", "lock_type"].map(|column| rows.text(row, column));
    let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
    for row in 0..rows.rows.len() {
        match ranges.last_mut() {
            Some(range) if key(range.start) == key(row) => range.end = row + 1,
            _ => ranges.push(row..row + 1),
        }
    }
    ranges
}

fn object(rows: &Rows, range: std::ops::Range<usize>, width: Option<usize>) -> String {
    let text = |column| escape::terminal(rows.text(range.start, column));
    let sum = |column| range.clone().map(|row| rows.number(row, column)).sum::<u64>();
    let head = format!(
        "\n{} ({}, found by {}): {} in {}\n\n",
        text("object"),
        text("lock_type"),
        text("method"),
        duration(sum("wait_ns_total")),
        of(sum("waits"), "wait", "waits"),
    );
    head + &matrix(rows, range, width)
}

/// Times by waiter and holder: the waiters with the longest waits first, `nobody` and `unknown` the last columns.
fn matrix(rows: &Rows, range: std::ops::Range<usize>, width: Option<usize>) -> String {
    let (mut waiters, mut holders, mut cells) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for row in range {
        let (waiter, holder) = (rows.text(row, "waiter_tenant"), rows.text(row, "holder_tenant"));
        let ns = rows.number(row, "wait_ns_total");
        *waiters.entry(waiter).or_insert(0u64) += ns;
        *cells.entry((waiter, holder)).or_insert(0u64) += ns;
        if ![NOBODY, UNKNOWN].contains(&holder) {
            *holders.entry(holder).or_insert(0u64) += ns;
        }
    }
    let (waiters, holders) = (ranked(&waiters), ranked(&holders));
    let (shown, others) = holders.split_at(holders.len().min(HOLDERS));
    let mut headings = vec![("waiter".to_owned(), Align::Left)];
    headings.extend(shown.iter().map(|holder| (escape::terminal(holder), Align::Right)));
    headings.extend((!others.is_empty()).then(|| (of(others.len() as u64, "other", "others"), Align::Right)));
    headings.extend(["nobody", "unknown", "total"].map(|heading| (heading.to_owned(), Align::Right)));
    let mut grid = Grid::new(headings);
    for waiter in waiters.iter().take(WAITERS) {
        let ns = |holder: &str| cells.get(&(*waiter, holder)).copied().unwrap_or(0);
        let mut row = vec![escape::terminal(waiter)];
        row.extend(shown.iter().map(|holder| own(duration(ns(holder)), holder == waiter)));
        if !others.is_empty() {
            row.push(duration(others.iter().map(|holder| ns(holder)).sum()));
        }
        let total = cells.iter().filter(|((of, _), _)| of == waiter).map(|(_, ns)| ns).sum();
        row.extend([ns(NOBODY), ns(UNKNOWN), total].map(duration));
        grid.row(row);
    }
    let mut out = grid.render(width);
    if waiters.len() > WAITERS {
        let _ = writeln!(out, "{}", of((waiters.len() - WAITERS) as u64, "more waiter", "more waiters"));
    }
    out
}

fn own(text: String, own: bool) -> String {
    if own && text != "0" { format!("({text})") } else { text }
}

/// Names by their sums, the largest first.
fn ranked<'a>(sums: &BTreeMap<&'a str, u64>) -> Vec<&'a str> {
    let mut names: Vec<_> = sums.iter().map(|(&name, &sum)| (Reverse(sum), name)).collect();
    names.sort_unstable();
    names.into_iter().map(|(_, name)| name).collect()
}

/// One sentence on the whole, and one on each waiter.
fn sentences(found: &Interference) -> String {
    let sum = |fits: &dyn Fn(&str, &str) -> bool| -> u64 {
        let rows = (0..found.all.rows.len())
            .filter(|&row| fits(found.all.text(row, "waiter_tenant"), found.all.text(row, "holder_tenant")));
        rows.map(|row| found.all.number(row, "wait_ns_total")).sum()
    };
    let total = sum(&|_, _| true);
    let between = |waiter: &str, holder: &str| waiter != holder && ![NOBODY, UNKNOWN].contains(&holder);
    let mut out = format!(
        "Of {} waited, {} while another tenant held the lock, {} while their own did, {} while nobody did; of {} it is \
         not known.\n",
        duration(total),
        share(sum(&between), total),
        share(sum(&|waiter, holder| waiter == holder && holder != UNKNOWN), total),
        share(sum(&|_, holder| holder == NOBODY), total),
        share(sum(&|_, holder| holder == UNKNOWN), total),
    );
    let mut waiters = BTreeMap::new();
    for row in 0..found.all.rows.len() {
        *waiters.entry(found.all.text(row, "waiter_tenant")).or_insert(0u64) += found.all.number(row, "wait_ns_total");
    }
    for waiter in ranked(&waiters).into_iter().take(WAITERS) {
        let worst = (0..found.rows.rows.len())
            .filter(|&row| found.rows.text(row, "waiter_tenant") == waiter)
            .filter(|&row| between(waiter, found.rows.text(row, "holder_tenant")))
            .max_by_key(|&row| (found.rows.number(row, "wait_ns_total"), Reverse(row)))
            .filter(|&row| found.rows.number(row, "wait_ns_total") > 0);
        let (name, waited) = (escape::terminal(waiter), waiters[waiter]);
        let _ = match worst {
            Some(row) => writeln!(
                out,
                "{name} waited {}, of which {} while {} held {}.",
                duration(waited),
                share(found.rows.number(row, "wait_ns_total"), waited),
                escape::terminal(found.rows.text(row, "holder_tenant")),
                escape::terminal(found.rows.text(row, "object")),
            ),
            None => writeln!(
                out,
                "{name} waited {}, never while another tenant is known to have held the lock.",
                duration(waited)
            ),
        };
    }
    out
}

fn share(part: u64, whole: u64) -> String {
    format!("{} ({})", duration(part), percent(part, whole))
}
