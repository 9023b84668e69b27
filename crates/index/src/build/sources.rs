//! What an index is made from.

use crate::Error;
use crate::image::{Found, Image, ModulePaths, Source, Wanted, find};
use lima_model::IndexManifest;
use lima_model::index::{Basis, Input, SCHEMA};
use std::fmt::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The opened sources of an index.
#[derive(Debug)]
pub struct Sources {
    pub(super) image: Image,
    pub(super) basis: Basis,
    pub(super) modules: Vec<ModulePaths>,
    inputs: Vec<Input>,
    kind: Source,
    notes: Vec<String>,
}

impl Sources {
    /// Finds and opens them; `bare` does without DWARF even where there is some.
    ///
    /// # Errors
    /// Those of [`find`].
    pub fn open(wanted: &Wanted, bare: bool) -> Result<Self, Error> {
        let Found { kernel: image, source: kind, modules, passed_over } = find(wanted)?;
        let basis = if !bare && image.has_dwarf() { Basis::Dwarf } else { Basis::Bare };
        let mut inputs = vec![input("kernel", "", &image.path, &image.build_id)?];
        for module in &modules {
            let name = module.code.file_name().unwrap_or_default().to_string_lossy();
            let name = name.split_once(".ko").map_or(&*name, |(name, _)| name);
            inputs.push(input("module", name, &module.code, &[])?);
            if let (Some(debug), Basis::Dwarf) = (&module.debug, basis) {
                inputs.push(input("debug", name, debug, &[])?);
            }
        }
        let mut notes = Vec::new();
        if kind == Source::Described {
            notes.push(
                "no code of this kernel was found: the index has locks, and neither calls nor sites; its debug package has \
                 the code, or the file that was booted (--vmlinuz)"
                    .to_owned(),
            );
        }
        if image.has_code() && image.symbols.is_empty() {
            notes.push(
                "no symbols of this kernel were found, so that its functions and sites are not known: name them with \
                 --kallsyms (a System.map, or a copy of /proc/kallsyms)"
                    .to_owned(),
            );
        }
        notes.extend(passed_over.into_iter().map(|line| format!("passed over: {line}")));
        Ok(Self { image, basis, modules, inputs, kind, notes })
    }

    /// What was found, in words.
    pub fn described(&self) -> String {
        let modules = match self.modules.len() {
            0 => String::new(),
            1 => ", 1 module".to_owned(),
            count => format!(", {count} modules"),
        };
        let unused = match (self.kind, self.basis) {
            (Source::Debug, Basis::Bare) => ", which is not used",
            _ => "",
        };
        format!("{} ({}{unused}){modules}", self.image.path.display(), self.kind)
    }

    /// How many modules there are.
    pub fn modules(&self) -> usize {
        self.modules.len()
    }

    /// The files.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The kernel's build id in hex.
    pub fn build_id(&self) -> String {
        hex(&self.image.build_id)
    }

    /// What the index is made from.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// Whether this index was made from the same files by the same code.
    pub fn made(&self, manifest: &IndexManifest) -> bool {
        let same = |(a, b): (&Input, &Input)| {
            let key = |input: &Input| (input.kind.clone(), input.name.clone(), input.build_id.clone(), input.bytes);
            // A file without a build id is known by its place and age.
            key(a) == key(b)
                && (!a.build_id.is_empty() || (&a.path, a.modified_unix_ns) == (&b.path, b.modified_unix_ns))
        };
        manifest.schema == SCHEMA
            && manifest.analysis == crate::ANALYSIS
            && manifest.mode == self.basis
            && manifest.inputs.len() == self.inputs.len()
            && manifest.inputs.iter().zip(&self.inputs).all(same)
    }

    /// A front page without results.
    pub(super) fn manifest(&self) -> IndexManifest {
        IndexManifest {
            schema: SCHEMA.to_owned(),
            lima_version: env!("CARGO_PKG_VERSION").to_owned(),
            analysis: crate::ANALYSIS.to_owned(),
            build_id: self.build_id(),
            release: self.image.release().unwrap_or_default().to_owned(),
            arch: "x86_64".to_owned(),
            mode: self.basis,
            inputs: self.inputs.clone(),
            notes: self.notes.clone(),
            ..IndexManifest::default()
        }
    }
}

/// A file as the manifest names it.
fn input(kind: &str, name: &str, path: &Path, build_id: &[u8]) -> Result<Input, Error> {
    let metadata = std::fs::metadata(path).map_err(Error::file("read", path))?;
    Ok(Input {
        kind: kind.to_owned(),
        name: name.to_owned(),
        path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into_owned(),
        build_id: hex(build_id),
        bytes: metadata.len(),
        modified_unix_ns: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
    })
}

/// A build id as it is written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
