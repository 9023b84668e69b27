//! The modules in a folder, each with its debug information.

use crate::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders in a folder of modules are not deeper than this.
const DEEPEST: usize = 16;

/// The files of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModulePaths {
    /// The module.
    pub code: PathBuf,
    /// Its debug information, when that is in a file of its own.
    pub debug: Option<PathBuf>,
}

/// All modules in a folder, with their debug information where it is in one of the folders of the same make.
///
/// # Errors
/// [`Error::File`] when the folder cannot be read.
pub fn modules(folder: &Path, debug: &[PathBuf]) -> Result<Vec<ModulePaths>, Error> {
    let mut paths = Vec::new();
    walk(folder, DEEPEST, &mut paths)?;
    paths.sort();
    Ok(paths
        .into_iter()
        .map(|code| {
            let inside = code.strip_prefix(folder).unwrap_or(&code);
            let file = inside.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let stem = file.split_once(".ko").map_or(file.as_str(), |(stem, _)| stem);
            let names = [format!("{stem}.ko"), format!("{stem}.ko.debug")];
            let candidates =
                debug.iter().flat_map(|d| names.iter().map(move |name| d.join(inside).with_file_name(name)));
            let debug = candidates.filter(|path| *path != code).find(|path| path.is_file());
            ModulePaths { code, debug }
        })
        .collect())
}

fn walk(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
        let entry = entry.map_err(Error::file("read", folder))?;
        let kind = entry.file_type().map_err(Error::file("read", folder))?;
        // Links to folders are not followed: `build` and `source` lead out of here.
        if kind.is_dir() && depth > 0 {
            walk(&entry.path(), depth - 1, paths)?;
        } else if kind.is_file() || (kind.is_symlink() && entry.path().is_file()) {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if [".ko", ".ko.xz", ".ko.zst", ".ko.gz", ".ko.debug"].iter().any(|end| name.ends_with(end)) {
                paths.push(entry.path());
            }
        }
    }
    Ok(())
}
