//! Numbers for people.

use jiff::Timestamp;

/// A duration with three digits and the unit that suits it.
pub fn duration(ns: u64) -> String {
    const UNITS: [&str; 4] = ["ns", "us", "ms", "s"];
    if ns < 1_000 {
        return if ns == 0 { "0".to_owned() } else { format!("{ns} ns") };
    }
    let mut value = ns as f64;
    let mut unit = 0;
    // 999.6 us would be shown as 1000 us: take the next unit from where it rounds up.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let number = match value {
        _ if value >= 99.95 => count(value.round() as u64),
        _ if value >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    format!("{number} {}", UNITS[unit])
}

/// A moment of a trace that began `start_unix_ns` after the beginning of 1970, as UTC.
pub fn moment(start_unix_ns: i64, since_start_ns: u64) -> String {
    Timestamp::from_nanosecond(i128::from(start_unix_ns) + i128::from(since_start_ns))
        .map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S.%6f UTC").to_string())
}

/// A count with a comma between groups of three digits.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A part of a whole in per cent; what is there but less than a tenth of a per cent shows as such.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0 %".to_owned();
    }
    let percent = part as f64 * 100.0 / whole as f64;
    match percent {
        _ if percent < 0.1 => "<0.1 %".to_owned(),
        _ if percent < 9.95 => format!("{percent:.1} %"),
        // Not all of it, and not to be taken for all of it.
        _ if part < whole && percent >= 99.5 => ">99 %".to_owned(),
        _ => format!("{percent:.0} %"),
    }
}

/// `1 wait`, `2 waits`.
pub fn of(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits() {
        for (ns, shown) in [
            (0, "0"),
            (999, "999 ns"),
            (1_000, "1.00 us"),
            (9_996, "10.0 us"),
            (99_960, "100 us"),
            (999_499, "999 us"),
            (999_500, "1.00 ms"),
            (80_000_000, "80.0 ms"),
            (1_234_000_000_000, "1,234 s"),
            (u64::MAX, "18,446,744,074 s"),
        ] {
            assert_eq!(duration(ns), shown, "{ns}");
        }
    }

    #[test]
    fn moments_are_in_utc() {
        assert_eq!(moment(1_700_000_000_000_000_000, 1_500_000_000), "2023-11-14 22:13:21.500000 UTC");
        assert_eq!(moment(i64::MAX, u64::MAX), "2846-10-30 23:21:50.564327 UTC");
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((of(1, "row", "rows"), of(2, "row", "rows")), ("1 row".into(), "2 rows".into()));
    }

    #[test]
    fn a_small_share_is_not_nothing_and_a_large_one_not_all() {
        let shown: Vec<_> = [0, 1, 20, 5_000, 9_999, 10_000].map(|part| percent(part, 10_000)).into();
        assert_eq!(shown, ["0 %", "<0.1 %", "0.2 %", "50 %", ">99 %", "100 %"]);
        assert_eq!(percent(1, 0), "0 %");
    }
}
