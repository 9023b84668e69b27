//! How well platforms isolate, and which objects of the kernel interference passes through.

use super::super::numbers::{percent, short, time};
use super::super::pivot::PHASES;
use super::{FEW, Page, best, code, groups, listed, name};
use crate::units::of;
use lima_analyze::study::StudyTable;

impl Page<'_> {
    pub(super) fn isolation(&mut self) {
        self.head("Isolation");
        let Some(scores) = self.table("scores").cloned() else {
            return self.none("No two tenants ran side by side: there is no score.");
        };
        let scored = (0..scores.len()).any(|row| scores.number(row, "score").is_some());
        if !scored {
            self.none("No two tenants ran side by side with their acquisitions traced: there is no score.");
        }
        for phase in PHASES {
            for row in (0..scores.len()).filter(|&row| scores.text(row, "phase") == phase) {
                match scores.number(row, "score") {
                    Some(score) => self.score(&scores, row, score),
                    None => self.observed(&scores, row),
                }
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

    fn score(&mut self, scores: &StudyTable, row: usize, score: f64) {
        let number = |column: &str| scores.number(row, column).unwrap_or_default();
        self.say(
            &format!(
                "{}: on **{}** {} of a tenant's acquisitions are of locks that no other tenant takes (score {}, from {} to {} over \
                 {}, {}); it shares {} acquisitions a second, and waits {} a second for the others.",
                scores.text(row, "phase"),
                name(scores.text(row, "platform")),
                percent(score),
                short(score),
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

    /// Where acquisitions were not traced.
    fn observed(&mut self, scores: &StudyTable, row: usize) {
        let Some(waited) = scores.number(row, "observed_ns_per_s") else { return };
        self.say(
            &format!(
                "{}: on **{}** a tenant waits {} a second for locks that other tenants hold (median over the groups of workloads, {}).",
                scores.text(row, "phase"),
                name(scores.text(row, "platform")),
                time(waited),
                of(scores.number(row, "runs").unwrap_or_default() as u64, "run", "runs"),
            ),
            "scores",
        );
    }

    pub(super) fn objects(&mut self) {
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
}
