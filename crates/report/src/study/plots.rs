//! Bars, curves and dots.

use super::axis::{Panel, Scale};
use super::draw::{Anchor, Drawing, clipped, colour, width};
use super::numbers::short;
use super::pivot::PHASES;
use lima_analyze::study::StudyTable;
use std::collections::{BTreeMap, BTreeSet};

/// How many subsystems have bars.
const SUBSYSTEMS: usize = 12;

/// The platforms of which a table has rows.
fn platforms(table: &StudyTable, order: &[String]) -> Vec<String> {
    let there: BTreeSet<_> = (0..table.len()).map(|row| table.text(row, "platform")).collect();
    order.iter().filter(|platform| there.contains(platform.as_str())).cloned().collect()
}

fn rows<'a>(table: &'a StudyTable, phase: &'a str) -> impl Iterator<Item = usize> + 'a {
    (0..table.len()).filter(move |&row| table.text(row, "phase") == phase)
}

/// Those phases of which the table has rows.
fn phases(table: &StudyTable) -> Vec<&'static str> {
    PHASES.into_iter().filter(|phase| rows(table, phase).next().is_some()).collect()
}

/// Maximum rates by subsystem: a group of bars each, a bar a platform.
pub fn subsystems(table: &StudyTable, order: &[String], phase: &str) -> Option<Drawing> {
    let platforms = platforms(table, order);
    let mut bars: BTreeMap<(&str, &str), (f64, &str)> = BTreeMap::new();
    let mut most: BTreeMap<&str, f64> = BTreeMap::new();
    for row in rows(table, phase) {
        let (subsystem, rate) = (table.text(row, "subsystem"), table.number(row, "rate_max_per_s")?);
        bars.insert((subsystem, table.text(row, "platform")), (rate, table.text(row, "max_workload")));
        let known = most.entry(subsystem).or_default();
        *known = known.max(rate);
    }
    let mut order: Vec<_> = most.into_iter().collect();
    order.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(other.0)));
    order.truncate(SUBSYSTEMS);
    if order.is_empty() {
        return None;
    }
    let bar = 15.0;
    let group = platforms.len() as f64 * bar + 14.0;
    let (left, wide) = (110.0, 560.0);
    let height = 96.0 + order.len() as f64 * group + 52.0;
    let title = format!("Highest lock rates by subsystem, {phase}");
    let mut drawing = Drawing::new(left + wide + 190.0, height, &title);
    drawing.legend(left, 54.0, &platforms);
    let across = Scale::log(order.iter().flat_map(|&(name, most)| {
        let of = platforms.iter().filter_map(|platform| bars.get(&(name, platform.as_str()))).map(|bar| bar.0);
        of.chain([most]).collect::<Vec<_>>()
    }));
    let panel =
        Panel { x: left, y: 72.0, width: wide, height: order.len() as f64 * group + 8.0, across, up: Scale::share() };
    panel.across(&mut drawing, "acquisitions per second and tenant, in the workload with most (logarithmic)");
    for (at, (name, _)) in order.iter().enumerate() {
        let y = 80.0 + at as f64 * group;
        drawing.text(left - 10.0, y + platforms.len() as f64 * bar / 2.0 + 4.0, name, Anchor::End);
        for (place, platform) in platforms.iter().enumerate() {
            let Some(&(rate, workload)) = bars.get(&(*name, platform.as_str())) else { continue };
            let (x, _) = panel.at(rate, 0.0);
            let top = y + place as f64 * bar;
            drawing.rect(left, top, (x - left).max(1.0), bar - 2.0, colour(place));
            let said = format!("{} {}", short(rate), clipped(workload, 20));
            drawing.label(x + 5.0, top + 10.5, &said, 9.5, Anchor::Start, "#444444");
        }
    }
    Some(drawing)
}

/// The cumulative distribution of the classes' rates, a curve a platform, a panel a phase.
pub fn distribution(table: &StudyTable, order: &[String]) -> Option<Drawing> {
    let (platforms, phases) = (platforms(table, order), phases(table));
    let rates = |phase: &str, platform: &str| {
        let mut rates: Vec<f64> = rows(table, phase)
            .filter(|&row| table.text(row, "platform") == platform)
            .filter_map(|row| table.number(row, "rate_per_s"))
            .collect();
        rates.sort_by(f64::total_cmp);
        rates
    };
    let all = (0..table.len()).filter_map(|row| table.number(row, "rate_per_s"));
    let across = Scale::log(all);
    if phases.is_empty() {
        return None;
    }
    let mut drawing =
        Drawing::new(90.0 + phases.len() as f64 * 400.0, 400.0, "Distribution of the rates of classes of locks");
    drawing.legend(70.0, 54.0, &platforms);
    for (at, phase) in phases.iter().enumerate() {
        let panel =
            Panel { x: 70.0 + at as f64 * 400.0, y: 92.0, width: 340.0, height: 244.0, across, up: Scale::share() };
        panel.up(&mut drawing, if at == 0 { "share of classes with at most this rate" } else { "" });
        panel.across(&mut drawing, &format!("{phase}: acquisitions per second (logarithmic)"));
        for (place, platform) in platforms.iter().enumerate() {
            let rates = rates(phase, platform);
            let mut line = Vec::new();
            for (before, &rate) in rates.iter().enumerate() {
                line.push(panel.at(rate, before as f64 / rates.len() as f64));
                line.push(panel.at(rate, (before + 1) as f64 / rates.len() as f64));
            }
            drawing.path(&line, colour(place), 2.0);
        }
    }
    Some(drawing)
}

