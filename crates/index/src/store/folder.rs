//! Folders that appear whole or not at all.

use crate::Error;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A folder under a temporary name beside the place where it is to be. Removed when it is dropped before it is put there.
#[derive(Debug)]
pub(super) struct Draft {
    temporary: PathBuf,
    target: PathBuf,
}

impl Draft {
    /// Makes the temporary folder. Where the target is taken by something that is no index, that is an error.
    pub(super) fn begin(target: &Path) -> Result<Self, Error> {
        if fs::symlink_metadata(target).is_ok() && !is_index(target) && !is_empty(target) {
            let target = target.display();
            return Err(Error::Missing(format!(
                "{target} exists and is not an index: choose another name, or remove it first"
            )));
        }
        let Some(name) = target.file_name() else {
            return Err(Error::Missing(format!("{} cannot be the name of an index", target.display())));
        };
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(Error::file("make the folder", parent))?;
        let temporary = parent.join(format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id()));
        let _ = fs::remove_dir_all(&temporary);
        // An index tells where a kernel's code lies; whoever wants to share it can.
        DirBuilder::new().mode(0o755).create(&temporary).map_err(Error::file("make the folder", &temporary))?;
        Ok(Self { temporary, target: target.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.temporary
    }

    /// Puts the folder in its place. An older index there changes places with it in one step, and is then removed.
    pub(super) fn finish(self) -> Result<(), Error> {
        let failed = |error: rustix::io::Errno| Error::file("write", &self.target)(error.into());
        if fs::symlink_metadata(&self.target).is_err() {
            return fs::rename(&self.temporary, &self.target).map_err(Error::file("write", &self.target));
        }
        match renameat_with(CWD, &self.temporary, CWD, &self.target, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            // File systems that cannot exchange two folders.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                fs::remove_dir_all(&self.target).map_err(Error::file("replace", &self.target))?;
                fs::rename(&self.temporary, &self.target).map_err(Error::file("write", &self.target))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After an exchange this is the old index; after a rename there is nothing.
        let _ = fs::remove_dir_all(&self.temporary);
    }
}

/// Copies an index to another place, as whole as it was written.
pub fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let draft = Draft::begin(to)?;
    let tables = lima_model::IndexTable::ALL.iter().map(|&table| super::write::file_name(table));
    for name in tables.chain([super::MANIFEST.to_owned()]) {
        let path = from.join(&name);
        fs::copy(&path, draft.path().join(&name)).map_err(Error::file("copy", &path))?;
    }
    draft.finish()
}

fn is_index(folder: &Path) -> bool {
    folder.join(super::MANIFEST).is_file()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}
