//! The main results in sentences, each with its number and the table that it is from.

use super::numbers::{percent, short, time};
use super::pivot::{PHASES, workload};
use crate::units::{count, of};
use lima_analyze::study::{Results, StudyTable};
use lima_model::escape;
use std::fmt::Write;

/// How many objects, workloads or runs are named in a sentence.
const FEW: usize = 3;

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
        let mut without = 0;
        for row in (0..runs.len()).filter(|&row| !runs.flag(row, "counted")) {
            without += 1;
            if without <= 20 {
                let (run, status) = (name(runs.text(row, "run")), runs.text(row, "status"));
                let reason = match runs.text(row, "reason") {
                    "" => String::new(),
                    reason => format!(": {}", name(reason)),
                };
                self.say(&format!("{run} does not count ({status}){reason}."), "all_runs");
            }
        }
        if without > 20 {
            self.say(&format!("Neither do {} more.", without - 20), "all_runs");
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

    fn isolation(&mut self) {
        self.head("Isolation");
        let scored = self.table("scores").cloned();
        let Some(scores) = scored.filter(|table| (0..table.len()).any(|row| table.number(row, "score").is_some()))
        else {
            return self.none("No two tenants ran side by side with their acquisitions traced: there is no score.");
        };
        for phase in PHASES {
            let rows: Vec<_> = (0..scores.len())
                .filter(|&row| scores.text(row, "phase") == phase && scores.number(row, "score").is_some())
                .collect();
            for &row in &rows {
                let number = |column: &str| scores.number(row, column).unwrap_or_default();
                self.say(
                    &format!(
                        "{phase}: on **{}** {} of a tenant's acquisitions are of locks that no other tenant takes (score {}, from {} \
                         to {} over {}, {}); it shares {} acquisitions a second, and waits {} a second for the others.",
                        name(scores.text(row, "platform")),
                        percent(number("score")),
                        short(number("score")),
                        short(number("score_least")),
                        short(number("score_most")),
                        of(number("groups") as u64, "group of workloads", "groups of workloads"),
                        of(number("runs") as u64, "run", "runs"),
                        short(number("shared_per_s")),
                        time(number("observed_ns_per_s")),
                    ),
                    "scores",
                );
            }
        }
        let Some(pairs) = self.table("pairs").cloned() else { return };
        let shares = |row: usize| Some((pairs.number(row, "score")?, pairs.number(row, "class_share")?));
        if let Some((row, (score, class))) = best(&pairs, |row| shares(row).map(|(score, class)| class - 1.0 + score))
            .and_then(|row| Some((row, shares(row)?)))
        {
            self.say(
                &format!(
                    "Instances matter most for {} on {} ({}): by class of lock {} of the acquisitions would pass for shared, by instance \
                     {} are.",
                    name(pairs.text(row, "workloads")),
                    name(pairs.text(row, "platform")),
                    pairs.text(row, "phase"),
                    percent(class),
                    percent(1.0 - score)
                ),
                "pairs",
            );
        }
    }

    fn objects(&mut self) {
        self.head("Where interference passes");
        let Some(objects) = self.table("objects_ranked").cloned() else {
            return self.none("No lock is shared by two tenants, and none was waited for because of another.");
        };
        for (phase, platform) in groups(&objects) {
            let rows = (0..objects.len())
                .filter(|&row| objects.text(row, "phase") == phase && objects.text(row, "platform") == platform);
            let shared: Vec<_> = rows
                .clone()
                .filter(|&row| objects.number(row, "potential_per_s").is_some_and(|rate| rate > 0.0))
                .take(FEW)
                .map(|row| {
                    format!(
                        "{} ({})",
                        code(objects.text(row, "object")),
                        percent(objects.number(row, "share").unwrap_or_default())
                    )
                })
                .collect();
            if !shared.is_empty() {
                self.say(
                    &format!(
                        "{phase}, {}: most potential interference passes through {}.",
                        name(&platform),
                        listed(&shared)
                    ),
                    "objects_ranked",
                );
            }
            let waited = rows.clone().find(|&row| objects.number(row, "observed_place") == Some(1.0));
            if let Some(row) = waited {
                self.say(
                    &format!(
                        "{phase}, {}: most observed interference passes through {}: {} of waiting a second, added up over the tenants.",
                        name(&platform),
                        code(objects.text(row, "object")),
                        time(objects.number(row, "observed_ns_per_s").unwrap_or_default())
                    ),
                    "objects_ranked",
                );
            }
        }
        self.sources();
    }

    /// Whether this study finds what LIMA's paper found.
    fn sources(&mut self) {
        let known = self.table("sources").cloned();
        let shared =
            |table: &StudyTable| (0..table.len()).any(|row| table.number(row, "of_classes").is_some_and(|of| of > 0.0));
        let Some(sources) = known.filter(shared) else { return };
        self.none(
            "LIMA's paper (arXiv 2507.21248) finds the file system's journal and the page allocator to be the most common sources. Here:",
        );
        for (source, said) in [("journal", "the journal"), ("page_allocator", "the page allocator")] {
            let rows: Vec<_> = (0..sources.len()).filter(|&row| sources.text(row, "source") == source).collect();
            let found: Vec<_> = rows.iter().filter(|&&row| sources.number(row, "best_place").is_some()).collect();
            let Some(&&best) = found.iter().min_by(|&&&one, &&&other| {
                let place = |row: usize| sources.number(row, "best_place").unwrap_or(f64::INFINITY);
                place(one).total_cmp(&place(other))
            }) else {
                self.say(&format!("{said}: none of its locks is shared on any platform, in any phase."), "sources");
                continue;
            };
            let top = found
                .iter()
                .filter(|&&&row| sources.number(row, "best_place").is_some_and(|place| place <= 3.0))
                .count();
            self.say(
                &format!(
                    "{said}: among the first three in {top} of {} (platform and phase); at best {}, number {} on {} ({}), with {} of \
                     the potential interference there.",
                    of(rows.len() as u64, "case", "cases"),
                    code(sources.text(best, "best_object")),
                    sources.number(best, "best_place").unwrap_or_default(),
                    name(sources.text(best, "platform")),
                    sources.text(best, "phase"),
                    percent(sources.number(best, "share").unwrap_or_default())
                ),
                "sources",
            );
        }
    }

    fn rates(&mut self) {
        self.head("Rates");
        let Some(rates) = self.table("rates").cloned() else {
            return self.none("No run that counts was traced at the level `acquisitions`: there are no rates.");
        };
        for phase in PHASES {
            let of_phase = |row: usize| {
                (rates.text(row, "phase") == phase).then(|| rates.number(row, "rate_median_per_s")).flatten()
            };
            if let Some(row) = best(&rates, of_phase) {
                let number = |column: &str| rates.number(row, column).unwrap_or_default();
                self.say(
                    &format!(
                        "{phase}: {} on {} takes most locks, {} a second (median of {}; from {} to {}).",
                        name(&workload(&rates, row)),
                        name(rates.text(row, "platform")),
                        short(number("rate_median_per_s")),
                        of(number("runs") as u64, "run", "runs"),
                        short(number("rate_min_per_s")),
                        short(number("rate_max_per_s"))
                    ),
                    "rates",
                );
            }
        }
        if let Some(sensitivity) = self.table("sensitivity").cloned() {
            let factor = |row: usize| {
                sensitivity
                    .number(row, "factor")
                    .filter(|_| sensitivity.number(row, "platforms").is_some_and(|of| of > 1.0))
            };
            if let Some(row) = best(&sensitivity, factor) {
                let beyond = if sensitivity.flag(row, "beyond_noise") { "more" } else { "not more" };
                self.say(
                    &format!(
                        "{}: {} depends most on the platform, {} times as many acquisitions on {} as on {}; that is {beyond} than its \
                         repetitions differ.",
                        sensitivity.text(row, "phase"),
                        name(&workload(&sensitivity, row)),
                        short(factor(row).unwrap_or_default()),
                        name(sensitivity.text(row, "most_platform")),
                        name(sensitivity.text(row, "least_platform"))
                    ),
                    "sensitivity",
                );
            }
        }
        if let Some(subsystems) = self.table("subsystems").cloned() {
            for (phase, platform) in groups(&subsystems) {
                let first: Vec<_> = (0..subsystems.len())
                    .filter(|&row| {
                        subsystems.text(row, "phase") == phase && subsystems.text(row, "platform") == platform
                    })
                    .take(FEW)
                    .map(|row| {
                        let rate = short(subsystems.number(row, "rate_max_per_s").unwrap_or_default());
                        format!(
                            "{} ({rate} a second in {})",
                            name(subsystems.text(row, "subsystem")),
                            name(subsystems.text(row, "max_workload"))
                        )
                    })
                    .collect();
                self.say(
                    &format!("{phase}, {}: the busiest parts of the kernel are {}.", name(&platform), listed(&first)),
                    "subsystems",
                );
            }
        }
    }

    fn locks(&mut self) {
        self.head("Common and exclusive locks");
        if self.table("common_platforms").is_none() {
            self.none("Without rates it is not known which locks are common.");
        }
        if let Some(common) = self.table("common_platforms").cloned() {
            for phase in PHASES {
                let rows: Vec<_> = (0..common.len()).filter(|&row| common.text(row, "phase") == phase).collect();
                if rows.is_empty() {
                    continue;
                }
                let everywhere: Vec<_> = rows.iter().filter(|&&row| common.flag(row, "common")).collect();
                let hot: Vec<_> = everywhere
                    .iter()
                    .filter(|&&&row| common.number(row, "hot_on") == common.number(row, "of_platforms"))
                    .map(|&&row| code(common.text(row, "object")))
                    .collect();
                let also = match hot.len() {
                    0 => "none of them is hot on every platform".to_owned(),
                    many => format!("{many} are hot on all, first {}", listed(&hot[..many.min(FEW)])),
                };
                self.say(
                    &format!(
                        "{phase}: of {} classes of locks {} are taken on every platform; {also}.",
                        rows.len(),
                        everywhere.len()
                    ),
                    "common_platforms",
                );
            }
        }
        if let Some(exclusive) = self.table("exclusive").cloned() {
            let rows: Vec<_> = (0..exclusive.len())
                .filter(|&row| exclusive.text(row, "scope") == "platform" && exclusive.flag(row, "certain"))
                .collect();
            let mut platforms: Vec<_> = rows.iter().map(|&row| exclusive.text(row, "who")).collect();
            platforms.sort_unstable();
            platforms.dedup();
            for platform in platforms {
                let mut classes: Vec<String> = Vec::new();
                for &row in rows.iter().filter(|&&row| exclusive.text(row, "who") == platform) {
                    let class = code(exclusive.text(row, "object"));
                    if !classes.contains(&class) {
                        classes.push(class);
                    }
                }
                self.say(
                    &format!(
                        "Only on {}, in two runs at least: {}, first {}.",
                        name(platform),
                        of(classes.len() as u64, "object", "objects"),
                        listed(&classes[..classes.len().min(FEW)])
                    ),
                    "exclusive",
                );
            }
        }
    }

    fn births(&mut self) {
        self.head("Locks born, cold and warm");
        let Some(cold_warm) = self.table("cold_warm").cloned() else {
            return self.none("No workload has rates of both phases.");
        };
        let ratio = |row: usize| cold_warm.number(row, "cold_to_warm");
        if let Some(row) = best(&cold_warm, ratio) {
            self.say(
                &format!(
                    "{} on {} takes {} times as many locks a second while it starts as while it works, the highest such number.",
                    name(&workload(&cold_warm, row)),
                    name(cold_warm.text(row, "platform")),
                    short(ratio(row).unwrap_or_default())
                ),
                "cold_warm",
            );
        }
        let Some(births) = self.table("birth_rates").cloned() else {
            return self.none("No initialisation of a lock was seen.");
        };
        for phase in PHASES {
            let of_phase = |row: usize| {
                (births.text(row, "phase") == phase).then(|| births.number(row, "born_median_per_s")).flatten()
            };
            if let Some(row) = best(&births, of_phase) {
                let unused = births.number(row, "died_unused_share").map_or_else(String::new, |share| {
                    format!("; of those that died {} were never taken", percent(share))
                });
                self.say(
                    &format!(
                        "{phase}: {} is born most often, {} a second in {} on {}{unused}.",
                        code(births.text(row, "object")),
                        short(of_phase(row).unwrap_or_default()),
                        name(&workload(&births, row)),
                        name(births.text(row, "platform"))
                    ),
                    "birth_rates",
                );
            }
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
