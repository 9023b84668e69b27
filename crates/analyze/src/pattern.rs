//! Patterns of filters as conditions in SQL.

use datafusion::prelude::{Expr, lit};

pub use lima_model::pattern::fits;

/// Whether a column of text fits a pattern, in which `*` stands for anything ([`fits`]).
pub fn condition(column: Expr, pattern: &str) -> Expr {
    if !pattern.contains('*') {
        return column.eq(lit(pattern));
    }
    let mut like = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '*' => like.push('%'),
            '%' | '_' | '\\' => like.extend(['\\', c]),
            _ => like.push(c),
        }
    }
    column.like(lit(like))
}
