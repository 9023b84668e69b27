//! The figures: which there are. Those for which the study has no numbers are not drawn.

use super::draw::Drawing;
use super::folder::put;
use super::pivot::{PHASES, Pivot};
use super::{heat, plots};
use anyhow::Result;
use lima_analyze::study::{Results, StudyTable};
use std::path::Path;

/// Writes each as SVG and PNG.
pub fn write(results: &Results, folder: &Path) -> Result<()> {
    for (name, drawing) in all(results) {
        put(&folder.join(format!("{name}.svg")), drawing.svg().as_bytes())?;
        put(&folder.join(format!("{name}.png")), &drawing.png()?)?;
    }
    Ok(())
}

fn all(results: &Results) -> Vec<(String, Drawing)> {
    let mut drawn = Vec::new();
    let mut add =
        |name: &str, drawing: Option<Drawing>| drawn.extend(drawing.map(|drawing| (name.to_owned(), drawing)));
    let table = |name: &str| results.table(name);
    let order = &results.platforms[..];
    add("interference", table("pairs").and_then(|table| interference(table, order)));
    add("observed", table("pairs").and_then(|table| observed(table, order)));
    add("overlap", table("overlap").and_then(|table| overlap(table, order)));
    add("scores", table("scores").and_then(|table| plots::scores(table, order)));
    add("rates", table("hot").and_then(|table| plots::distribution(table, order)));
    add("cold_warm", table("cold_warm").and_then(|table| plots::cold_warm(table, order)));
    for phase in PHASES {
        add(
            &format!("subsystems_{phase}"),
            table("subsystems").and_then(|table| plots::subsystems(table, order, phase)),
        );
    }
    drawn
}

/// Groups of workloads against platforms: how much they share.
fn interference(table: &StudyTable, order: &[String]) -> Option<Drawing> {
    heat::map(
        "Potential interference of tenants side by side",
        heat::Scale::Share,
        &panels(table, order, "workloads", "platform", |row| Some(1.0 - table.number(row, "score")?)),
        "share of a tenant's acquisitions that are of locks which another tenant acquires too; medians over the runs",
        "not run",
    )
}

/// Groups of workloads against platforms: how long they waited for each other.
fn observed(table: &StudyTable, order: &[String]) -> Option<Drawing> {
    heat::map(
        "Observed interference of tenants side by side",
        heat::Scale::Waited,
        &panels(table, order, "workloads", "platform", |row| table.number(row, "observed_ns_per_s")),
        "time that a tenant waited for locks which another tenant is known to have held, per second; medians over the runs",
        "not run",
    )
}

/// Platforms against platforms: which classes of locks they have in common.
fn overlap(table: &StudyTable, order: &[String]) -> Option<Drawing> {
    heat::map(
        "Overlap of the classes of locks of two platforms",
        heat::Scale::Share,
        &panels(table, order, "platform", "other", |row| table.number(row, "overlap")),
        "classes that both take, of those that at least one takes",
        "",
    )
}

/// A panel for each phase, with what two columns name as its rows and columns.
fn panels(
    table: &StudyTable,
    order: &[String],
    row: &str,
    column: &str,
    value: impl Fn(usize) -> Option<f64>,
) -> [(String, Pivot); PHASES.len()] {
    PHASES.map(|phase| {
        let name = |table: &StudyTable, at: usize| table.text(at, row).to_owned();
        (phase.to_owned(), Pivot::of(order, table, phase, name, column, |_, at| value(at)))
    })
}
