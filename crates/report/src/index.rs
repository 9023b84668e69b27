//! Answers of an index: locks, sites, calls, paths, addresses, differences.

use crate::grid::{Align, Grid};
use crate::units::{count, of};
use crate::{Format, json, pretty, sheet, text};
use anyhow::Result;
use lima_model::escape;
use lima_model::index::{IndexManifest, Tally};
use lima_model::table::{Kind, Rows, Value};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Which locks there are.
    Locks,
    /// Who takes them.
    Sites,
    /// Who calls whom.
    Calls,
    /// How a function comes to take a lock.
    Path,
    /// What is at an address.
    At,
    /// How a struct is laid out.
    Layout,
    /// What changed between two indexes.
    Diff,
}

/// An index by its place and front page.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its folder.
    pub path: &'a Path,
    /// Its front page.
    pub manifest: &'a IndexManifest,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// What was asked.
    pub subject: Subject,
    /// The index that answered.
    pub index: Source<'a>,
    /// The index that it was compared with.
    pub before: Option<Source<'a>>,
    /// The rows.
    pub rows: &'a Rows,
    /// How many more there are.
    pub cut: u64,
    /// What else is to be said.
    pub notes: &'a [String],
}

/// A column of a table for people.
#[derive(Clone, Copy)]
enum Shown {
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
    fn name(self) -> &'static str {
        match self {
            Self::Locks => "locks",
            Self::Sites => "sites",
            Self::Calls => "calls",
            Self::Path => "path",
            Self::At => "at",
            Self::Layout => "layout",
            Self::Diff => "diff",
        }
    }

    fn shown(self) -> &'static [Shown] {
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
                As("callee", "callee"),
                As("callee_role", "is"),
                Place,
                As("address", "address"),
            ],
            Self::Path => &[
                As("step", "step"),
                As("function", "function"),
                As("kind", "does"),
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
    fn spare(self) -> &'static [&'static str] {
        match self {
            Self::Locks => &["on its cache line", "local to", "section", "of", "known by"],
            Self::Sites => &["or", "by", "why not", "found by", "inlined"],
            Self::Calls => &["address", "is"],
            Self::Path => &["address"],
            _ => &[],
        }
    }

    fn nothing(self) -> &'static str {
        match self {
            Self::Locks => "No lock of this index fits.",
            Self::Sites => "No site of this index fits.",
            Self::Calls => "There are no such calls.",
            Self::Path => "No path is known.",
            Self::At | Self::Layout => "Nothing is known.",
            Self::Diff => "The locks and sites of the two are the same.",
        }
    }
}

/// An answer in a form. As a table it is at most `width` columns wide when that is given.
pub fn answer(answer: &Answer<'_>, format: Format, width: Option<usize>) -> Result<Vec<u8>> {
    Ok(match format {
        Format::Table => table(answer, width).into_bytes(),
        Format::Json => pretty(&to_json(answer))?,
        Format::Csv => sheet::csv(answer.rows)?,
    })
}

/// An index in a JSON answer.
pub fn source_json(source: &Source<'_>) -> Json {
    let manifest = source.manifest;
    let rows: serde_json::Map<_, _> =
        manifest.tables.iter().map(|(name, table)| (name.clone(), table.rows.into())).collect();
    json!({
        "path": escape::text(source.path.as_os_str().as_bytes()),
        "lima_version": manifest.lima_version,
        "build_id": manifest.build_id,
        "release": manifest.release,
        "arch": manifest.arch,
        "mode": manifest.mode.name(),
        "rows": rows,
        "sites": manifest.sites,
        "cost": manifest.cost,
        "notes": manifest.notes,
    })
}

fn to_json(answer: &Answer<'_>) -> Json {
    let mut out = json!({
        "schema": format!("lima-index-{}/1", answer.subject.name()),
        "index": source_json(&answer.index),
        "cut": { "rows": answer.cut },
        "notes": answer.notes,
        "rows": json::rows(answer.rows),
    });
    if let Some(before) = &answer.before {
        out["before"] = source_json(before);
    }
    out
}

/// A line that says which index it is.
fn head(source: &Source<'_>) -> String {
    let manifest = source.manifest;
    let path = escape::terminal(&escape::text(source.path.as_os_str().as_bytes()));
    let word = |text: &str| if text.is_empty() { "?".to_owned() } else { escape::terminal(text) };
    let mode = match manifest.mode.name() {
        "dwarf" => "with debug information".to_owned(),
        other => escape::terminal(other),
    };
    let build = word(manifest.build_id.get(..12).unwrap_or(&manifest.build_id));
    format!("{path}: Linux {} {}, build {build}, {mode}\n", word(&manifest.release), word(&manifest.arch))
}

