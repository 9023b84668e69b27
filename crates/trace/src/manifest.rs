//! `trace.json` on disk.

use crate::error::{Error, io};
use lima_model::Manifest;
use lima_model::manifest::{SCHEMA, schema_number};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// The name under which the manifest is written before it is renamed into place.
const TEMPORARY: &str = ".trace.json.tmp";
/// A manifest is a few KiB; what is longer than this is something else, and is not read into memory.
pub(crate) const LONGEST: u64 = 64 << 20;

/// Writes the manifest of the trace in `folder`, in one step: a reader sees the old one or the new one.
pub(crate) fn write(folder: &Path, manifest: &Manifest) -> Result<(), Error> {
    let path = folder.join(crate::MANIFEST);
    let temporary = folder.join(TEMPORARY);
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| io("write", &path)(error.into()))?;
    text.push(b'\n');
    fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &path)).map_err(|error| {
        let _ = fs::remove_file(&temporary);
        io("write", &path)(error)
    })
}

/// Reads the manifest of the trace in `folder`. The schema is looked at before anything else, so that a later
/// version's manifest is recognised whatever it looks like; fields that this version does not know are ignored.
pub(crate) fn read(folder: &Path) -> Result<Manifest, Error> {
    let path = folder.join(crate::MANIFEST);
    let damaged = |why: String| Error::Manifest { path: path.clone(), why };
    let file = File::open(&path).map_err(io("read", &path))?;
    if !file.metadata().map_err(io("read", &path))?.is_file() {
        return Err(damaged("it is not a regular file".into()));
    }
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text).map_err(io("read", &path))?;
    parse(folder, &text)
}

/// What the text of a manifest says.
pub(crate) fn parse(folder: &Path, text: &[u8]) -> Result<Manifest, Error> {
    let damaged = |why: String| Error::Manifest { path: folder.join(crate::MANIFEST), why };
    if text.len() as u64 > LONGEST {
        return Err(damaged(format!("it is longer than {} MiB", LONGEST >> 20)));
    }
    let json: serde_json::Value =
        serde_json::from_slice(text).map_err(|error| damaged(format!("it is not JSON: {error}")))?;
    let schema = json.get("schema").and_then(|schema| schema.as_str());
    match schema.and_then(schema_number) {
        None => return Err(damaged(format!("it does not name its schema (`{SCHEMA}` or another number)"))),
        Some(number) if Some(number) > schema_number(SCHEMA) => {
            return Err(Error::Newer { path: folder.to_owned(), found: schema.unwrap_or_default().to_owned() });
        }
        Some(_) => {}
    }
    serde_json::from_value(json).map_err(|error| damaged(format!("it is not what a manifest should be: {error}")))
}
