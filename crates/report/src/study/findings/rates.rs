//! How often locks are taken, which are common, and which are born.

use super::super::numbers::{percent, short};
use super::super::pivot::{PHASES, workload};
use super::{FEW, Page, best, code, groups, listed, name};
use crate::units::of;

impl Page<'_> {
    pub(super) fn rates(&mut self) {
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
                let number = |column: &str| sensitivity.number(row, column).unwrap_or_default();
                let beyond = match sensitivity.flag(row, "beyond_noise") {
                    // Each platform once: nothing is known of how repetitions differ.
                    _ if number("runs") <= number("platforms") => "",
                    true => "; that is more than its repetitions differ",
                    false => "; that is not more than its repetitions differ",
                };
                self.say(
                    &format!(
                        "{}: {} depends most on the platform, {} times as many acquisitions on {} as on {}{beyond}.",
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

    pub(super) fn locks(&mut self) {
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

    pub(super) fn births(&mut self) {
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
}
