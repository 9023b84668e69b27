//! Names chosen to do harm, through every form.

use lima_analyze::synthetic::Synthetic;
use lima_analyze::{Analysis, By, Query, Who};
use lima_report::Format;

/// Terminal escapes, HTML, formulas, line breaks, separators of folded stacks, direction marks, and what XML forbids.
const NAMES: &[&str] = &[
    "\x1b[2J\x1b]0;owned\x07",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "two\nlines\r\n",
    "a;b 12",
    "\u{202e}txt.exe",
    "\u{fffe}\u{ffff}",
    "]]>&amp;",
    "",
];

/// A trace in which everything that has a name has this one.
fn named(name: &str) -> Analysis {
    let mut trace = Synthetic::sample();
    trace.tenants.iter_mut().for_each(|tenant| tenant.1 = name.to_owned());
    trace.tasks.iter_mut().for_each(|task| task.1 = name.to_owned());
    for event in &mut trace.events {
        event.waiter.0 = name.to_owned();
        event.slab = Some((name.to_owned(), 1));
        event.stacks[1] = 9;
        event.holder.iter_mut().for_each(|holder| holder.0 = name.to_owned());
    }
    trace.frames.iter_mut().for_each(|frame| frame.2 = Some(name.to_owned()));
    trace.totals[0].slab = Some((name.to_owned(), 1));
    trace.totals[0].user_stack_id = 9;
    trace.stacks.push((9, Some(7), vec![0x77]));
    trace.frames.push((7, 0x77, Some(name.to_owned()), 3, None));
    trace.notes.push(name.to_owned());
    trace.analysis().unwrap()
}

/// Every result for every name.
fn each(format: Format, check: impl Fn(&str, &str)) {
    for &name in NAMES {
        let analysis = named(name);
        for &by in By::ALL {
            let report = analysis.report(&Query { by, ..Query::default() }).unwrap();
            let text = lima_report::report(analysis.about(), &report, format, None).unwrap();
            check(name, &String::from_utf8(text).unwrap());
        }
        let found = analysis.interference(&Who::default()).unwrap();
        let text = lima_report::interference(analysis.about(), &found, format, None).unwrap();
        check(name, &String::from_utf8(text).unwrap());
    }
}

fn no_controls(name: &str, text: &str) {
    let bad = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
    assert!(!text.contains(bad), "{name:?} in {text}");
}

#[test]
fn a_terminal_is_safe() {
    each(Format::Table, |name, text| {
        no_controls(name, text);
        assert!(!text.contains("two\nlines"), "{text}");
    });
}

#[test]
fn json_stays_json_and_keeps_names_as_they_are() {
    each(Format::Json, |name, text| {
        no_controls(name, &text.replace('\u{202e}', ""));
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(json["trace"]["notes"][0], *name);
    });
}

#[test]
fn no_cell_is_a_formula() {
    each(Format::Csv, |name, text| {
        no_controls(name, text);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for record in reader.records() {
            for cell in &record.unwrap() {
                assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']), "{cell:?}");
            }
        }
    });
}

#[test]
fn folded_lines_keep_their_frames() {
    for &name in NAMES {
        let analysis = named(name);
        let flame = analysis.flame(&[]).unwrap();
        let text = lima_report::folded(&flame);
        no_controls(name, &text);
        assert_eq!(text.lines().count(), flame.len(), "{text}");
        for (line, (frames, weight)) in text.lines().zip(&flame) {
            let (stack, shown) = line.rsplit_once(' ').unwrap();
            assert_eq!(stack.split(';').count(), frames.len(), "{line}");
            assert_eq!(shown, weight.to_string());
        }
    }
}

#[test]
fn a_picture_has_no_foreign_markup() {
    for &name in NAMES {
        let analysis = named(name);
        let svg = lima_report::svg(analysis.about(), &analysis.flame(&[]).unwrap()).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        // The picture has one script of its own; a browser takes nothing else for one.
        assert_eq!(svg.matches("<script").count(), 1, "{name:?}");
        assert!(!svg.contains("<img") && !svg.contains("]]>&amp;</"), "{name:?}");
        assert!(!svg.contains(['\x1b', '\u{fffe}', '\u{ffff}', '\u{202e}']), "{name:?}");
    }
}
