//! A panel with two axes.

use super::draw::{Anchor, Drawing};
use super::numbers::short;

const GREY: &str = "#cccccc";

/// From a number to a place along an axis.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// Powers of ten that hold all the numbers that are more than 0.
    pub fn log(numbers: impl Iterator<Item = f64>) -> Self {
        let (mut least, mut most) = (f64::INFINITY, 0.0f64);
        numbers.filter(|&number| number > 0.0).for_each(|number| (least, most) = (least.min(number), most.max(number)));
        if !least.is_finite() {
            (least, most) = (1.0, 10.0);
        }
        let from = least.log10().floor();
        Self { from, to: most.log10().ceil().max(from + 1.0), log: true }
    }

    /// From 0 to 1.
    pub const fn share() -> Self {
        Self { from: 0.0, to: 1.0, log: false }
    }

    /// Where a number lies, from 0 to 1; what is below the axis is at its beginning.
    pub fn at(&self, number: f64) -> f64 {
        let value = if self.log { number.max(f64::MIN_POSITIVE).log10() } else { number };
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// The numbers that are written beside it.
    fn marks(&self) -> Vec<f64> {
        if !self.log {
            return (0..=5).map(|fifth| f64::from(fifth) / 5.0).collect();
        }
        let step = ((self.to - self.from) / 6.0).ceil().max(1.0) as usize;
        (self.from as i32..=self.to as i32).step_by(step).map(|power| 10f64.powi(power)).collect()
    }
}

/// A rectangle to draw numbers in.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Of what is drawn to the right.
    pub across: Scale,
    /// Of what is drawn upwards.
    pub up: Scale,
}

impl Panel {
    /// The place of two numbers.
    pub fn at(&self, across: f64, up: f64) -> (f64, f64) {
        (self.x + self.across.at(across) * self.width, self.y + (1.0 - self.up.at(up)) * self.height)
    }

    /// The axis below, with lines through the panel.
    pub fn across(&self, drawing: &mut Drawing, title: &str) {
        for mark in self.across.marks() {
            let x = self.x + self.across.at(mark) * self.width;
            drawing.line((x, self.y), (x, self.y + self.height), GREY, 0.5);
            drawing.text(x, self.y + self.height + 16.0, &said(mark), Anchor::Middle);
        }
        drawing.text(self.x + self.width / 2.0, self.y + self.height + 34.0, title, Anchor::Middle);
    }

    /// The axis at the left, with lines through the panel.
    pub fn up(&self, drawing: &mut Drawing, title: &str) {
        for mark in self.up.marks() {
            let y = self.y + (1.0 - self.up.at(mark)) * self.height;
            drawing.line((self.x, y), (self.x + self.width, y), GREY, 0.5);
            drawing.text(self.x - 6.0, y + 4.0, &said(mark), Anchor::End);
        }
        drawing.text(self.x - 46.0, self.y - 10.0, title, Anchor::Start);
    }
}

fn said(mark: f64) -> String {
    match mark {
        mark if mark >= 1e6 => format!("{}M", short_whole(mark / 1e6)),
        mark if mark >= 1e3 => format!("{}k", short_whole(mark / 1e3)),
        mark if mark >= 1.0 => short_whole(mark),
        0.0 => "0".to_owned(),
        mark => short(mark).trim_end_matches('0').to_owned(),
    }
}

fn short_whole(number: f64) -> String {
    format!("{number:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_holds_its_numbers() {
        let scale = Scale::log([0.0, 3.0, 4_000.0].into_iter());
        assert_eq!(scale.marks(), [1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!((scale.at(1.0), scale.at(100.0), scale.at(0.0)), (0.0, 0.5, 0.0));
        assert_eq!(Scale::log(std::iter::empty()).marks(), [1.0, 10.0]);
        assert_eq!(scale.marks().into_iter().map(said).collect::<Vec<_>>(), ["1", "10", "100", "1k", "10k"]);
        assert_eq!(
            Scale::share().marks().into_iter().map(said).collect::<Vec<_>>(),
            ["0", "0.2", "0.4", "0.6", "0.8", "1"]
        );
    }
}