/// Cold against warm: a dot for each workload and platform, above the line where start-up takes more locks a second.
pub fn cold_warm(table: &StudyTable, order: &[String]) -> Option<Drawing> {
    let platforms = platforms(table, order);
    let dot = |row: usize| Some((table.number(row, "warm_per_s")?, table.number(row, "cold_per_s")?));
    let dots: Vec<_> = (0..table.len()).filter_map(|row| Some((row, dot(row)?))).collect();
    let dots: Vec<_> = dots.into_iter().filter(|(_, (warm, cold))| *warm > 0.0 && *cold > 0.0).collect();
    if dots.is_empty() {
        return None;
    }
    let scale = Scale::log(dots.iter().flat_map(|&(_, (warm, cold))| [warm, cold]));
    let mut drawing = Drawing::new(620.0, 600.0, "Cold start against steady work");
    drawing.legend(80.0, 54.0, &platforms);
    let panel = Panel { x: 80.0, y: 92.0, width: 440.0, height: 440.0, across: scale, up: scale };
    panel.up(&mut drawing, "cold: acquisitions per second and tenant");
    panel.across(&mut drawing, "warm: acquisitions per second and tenant (both logarithmic)");
    drawing.line((panel.x, panel.y + panel.height), (panel.x + panel.width, panel.y), "#999999", 1.0);
    let mut labels: Vec<(f64, f64)> = Vec::new();
    for (row, (warm, cold)) in dots {
        let place = platforms.iter().position(|name| name == table.text(row, "platform")).unwrap_or_default();
        let (x, y) = panel.at(warm, cold);
        drawing.dot(x, y, 5.0, colour(place));
        // Names only where they do not cover one another.
        let name = clipped(table.text(row, "workload"), 16);
        if labels.iter().all(|&(left, top)| (left - x).abs() > width(&name) || (top - y).abs() > 12.0) {
            drawing.label(x + 8.0, y + 3.5, &name, 9.5, Anchor::Start, "#444444");
            labels.push((x, y));
        }
    }
    Some(drawing)
}

/// The score of each platform with its interval, a panel a phase.
pub fn scores(table: &StudyTable, order: &[String]) -> Option<Drawing> {
    let platforms = platforms(table, order);
    let phases: Vec<_> = phases(table)
        .into_iter()
        .filter(|phase| rows(table, phase).any(|row| table.number(row, "score").is_some()))
        .collect();
    if phases.is_empty() {
        return None;
    }
    let (step, wide) = (38.0, 380.0);
    let tall = platforms.len() as f64 * step;
    let mut drawing =
        Drawing::new(130.0 + phases.len() as f64 * (wide + 60.0), 92.0 + tall + 56.0, "Isolation score by platform");
    for (at, phase) in phases.iter().enumerate() {
        let x = 110.0 + at as f64 * (wide + 60.0);
        let panel = Panel { x, y: 64.0, width: wide, height: tall, across: Scale::share(), up: Scale::share() };
        panel.across(&mut drawing, &format!("{phase}: share of acquisitions of locks that no other tenant takes"));
        for row in rows(table, phase) {
            let name = table.text(row, "platform");
            let place = platforms.iter().position(|platform| platform == name).unwrap_or_default();
            let y = 64.0 + (place as f64 + 0.5) * step;
            if at == 0 {
                drawing.text(x - 10.0, y + 4.0, &clipped(name, 13), Anchor::End);
            }
            let Some(score) = table.number(row, "score") else { continue };
            if let (Some(low), Some(high)) = (table.number(row, "score_low"), table.number(row, "score_high")) {
                drawing.line((panel.at(low, 0.0).0, y), (panel.at(high, 0.0).0, y), colour(place), 3.0);
            }
            let middle = panel.at(score, 0.0).0;
            drawing.dot(middle, y, 6.0, colour(place));
            let groups = crate::units::of(table.number(row, "groups").unwrap_or_default() as u64, "group", "groups");
            let said = format!("{} ({groups})", short(score));
            drawing.label(middle, y - 9.0, &said, 9.5, Anchor::Middle, "#444444");
        }
    }
    Some(drawing)
}
