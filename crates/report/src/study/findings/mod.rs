//! The main results in sentences, each with its number and the table that it is from.

mod interference;
mod rates;

use super::numbers::{percent, short};
use super::pivot::workload;
use crate::units::{count, of};
use lima_analyze::study::{Results, StudyTable};
use lima_model::escape;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many objects, workloads or runs are named in a sentence.
const FEW: usize = 3;
/// How many runs that do not count for the same reason are named one by one.
const NAMED: usize = 5;

/// The findings as Markdown.
pub fn text(results: &Results) -> String {
    let mut page = Page { results, out: String::new() };
    let _ = writeln!(page.out, "# Findings: {}\n", name(&results.name));
    page.out.push_str(
        "Words and numbers are defined in LIMA's `docs/method.md`; the table that a number is from stands in brackets, as \
         `csv/TABLE.csv`, and as a sheet of `tables.xlsx`.\n",
    );
    page.runs();
    page.isolation();
    page.objects();
    page.rates();
    page.locks();
    page.births();
    page.validation();
    page.out
}

struct Page<'a> {
    results: &'a Results,
    out: String,
}

impl Page<'_> {
    fn table(&self, name: &str) -> Option<&StudyTable> {
        self.results.table(name).filter(|table| !table.is_empty())
    }

    fn head(&mut self, title: &str) {
        let _ = write!(self.out, "\n## {title}\n\n");
    }

    /// A finding: a sentence with the table that its numbers are from.
    fn say(&mut self, sentence: &str, table: &str) {
        let _ = writeln!(self.out, "- {sentence} [`{table}`]");
    }

    /// That there is nothing to say, and why.
    fn none(&mut self, why: &str) {
        let _ = writeln!(self.out, "- {why}");
    }

    fn runs(&mut self) {
        self.head("What stands behind this");
        let Some(runs) = self.table("all_runs").cloned() else { return };
        let counted = (0..runs.len()).filter(|&row| runs.flag(row, "counted")).count();
        let lost = (0..runs.len()).filter(|&row| runs.flag(row, "counted") && !runs.flag(row, "complete")).count();
        let all = of(runs.len() as u64, "run", "runs");
        self.say(&format!("{counted} of {all} count; the traces of {lost} of these lost something."), "all_runs");
        let mut without: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
        for row in (0..runs.len()).filter(|&row| !runs.flag(row, "counted")) {
            without
                .entry((runs.text(row, "status"), runs.text(row, "reason")))
                .or_default()
                .push(name(runs.text(row, "run")));
        }
        for ((status, reason), mut which) in without {
            let do_not = if which.len() == 1 { "does" } else { "do" };
            if which.len() > NAMED {
                let more = which.split_off(FEW).len();
                which.push(format!("{more} more"));
            }
            let reason = if reason.is_empty() { String::new() } else { format!(": {}", name(reason)) };
            self.say(&format!("{} {do_not} not count ({status}){reason}.", listed(&which)), "all_runs");
        }
        let few =
            (0..runs.len()).filter(|&row| runs.flag(row, "counted")).filter_map(|row| runs.number(row, "repetition"));
        let repetitions = few.fold(0.0, f64::max);
        if counted > 0 && repetitions <= 5.0 {
            self.none(&format!(
                "With {} at most, the interval of a median is no more than its range.",
                of(repetitions as u64, "repetition", "repetitions")
            ));
        }
        for note in self.results.notes.clone() {
            self.none(&format!("Note: {}.", name(&note)));
        }
    }

    fn validation(&mut self) {
        self.head("Validation");
        match self.table("elapsed").cloned() {
            None => self.none("No run has both times of a fixed amount of work, traced and untraced."),
            Some(elapsed) => {
                let slowdowns: Vec<_> =
                    (0..elapsed.len()).filter_map(|row| elapsed.number(row, "slowdown_median")).collect();
                let most = best(&elapsed, |row| elapsed.number(row, "slowdown_median"));
                if let Some(row) = most {
                    self.say(
                        &format!(
                            "The same work takes from {} to {} times as long while it is traced, most on {} with {}.",
                            short(slowdowns.iter().copied().fold(f64::INFINITY, f64::min)),
                            short(slowdowns.iter().copied().fold(0.0, f64::max)),
                            name(elapsed.text(row, "platform")),
                            name(&workload(&elapsed, row))
                        ),
                        "elapsed",
                    );
                }
            }
        }
        match self.table("losses").cloned() {
            None => self.none("No trace that counts lost anything."),
            Some(losses) => {
                let share = |row: usize| losses.number(row, "of_acquisitions");
                if let Some(row) = best(&losses, share) {
                    self.say(
                        &format!(
                            "The largest loss beside the acquisitions of its run is {} {} in {}, {} of them.",
                            count(losses.number(row, "count").unwrap_or_default() as u64),
                            code(losses.text(row, "cause")),
                            name(losses.text(row, "run")),
                            percent(share(row).unwrap_or_default())
                        ),
                        "losses",
                    );
                }
            }
        }
        match self.table("repetitions").cloned() {
            None => self.none("No repetitions disagree by more than half of their median."),
            Some(apart) => self.say(
                &format!(
                    "Repetitions disagree by more than half of their median in {}, most in {} on {} ({}).",
                    of(apart.len() as u64, "case", "cases"),
                    name(&workload(&apart, 0)),
                    name(apart.text(0, "platform")),
                    apart.text(0, "phase")
                ),
                "repetitions",
            ),
        }
    }
}

/// The row with the highest number; the first of equals.
fn best(table: &StudyTable, number: impl Fn(usize) -> Option<f64>) -> Option<usize> {
    let rows = (0..table.len()).filter_map(|row| Some((row, number(row)?)));
    rows.fold(None, |best: Option<(usize, f64)>, (row, value)| match best {
        Some((_, most)) if most >= value => best,
        _ => Some((row, value)),
    })
    .map(|(row, _)| row)
}

/// Phases and platforms, in the order of the rows.
fn groups(table: &StudyTable) -> Vec<(String, String)> {
    let mut groups: Vec<(String, String)> = Vec::new();
    for row in 0..table.len() {
        let group = (table.text(row, "phase").to_owned(), table.text(row, "platform").to_owned());
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

/// `a`, `a and b`, `a, b and c`.
fn listed(words: &[String]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

/// A name as code in Markdown.
fn code(name: &str) -> String {
    format!("`{}`", escape::terminal(name).replace('`', "'"))
}

/// A name in Markdown: nothing in it is markup.
fn name(name: &str) -> String {
    let mut out = String::new();
    for c in escape::terminal(name).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '`' => out.push('\''),
            '[' | ']' | '*' | '|' | '!' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}
