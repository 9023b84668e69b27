//! Where indexes are kept: `~/.cache/lima/index/BUILD_ID-MODE-SCHEMA`.

use anyhow::{Context, Result, bail};
use lima_index::build::{Sources, hex};
use lima_index::image::build_id_of_running;
use lima_index::is_of_this_version;
use lima_index::store::{Index, peek};
use lima_model::index::{Basis, SCHEMA, schema_number};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of all of them.
pub(super) fn folder() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let cache = cache.or_else(|| set("HOME").map(|home| home.join(".cache")));
    let cache = cache.context("neither XDG_CACHE_HOME nor HOME is set: say with -o where the index is to go")?;
    Ok(cache.join("lima/index"))
}

/// The place of the index that is made from these sources.
pub(super) fn place(sources: &Sources) -> Result<PathBuf> {
    let mut build_id = sources.build_id();
    if build_id.is_empty() {
        // Known by its place alone.
        let path = sources.inputs().first().map(|input| input.path.as_str()).unwrap_or_default();
        build_id = format!("no-id{}", path.replace('/', "-"));
    }
    Ok(folder()?.join(name(&build_id, sources.basis(), sources.modules() > 0)))
}

fn name(build_id: &str, basis: Basis, modules: bool) -> String {
    let modules = if modules { "+modules" } else { "" };
    format!("{build_id}-{}{modules}-{}", basis.name(), schema_number(SCHEMA).unwrap_or_default())
}

/// The index that is asked: the one that was named, or the best in the cache of the running kernel.
pub(crate) fn asked(named: Option<&Path>) -> Result<Index> {
    if let Some(path) = named {
        return Ok(Index::open(path)?);
    }
    let build_id = hex(&build_id_of_running());
    if build_id.is_empty() {
        bail!("the running kernel does not tell its build id (/sys/kernel/notes): name an index with --index");
    }
    match of_kernel(&build_id)? {
        Some(index) => {
            note_other_version(&index);
            Ok(index)
        }
        None => bail!(
            "there is no index of the running kernel (build id {build_id}) in {}: make one with `lima index build`, or name \
             another one with --index NAME.limaindex",
            folder()?.display()
        ),
    }
}

/// The best index in the cache of the kernel with this build id.
pub(crate) fn of_kernel(build_id: &str) -> Result<Option<Index>> {
    let folder = folder()?;
    for basis in [Basis::Dwarf, Basis::Bare] {
        for modules in [true, false] {
            let path = folder.join(name(build_id, basis, modules));
            if path.exists() {
                return Ok(Some(Index::open(&path)?));
            }
        }
    }
    Ok(None)
}

/// The index of these sources in the cache, when it is there, whole, and made by the same code.
pub(super) fn hit(place: &Path, sources: &Sources) -> Option<Index> {
    let manifest = peek(place).ok()?;
    sources.made(&manifest).then(|| Index::open(place).ok()).flatten()
}

/// Copies an index to another place.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    lima_index::store::copy(from, to).with_context(|| format!("cannot copy the index to {}", to.display()))
}

/// Makes the folder of a cached index.
pub(super) fn prepare(place: &Path) -> Result<()> {
    let folder = place.parent().unwrap_or(place);
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// The index of the kernel that a trace was recorded on: the one that was named, or the best in the cache.
pub(crate) fn of_trace(trace: &lima_trace::Trace, named: Option<&Path>) -> Result<Option<Index>> {
    if let Some(path) = named {
        return Ok(Some(Index::open(path)?));
    }
    let build_id = &trace.manifest().kernel.build_id;
    // It stands in a path: nothing but hex digits, whatever the trace says.
    if build_id.is_empty() || !build_id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    // Nobody has asked for it: a damaged one is as good as none.
    let index = of_kernel(build_id).unwrap_or_else(|error| {
        eprintln!("note: the index in the cache is not used: {error:#}");
        None
    });
    if let Some(index) = &index {
        note_other_version(index);
    }
    Ok(index)
}

/// Says so when other code made an index of the cache: it may know less.
fn note_other_version(index: &Index) {
    let manifest = index.manifest();
    if !is_of_this_version(manifest) {
        eprintln!(
            "note: {} was made by other code than this one's (LIMA {}, analysis {}) and may know less: lima index build makes it \
             anew",
            index.folder().display(),
            manifest.lima_version,
            manifest.analysis
        );
    }
}
