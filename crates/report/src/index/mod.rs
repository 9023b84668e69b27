//! Answers of an index: locks, sites, calls, paths, addresses, differences.

mod columns;
mod summary;
mod table;

pub use summary::summary;

use crate::{Format, json, pretty, sheet};
use anyhow::Result;
use lima_model::escape;
use lima_model::index::IndexManifest;
use lima_model::table::Rows;
use serde_json::{Value as Json, json};
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
        Format::Table => table::table(answer, width).into_bytes(),
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
        "bare" => "without debug information".to_owned(),
        other => escape::terminal(other),
    };
    let build = word(manifest.build_id.get(..12).unwrap_or(&manifest.build_id));
    format!("{path}: Linux {} {}, build {build}, {mode}\n", word(&manifest.release), word(&manifest.arch))
}
