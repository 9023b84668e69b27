//! Durations, sizes and lists of CPUs as people write them.

use std::time::Duration;

/// The longest time that makes sense: a year.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// `50us`, `1.5s`, `2m`, `0`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "" if number == 0.0 => 1.0,
        "" => return Err(format!("a unit is missing: `{text}s`, for example, or ns, us, ms, m, h")),
        _ => return Err(format!("`{unit}` is no unit of time; there are ns, us, ms, s, m, h")),
    };
    let duration = Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())?;
    if duration > LONGEST {
        return Err("that is more than a year".to_owned());
    }
    Ok(duration)
}

/// As [`duration`], but not zero.
pub fn some_time(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() { Err("there is nothing to see in no time".to_owned()) } else { Ok(duration) }
}

/// `4M`, `512K`, `65536`: a power of two, 4 KiB to 1 GiB, as the kernel wants it for its ring buffers.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "" => 1.0,
        "k" | "K" => 1024.0,
        "M" => 1024.0 * 1024.0,
        "G" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(format!("`{unit}` is no unit of size; there are K, M, G")),
    };
    let bytes = (number * factor) as u64;
    if !(4096..=1 << 30).contains(&bytes) || !bytes.is_power_of_two() {
        return Err("it must be a power of two from 4K to 1G".to_owned());
    }
    Ok(bytes)
}

/// CPUs by number, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpus(pub Vec<u32>);

/// `0,2-5`.
pub fn cpus(text: &str) -> Result<Cpus, String> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u32>().map_err(|_| format!("`{text}` is no CPU number"));
        let (first, last) = (number(first)?, number(last)?);
        if last < first || last >= 4096 {
            return Err(format!("`{part}` is no range of CPUs from 0 to 4095"));
        }
        cpus.extend(first..=last);
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(Cpus(cpus))
}

fn split(text: &str) -> Result<(f64, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| format!("`{text}` does not begin with a number"))?;
    Ok((number, text[end..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn durations() {
        assert_eq!(duration("50us"), Ok(Duration::from_micros(50)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for wrong in ["", "5", "-1s", "s", "1e99s", "999999999999h", "5 parsecs", "1..2s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("4M"), Ok(4 << 20));
        assert_eq!(bytes("512KiB"), Ok(512 << 10));
        for wrong in ["0", "5000", "3M", "2G", "1T", "M", "99999999999999999999G"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpus("0,2-4,3"), Ok(Cpus(vec![0, 2, 3, 4])));
        for wrong in ["", "a", "5-1", "1-99999999", "1,,2"] {
            assert!(cpus(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC*") {
            let _ = (duration(&text), bytes(&text), cpus(&text));
        }
    }
}
