//! The folder of the results: made beside the old one, which it then takes the place of.

use super::{figures, findings, latex, sheets};
use anyhow::{Context, Result, bail};
use lima_analyze::study::Results;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::fs;
use std::path::{Path, PathBuf};

/// Tells a folder of results from any other: what is written over must be ours.
const MARK: &str = "findings.md";

/// Writes all results into a folder; what an earlier analysis left there is gone afterwards. When something fails, the old
/// results stay as they were.
pub fn write(results: &Results, folder: &Path) -> Result<()> {
    if folder.exists() && !folder.join(MARK).exists() && !is_empty(folder)? {
        bail!("{} holds other things than results of a study: name another folder with -o", folder.display());
    }
    let new = beside(folder)?;
    let made = fill(results, &new).and_then(|()| exchange(&new, folder));
    // The old results, or what there is of the new ones.
    let _ = fs::remove_dir_all(&new);
    made
}

fn is_empty(folder: &Path) -> Result<bool> {
    Ok(fs::read_dir(folder).with_context(|| format!("look into {}", folder.display()))?.next().is_none())
}

/// A hidden folder beside the one that is meant, empty.
fn beside(folder: &Path) -> Result<PathBuf> {
    let name = folder.file_name().with_context(|| format!("{} is no name for a folder", folder.display()))?;
    let new = folder.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let said = || format!("make the folder {}", new.display());
    if new.exists() {
        fs::remove_dir_all(&new).with_context(said)?;
    }
    fs::create_dir_all(&new).with_context(said)?;
    Ok(new)
}

fn exchange(new: &Path, folder: &Path) -> Result<()> {
    let said = || format!("put the results into {}", folder.display());
    if !folder.exists() {
        return fs::rename(new, folder).with_context(said);
    }
    match renameat_with(CWD, new, CWD, folder, RenameFlags::EXCHANGE) {
        // A file system that cannot exchange two folders.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::remove_dir_all(folder).with_context(said)?;
            fs::rename(new, folder).with_context(said)
        }
        other => other.with_context(said),
    }
}

fn fill(results: &Results, folder: &Path) -> Result<()> {
    let within = |name: &str| -> Result<PathBuf> {
        let path = folder.join(name);
        fs::create_dir(&path).with_context(|| format!("make the folder {}", path.display()))?;
        Ok(path)
    };
    let (parquet, csv) = (within("parquet")?, within("csv")?);
    for table in &results.tables {
        table.write_parquet(&parquet.join(format!("{}.parquet", table.name)))?;
        sheets::csv(table, &csv.join(format!("{}.csv", table.name)))?;
    }
    sheets::workbook(results, &folder.join("tables.xlsx"))?;
    latex::write(results, &within("latex")?)?;
    figures::write(results, &within("figures")?)?;
    put(&folder.join(MARK), findings::text(results).as_bytes())
}

/// Writes a file.
pub(super) fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}