fn table(answer: &Answer<'_>, width: Option<usize>) -> String {
    let mut out = String::new();
    if let Some(before) = &answer.before {
        let _ = write!(out, "before: {}after:  ", head(before));
    }
    out.push_str(&head(&answer.index));
    out.push('\n');
    if answer.rows.rows.is_empty() {
        out.push_str(answer.subject.nothing());
        out.push('\n');
    } else if answer.subject.shown().is_empty() {
        facts(answer.rows, &mut out);
    } else {
        out.push_str(&grid(answer, width));
    }
    if answer.cut > 0 {
        let _ = writeln!(out, "{} (--top 0 shows all)", of(answer.cut, "more row", "more rows"));
    }
    for note in answer.notes {
        let _ = writeln!(out, "note: {}", escape::terminal(note));
    }
    out
}

fn grid(answer: &Answer<'_>, width: Option<usize>) -> String {
    let rows = answer.rows;
    let cells: Vec<Vec<String>> = (0..rows.rows.len())
        .map(|row| answer.subject.shown().iter().map(|&shown| cell(shown, rows, row)).collect())
        .collect();
    // A column in which no row has anything is left out.
    let used: Vec<bool> =
        (0..answer.subject.shown().len()).map(|at| cells.iter().any(|row| !row[at].is_empty())).collect();
    let headings = answer.subject.shown().iter().zip(&used).filter(|&(_, &used)| used);
    let mut grid =
        Grid::new(headings.map(|(&shown, _)| heading(shown, rows))).spare(answer.subject.spare().iter().copied());
    for row in cells {
        let cells = row.into_iter().zip(&used).filter(|&(_, &used)| used);
        grid.row(cells.map(|(cell, _)| if cell.is_empty() { "-".to_owned() } else { cell }));
    }
    grid.render(width)
}

fn heading(shown: Shown, rows: &Rows) -> (String, Align) {
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

fn cell(shown: Shown, rows: &Rows, row: usize) -> String {
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

/// The values of each row, one a line.
fn facts(rows: &Rows, out: &mut String) {
    let longest = rows.columns.iter().map(|column| column.name.len()).max().unwrap_or_default();
    for row in &rows.rows {
        for (column, value) in rows.columns.iter().zip(row) {
            let name = column.name.replace('_', " ");
            match value {
                Value::Missing => {}
                Value::Texts(texts) => {
                    for (at, text) in texts.iter().enumerate() {
                        let name = if at == 0 { &name } else { "" };
                        let _ = writeln!(out, "{name:<longest$}  {}", escape::terminal(text));
                    }
                }
                value => {
                    let _ = writeln!(out, "{name:<longest$}  {}", text::value(value, column.kind));
                }
            }
        }
    }
}

/// What an index knows, and what it cost to make: what `lima index build` ends with.
pub fn summary(source: &Source<'_>) -> String {
    let manifest = source.manifest;
    let mut out = head(source);
    let rows = |name: &str| manifest.tables.get(name).map_or(0, |table| table.rows);
    let _ = writeln!(
        out,
        "locks: {} in structs, {} in variables; {} functions, {} calls",
        count(rows("locks")),
        count(rows("globals")),
        count(rows("functions")),
        count(rows("calls"))
    );
    for (what, tally) in [
        ("sites that acquire or try", &manifest.sites.taking),
        ("sites that release", &manifest.sites.release),
        ("sites that initialise", &manifest.sites.init),
    ] {
        tallied(what, tally, &mut out);
    }
    let bytes: u64 = manifest.tables.values().map(|table| table.bytes).sum();
    let seconds = |ns: u64| ns as f64 / 1e9;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let _ = writeln!(
        out,
        "made in {:.2} s ({:.2} s of CPU time), at most {:.0} MiB of memory; {:.1} MiB on disk",
        seconds(manifest.cost.wall_ns),
        seconds(manifest.cost.cpu_ns),
        mib(manifest.cost.peak_bytes),
        mib(bytes)
    );
    for note in &manifest.notes {
        let _ = writeln!(out, "note: {}", escape::terminal(note));
    }
    out
}

fn tallied(what: &str, tally: &Tally, out: &mut String) {
    let share = |part: u64| {
        if tally.sites == 0 { String::new() } else { format!(" ({:.1} %)", part as f64 * 100.0 / tally.sites as f64) }
    };
    let _ =
        writeln!(out, "{what}: {}, {}{} resolved", count(tally.sites), count(tally.resolved), share(tally.resolved));
    for (title, counts) in [("  resolved by", &tally.by_method), ("  unknown because", &tally.by_cause)] {
        let mut counts: Vec<_> = counts.iter().collect();
        counts.sort_by_key(|&(name, &number)| (std::cmp::Reverse(number), name));
        let said: Vec<_> =
            counts.iter().map(|&(name, &number)| format!("{} {}", escape::terminal(name), count(number))).collect();
        if !said.is_empty() {
            let _ = writeln!(out, "{title}: {}", said.join(", "));
        }
    }
}
