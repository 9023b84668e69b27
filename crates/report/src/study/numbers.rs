//! Values of a study's tables for people.

use crate::units::count;
use lima_analyze::study::Cell;

/// A number with three digits that count: `0.00123`, `12.3`, `12,300`.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e15).contains(&size) {
        return format!("{value:.2e}");
    }
    let digits = 2 - size.log10().floor() as i32;
    if digits > 0 {
        return format!("{value:.*}", digits as usize);
    }
    let unit = 10f64.powi(-digits);
    let whole = count(((size / unit).round() * unit) as u64);
    if value < 0.0 { format!("-{whole}") } else { whole }
}

/// A share as per cent.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.1 => "<0.1 %".to_owned(),
        percent if percent < 9.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// A time in nanoseconds with its unit.
pub fn time(ns: f64) -> String {
    if ns > 0.0 && ns < 1.0 { "<1 ns".to_owned() } else { crate::units::duration(ns.max(0.0).round() as u64) }
}

/// A value as a reader of a table wants it; texts are as they are.
pub fn shown(cell: Cell<'_>) -> String {
    match cell {
        Cell::Missing => String::new(),
        Cell::Text(text) => text.to_owned(),
        Cell::Whole(number) if number < 0 => number.to_string(),
        Cell::Whole(number) => count(number.unsigned_abs()),
        Cell::Fraction(number) => short(number),
        Cell::Flag(flag) => if flag { "yes" } else { "no" }.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let shown: Vec<_> = [0.0, 0.00123, 0.5, 1.0, 12.34, 999.6, 12_345.0, 2e-7, -42.0].map(short).into();
        assert_eq!(shown, ["0", "0.00123", "0.500", "1.00", "12.3", "1,000", "12,300", "2.00e-7", "-42.0"]);
        assert_eq!([0.0, 0.0005, 0.0123, 0.5].map(percent), ["0 %", "<0.1 %", "1.2 %", "50 %"]);
        assert_eq!([0.2, 1_500.0].map(time), ["<1 ns", "1.50 us"]);
    }
}
