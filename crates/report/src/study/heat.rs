//! Heat maps: numbers as colours, and written into their cells.

use super::draw::{Anchor, Drawing, clipped, width};
use super::numbers::{percent, time};
use super::pivot::Pivot;
use std::collections::BTreeSet;

const CELL: (f64, f64) = (96.0, 30.0);
/// The longest name of a row.
const NAME: usize = 42;

/// What the numbers of a map are.
#[derive(Clone, Copy, Debug)]
pub enum Scale {
    /// Shares, from 0 to 1.
    Share,
    /// Nanoseconds waited in a second: by their order of magnitude, from a microsecond to a second, so that the colours of two
    /// studies compare.
    Waited,
}

impl Scale {
    /// From 0, the lightest, to 1.
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Share => value,
            Self::Waited => (value.max(1.0).log10() - 3.0) / 6.0,
        }
    }

    fn text(self, value: f64) -> String {
        match self {
            Self::Share => percent(value),
            Self::Waited if value == 0.0 => "0".to_owned(),
            Self::Waited => time(value),
        }
    }
}

/// One panel for each phase, side by side; `missing` stands where there is no number. Nothing when there is none at all.
pub fn map(title: &str, scale: Scale, panels: &[(String, Pivot)], legend: &str, missing: &str) -> Option<Drawing> {
    let panels: Vec<_> = panels.iter().filter(|(_, pivot)| !pivot.is_empty()).collect();
    let rows: BTreeSet<&String> = panels.iter().flat_map(|(_, pivot)| &pivot.rows).collect();
    if rows.is_empty() {
        return None;
    }
    let left = rows.iter().map(|name| width(&clipped(name, NAME))).fold(60.0, f64::max) + 30.0;
    let widths: f64 = panels.iter().map(|(_, pivot)| pivot.columns.len() as f64 * CELL.0 + 24.0).sum();
    let height = 92.0 + rows.len() as f64 * CELL.1 + 46.0;
    let wide = (left + widths).max(width(title) * 1.3).max(width(legend) * 0.92 + 40.0);
    let mut drawing = Drawing::new(wide, height, title);
    for (at, row) in rows.iter().enumerate() {
        drawing.text(left - 10.0, 104.0 + at as f64 * CELL.1, &clipped(row, NAME), Anchor::End);
    }
    let mut x = left;
    for (phase, pivot) in &panels {
        let across = pivot.columns.len() as f64 * CELL.0;
        drawing.label(x + across / 2.0, 54.0, phase, 13.0, Anchor::Middle, "#000000");
        for (place, column) in pivot.columns.iter().enumerate() {
            let cell = x + place as f64 * CELL.0;
            drawing.text(cell + CELL.0 / 2.0, 76.0, &clipped(column, 13), Anchor::Middle);
            for (at, row) in rows.iter().enumerate() {
                let place = (cell, 84.0 + at as f64 * CELL.1);
                cell_of(&mut drawing, scale, place, pivot.get(row, column), missing);
            }
        }
        x += across + 24.0;
    }
    drawing.label(16.0, height - 16.0, legend, 11.0, Anchor::Start, "#555555");
    Some(drawing)
}

fn cell_of(drawing: &mut Drawing, scale: Scale, (x, y): (f64, f64), value: Option<f64>, missing: &str) {
    let (fill, ink, text) = match value {
        None => ("#f2f2f2".to_owned(), "#999999", missing.to_owned()),
        Some(value) => {
            let place = scale.place(value);
            let ink = if place > 0.55 { "#ffffff" } else { "#222222" };
            (shade(place), ink, scale.text(value))
        }
    };
    drawing.rect(x + 1.0, y + 1.0, CELL.0 - 2.0, CELL.1 - 2.0, &fill);
    drawing.label(x + CELL.0 / 2.0, y + 20.0, &text, 12.0, Anchor::Middle, ink);
}

/// From almost white (0) over orange to dark red (1).
fn shade(value: f64) -> String {
    const STOPS: [[f64; 3]; 4] = [[255.0, 247.0, 236.0], [253.0, 187.0, 132.0], [215.0, 72.0, 48.0], [105.0, 0.0, 0.0]];
    let place = value.clamp(0.0, 1.0) * 3.0;
    let at = (place as usize).min(2);
    let part = place - at as f64;
    let mix =
        |channel: usize| (STOPS[at][channel] + (STOPS[at + 1][channel] - STOPS[at][channel]) * part).round() as u8;
    format!("#{:02x}{:02x}{:02x}", mix(0), mix(1), mix(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_shown_by_its_order_of_magnitude() {
        let places = [0.0, 1e3, 1e6, 1e9].map(|value| Scale::Waited.place(value));
        assert_eq!(places, [-0.5, 0.0, 0.5, 1.0]);
        assert_eq!([0.0, 1_500.0].map(|value| Scale::Waited.text(value)), ["0", "1.50 us"]);
    }

    #[test]
    fn shades_go_from_light_to_dark() {
        assert_eq!(
            [0.0, 1.0, 2.0, f64::NAN].map(shade),
            ["#fff7ec", "#690000", "#690000", "#000000"].map(str::to_owned)
        );
    }
}
