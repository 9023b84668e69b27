//! `index.json` on disk.

use crate::Error;
use lima_model::IndexManifest;
use lima_model::index::{SCHEMA, schema_number};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// A manifest is some 100 KiB, most of it a line for each module; what is longer than this is something else, and is not
/// read into memory.
const LONGEST: u64 = 64 << 20;

pub(super) fn write(folder: &Path, manifest: &IndexManifest) -> Result<(), Error> {
    let path = folder.join(super::MANIFEST);
    let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| Error::file("write", &path)(error.into()))?;
    text.push(b'\n');
    fs::write(&path, text).map_err(Error::file("write", &path))
}

/// Reads the manifest of the index in `folder`. The schema is looked at before anything else, so that a later version's
/// manifest is recognised whatever it looks like; fields that this version does not know are ignored.
pub(super) fn read(folder: &Path) -> Result<IndexManifest, Error> {
    let path = folder.join(super::MANIFEST);
    let damaged = |why: String| Error::malformed(folder, super::MANIFEST, why);
    match fs::metadata(folder) {
        Ok(metadata) if !metadata.is_dir() => {
            return Err(Error::Missing(format!(
                "{} is not an index: an index is a folder `NAME.limaindex`, and this is a file",
                folder.display()
            )));
        }
        Ok(_) if !path.exists() => {
            return Err(Error::Missing(format!(
                "{} is not an index: the folder has no `{}`",
                folder.display(),
                super::MANIFEST
            )));
        }
        Ok(_) => {}
        Err(error) => return Err(Error::file("open", folder)(error)),
    }
    let file = File::open(&path).map_err(Error::file("open", &path))?;
    if !file.metadata().map_err(Error::file("read", &path))?.is_file() {
        return Err(damaged("it is not a regular file".into()));
    }
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text).map_err(Error::file("read", &path))?;
    if text.len() as u64 > LONGEST {
        return Err(damaged(format!("it is longer than {} MiB", LONGEST >> 20)));
    }
    let json: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| damaged(format!("it is not JSON: {error}")))?;
    let schema = json.get("schema").and_then(|schema| schema.as_str());
    match schema.and_then(schema_number) {
        None => return Err(damaged(format!("it does not name its schema (`{SCHEMA}` or another number)"))),
        Some(number) if Some(number) > schema_number(SCHEMA) => {
            return Err(Error::Missing(format!(
                "{} has the schema `{}`; this version of LIMA reads `{SCHEMA}` and earlier: read it with a later version",
                folder.display(),
                schema.unwrap_or_default()
            )));
        }
        Some(_) => {}
    }
    serde_json::from_value(json).map_err(|error| damaged(format!("it is not what a manifest should be: {error}")))
}
