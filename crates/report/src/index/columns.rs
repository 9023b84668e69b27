//! Which columns a table of each subject has, and what stands in their cells.

use super::Subject;
use crate::grid::Align;
use crate::text;
use lima_model::escape;
use lima_model::table::{Kind, Rows, Value};

/// A column of a table for people.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    /// A column, under a heading.
    As(&'static str, &'static str),
    /// `function+0x1a`.
    Site,
    /// `file:line`.
    Place,
    /// The same in the function that has a symbol, and not in what was inlined into it.
    Outermost,
    /// What was inlined there, outermost first.
    Inlined,
    /// Lock type and mode.
    Type,
    /// The path of a member, indented by its depth.
    Member,
}

impl Subject {
    /// The columns of a table.
    pub(super) fn shown(self) -> &'static [Shown] {
        use Shown::{As, Inlined, Member, Outermost, Place, Site, Type};
        match self {
            Self::Locks => &[
                As("object", "object"),
                As("lock_type", "type"),
                As("size", "size"),
                As("struct", "struct"),
                As("path", "path"),
                As("offset", "offset"),
                As("array_count", "count"),
                As("struct_size", "of"),
                As("line_mates", "on its cache line"),
                As("address", "address"),
                As("section", "section"),
                As("per_cpu", "per CPU"),
                As("function", "local to"),
                As("method", "known by"),
                As("module", "module"),
            ],
            Self::Sites => &[
                Site,
                Outermost,
                Inlined,
                As("operation", "does"),
                As("primitive", "by"),
                Type,
                As("object", "object"),
                As("method", "found by"),
                As("cause", "why not"),
                As("alternatives", "or"),
                As("module", "module"),
            ],
            Self::Calls => &[
                As("depth", "depth"),
                As("caller", "caller"),
                As("kind", "call"),
                As("member", "through"),
                As("callee", "callee"),
                As("callee_role", "is"),
                Place,
                As("address", "address"),
            ],
            Self::Path => &[
                As("step", "step"),
                As("function", "function"),
                As("kind", "does"),
                As("member", "through"),
                As("to", "to"),
                Place,
                Type,
                As("object", "object"),
                As("address", "address"),
            ],
            Self::At => &[],
            Self::Layout => &[
                As("cache_line", "line"),
                As("offset", "offset"),
                As("size", "size"),
                Member,
                As("type", "type"),
                As("lock_type", "lock"),
                As("locks_inside", "locks inside"),
                As("module", "module"),
            ],
            Self::Diff => &[
                As("change", "change"),
                As("what", "what"),
                As("object", "object"),
                As("where", "in"),
                As("before", "before"),
                As("after", "after"),
                As("module", "module"),
            ],
        }
    }

    /// Headings that can be spared where the terminal is narrow, the first one first.
    pub(super) fn spare(self) -> &'static [&'static str] {
        match self {
            Self::Locks => &["on its cache line", "local to", "section", "of", "known by"],
            Self::Sites => &["or", "by", "why not", "found by", "inlined"],
            Self::Calls => &["address", "is"],
            Self::Path => &["address"],
            _ => &[],
        }
    }
}

pub(super) fn heading(shown: Shown, rows: &Rows) -> (String, Align) {
    let (name, heading) = match shown {
        Shown::As(name, heading) => (name, heading),
        Shown::Site => ("", "site"),
        Shown::Place | Shown::Outermost => ("", "source"),
        Shown::Inlined => ("", "inlined"),
        Shown::Type => ("", "type"),
        Shown::Member => ("", "member"),
    };
    let kind = rows.position(name).map(|position| rows.columns[position].kind);
    let align = if matches!(kind, Some(Kind::Count | Kind::Ns | Kind::Id)) { Align::Right } else { Align::Left };
    (heading.to_owned(), align)
}

pub(super) fn cell(shown: Shown, rows: &Rows, row: usize) -> String {
    match shown {
        Shown::As(name, _) => rows.position(name).map_or_else(String::new, |position| {
            match (&rows.rows[row][position], rows.columns[position].kind) {
                (Value::Missing, _) => String::new(),
                (Value::Flag(flag), _) => if *flag { "yes" } else { "" }.to_owned(),
                (Value::Texts(texts), _) => escape::terminal(&texts.join(", ")),
                (value, kind) => text::value(value, kind),
            }
        }),
        Shown::Site => {
            let function = escape::terminal(rows.text(row, "function"));
            match rows.position("offset").map(|position| &rows.rows[row][position]) {
                Some(Value::Number(offset)) => format!("{function}+{offset:#x}"),
                // In a part of the function that lies elsewhere.
                _ => format!("{function} at {:#x}", rows.number(row, "address")),
            }
        }
        Shown::Place => match rows.text(row, "file") {
            "" => String::new(),
            file => format!("{}:{}", escape::terminal(file), rows.number(row, "line")),
        },
        Shown::Outermost => {
            let value = |name: &str| rows.position(name).map(|position| &rows.rows[row][position]);
            match (value("frame_files"), value("frame_lines")) {
                (Some(Value::Texts(files)), Some(Value::Numbers(lines))) => {
                    let place = files.last().zip(lines.last());
                    place.map_or_else(String::new, |(file, line)| format!("{}:{line}", escape::terminal(file)))
                }
                _ => String::new(),
            }
        }
        Shown::Inlined => match rows.position("frame_functions").map(|position| &rows.rows[row][position]) {
            Some(Value::Texts(functions)) => {
                let inlined = functions.iter().rev().skip(1).map(|function| escape::terminal(function));
                inlined.collect::<Vec<_>>().join(" > ")
            }
            _ => String::new(),
        },
        Shown::Type => text::lock_type(rows, row),
        Shown::Member => {
            let depth = usize::try_from(rows.number(row, "depth")).unwrap_or_default().min(16);
            let bits = match rows.position("bit_size").map(|position| &rows.rows[row][position]) {
                Some(Value::Number(bits)) => format!(" : {bits}"),
                _ => String::new(),
            };
            format!("{}{}{bits}", "  ".repeat(depth), escape::terminal(rows.text(row, "path")))
        }
    }
}
