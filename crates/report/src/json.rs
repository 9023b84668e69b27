//! Results as JSON.

use crate::frame;
use lima_analyze::{About, Interference, Kind, Report, Rows, Sums, Value};
use serde_json::{Map, Value as Json, json};

/// The shape of [`report`].
pub const REPORT: &str = "lima-report/1";
/// The shape of [`interference`].
pub const INTERFERENCE: &str = "lima-interference/1";

/// A report.
pub fn report(about: &About, report: &Report) -> Json {
    json!({
        "schema": REPORT,
        "trace": frame::json(about),
        "of": if report.acquisitions { "acquisitions" } else { "waits" },
        "by": report.by.name(),
        "sort": report.sort,
        "filters": report.filters.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "whole": sums(&report.whole, "rows"),
        "cut": sums(&report.cut, "rows"),
        "rows": rows(&report.rows),
    })
}

/// Interference.
pub fn interference(about: &About, found: &Interference) -> Json {
    json!({
        "schema": INTERFERENCE,
        "trace": frame::json(about),
        "whole": sums(&found.whole, "objects"),
        "cut": sums(&found.cut, "objects"),
        "excess_ns": found.excess_ns,
        "all": rows(&found.all),
        "rows": rows(&found.rows),
        "potential": rows(&found.potential),
    })
}

fn sums(sums: &Sums, rows: &str) -> Json {
    let mut json = json!({ rows: sums.rows, "waits": sums.waits, "wait_ns_total": sums.wait_ns_total });
    if sums.acquisitions > 0 {
        json["acquisitions"] = sums.acquisitions.into();
        json["hold_ns_total"] = sums.hold_ns_total.into();
    }
    json
}

pub(crate) fn rows(rows: &Rows) -> Json {
    let row = |values: &Vec<Value>| {
        let cells = rows.columns.iter().zip(values);
        Json::Object(cells.map(|(column, cell)| (column.name.clone(), value(cell, column.kind))).collect::<Map<_, _>>())
    };
    rows.rows.iter().map(row).collect()
}

fn value(value: &Value, kind: Kind) -> Json {
    match value {
        Value::Missing => Json::Null,
        Value::Text(text) => text.as_str().into(),
        // Too large for the numbers of JavaScript, and nothing to count with.
        Value::Number(address) if kind == Kind::Address => format!("{address:#x}").into(),
        &Value::Number(number) => number.into(),
        &Value::Flag(flag) => flag.into(),
        Value::Texts(texts) => texts.as_slice().into(),
        Value::Numbers(numbers) => numbers.as_slice().into(),
    }
}
