//! Results as CSV, safe to open in a spreadsheet.

use anyhow::Result;
use lima_analyze::{Kind, Rows, Value};
use lima_model::escape;

/// Rows under a line with the names of the columns.
pub fn csv(rows: &Rows) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(rows.columns.iter().map(|column| &column.name))?;
    for row in &rows.rows {
        writer.write_record(rows.columns.iter().zip(row).map(|(column, value)| cell(value, column.kind)))?;
    }
    Ok(writer.into_inner()?)
}

fn cell(value: &Value, kind: Kind) -> String {
    match value {
        Value::Missing => String::new(),
        Value::Text(text) => escape::cell(text),
        Value::Number(address) if kind == Kind::Address => format!("{address:#x}"),
        Value::Number(number) => number.to_string(),
        Value::Flag(flag) => flag.to_string(),
        Value::Numbers(numbers) => numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(";"),
        Value::Texts(texts) => {
            escape::cell(&texts.iter().map(|text| escape::folded(text)).collect::<Vec<_>>().join(";"))
        }
    }
}
