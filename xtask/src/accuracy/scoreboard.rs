//! Counts, the table that shows them, and the limits that they must keep.

use super::verdict::Verdict;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The counts of one mode and one family of locks.
#[derive(Clone, Debug, Default)]
pub struct Score {
    /// Sites.
    pub sites: usize,
    /// Those with an answer.
    pub resolved: usize,
    /// Those of which the source says what they lock.
    pub known: usize,
    /// Answers by how they stand to the source.
    pub verdicts: BTreeMap<Verdict, usize>,
}

impl Score {
    /// How many answers stand so to the source.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.verdicts.get(&verdict).copied().unwrap_or(0)
    }

    /// Answers that the source can judge.
    pub fn checked(&self) -> usize {
        self.count(Verdict::Right) + self.count(Verdict::Wider) + self.count(Verdict::Wrong)
    }

    /// Percent of the sites that have an answer.
    pub fn resolved_percent(&self) -> f64 {
        percent(self.resolved, self.sites)
    }

    /// Wrong answers in ten thousand that the source can judge.
    pub fn wrong_per_10000(&self) -> f64 {
        percent(self.count(Verdict::Wrong), self.checked()) * 100.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of sites are far below 2^52")]
fn percent(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { part as f64 * 100.0 / of as f64 }
}

/// The scores of one mode, by family of locks.
#[derive(Debug, Default)]
pub struct Scoreboard {
    families: BTreeMap<&'static str, Score>,
}

impl Scoreboard {
    /// Adds a site.
    pub fn add(&mut self, family: &'static str, resolved: bool, verdict: Option<Verdict>) {
        let score = self.families.entry(family).or_default();
        score.sites += 1;
        score.resolved += usize::from(resolved);
        if let Some(verdict) = verdict {
            score.known += 1;
            *score.verdicts.entry(verdict).or_default() += 1;
        }
    }

    /// All families together.
    pub fn total(&self) -> Score {
        let mut total = Score::default();
        for score in self.families.values() {
            total.sites += score.sites;
            total.resolved += score.resolved;
            total.known += score.known;
            for (verdict, count) in &score.verdicts {
                *total.verdicts.entry(*verdict).or_default() += count;
            }
        }
        total
    }

    /// As a table.
    pub fn table(&self, mode: &str) -> String {
        let mut out = String::new();
        let total = ("all", self.total());
        let _ = writeln!(
            out,
            "{mode:<14}{:>8}{:>10}{:>9}{:>8}{:>8}{:>7}{:>9}{:>8}{:>7}{:>8}{:>10}",
            "sites", "resolved", "%", "source", "right", "wider", "variable", "beyond", "wrong", "silent", "wrong/1e4"
        );
        let families = self.families.iter().map(|(name, score)| (*name, score.clone()));
        for (name, score) in families.chain([total]) {
            let _ = writeln!(
                out,
                "  {name:<12}{:>8}{:>10}{:>9.2}{:>8}{:>8}{:>7}{:>9}{:>8}{:>7}{:>8}{:>10.2}",
                score.sites,
                score.resolved,
                score.resolved_percent(),
                score.known,
                score.count(Verdict::Right),
                score.count(Verdict::Wider),
                score.count(Verdict::Variable),
                score.count(Verdict::Beyond),
                score.count(Verdict::Wrong),
                score.count(Verdict::Silent),
                score.wrong_per_10000(),
            );
        }
        out
    }

    /// What of a file of limits this mode does not keep. A line is `MODE MEASURE NUMBER`.
    pub fn broken(&self, mode: &str, limits: &str) -> Result<Vec<String>> {
        let total = self.total();
        let mut broken = Vec::new();
        for line in limits.lines().map(|line| line.split('#').next().unwrap_or("").trim()).filter(|l| !l.is_empty()) {
            let parts: Vec<&str> = line.split_whitespace().collect();
            let [of, measure, number] = parts[..] else { bail!("limits: not `MODE MEASURE NUMBER`: {line}") };
            if of != mode {
                continue;
            }
            let number: f64 = number.parse().with_context(|| format!("limits: not a number: {line}"))?;
            #[expect(clippy::cast_precision_loss, reason = "counts of sites are far below 2^52")]
            let (value, kept) = match measure {
                "resolved_percent" => (total.resolved_percent(), total.resolved_percent() >= number),
                "wrong_per_10000" => (total.wrong_per_10000(), total.wrong_per_10000() <= number),
                "known_sites" => (total.known as f64, total.known as f64 >= number),
                _ => bail!("limits: no such measure: {line}"),
            };
            if !kept {
                broken.push(format!("{mode}: {measure} is {value:.2}, the limit is {number}"));
            }
        }
        Ok(broken)
    }
}
