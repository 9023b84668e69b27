//! The marks in the statements of `sql/`: places where other columns, or another table, can be put.

/// Replaces what stands between a mark and the next `/*end*/`, wherever the mark occurs.
pub(crate) fn with(statement: &str, mark: &str, text: &str) -> String {
    let mut parts = statement.split(mark);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once("/*end*/").unwrap_or(("", part));
        out.push_str(text);
        out.push_str(rest);
    }
    out
}
