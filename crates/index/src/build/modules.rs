//! The modules, side by side.

use super::kernel::Kernel;
use super::meter::{Meter, Progress, Report};
use super::part::{Base, Locks, Made, Source, make};
use super::sources::Sources;
use crate::Error;
use crate::code::Program;
use crate::debug::{Debug, TypeMap};
use crate::image::{Image, MODULES_START, ModuleFile, ModulePaths};
use crate::types::{Types, TypesBuilder, btf};
use lima_model::index::Basis;
use rayon::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So many files are open, or unpacked in memory, at a time.
const OPEN: usize = 32;
/// So many modules that cannot be read are named; the others are counted.
const NAMED: usize = 20;

/// Indexes all modules. One that cannot be read is left out, and a note says why.
pub(super) fn index(sources: &Sources, kernel: &Kernel, meter: &mut Meter<'_>, notes: &mut Vec<String>) -> Vec<Made> {
    if sources.modules.is_empty() {
        return Vec::new();
    }
    let locks = Locks::of(&kernel.part.locks, &kernel.part.globals);
    let all = All { sources, kernel, base: Base { locks, known: Arc::clone(&kernel.known) } };
    let (made, errors) = meter.stage("modules", |report| all.index(report));
    notes.extend(errors.iter().take(NAMED).map(|error| format!("left out: {error}")));
    if errors.len() > NAMED {
        notes.push(format!("{} more modules were left out", errors.len() - NAMED));
    }
    made
}

struct All<'a> {
    sources: &'a Sources,
    kernel: &'a Kernel,
    base: Base,
}

impl All<'_> {
    fn index(&self, report: Report<'_>) -> (Vec<Made>, Vec<Error>) {
        let (mut made, mut errors) = (Vec::new(), Vec::new());
        let (done, total) = (AtomicU64::new(0), self.sources.modules.len() as u64);
        let mut start = MODULES_START;
        for paths in self.sources.modules.chunks(OPEN) {
            // Addresses depend on the order of the modules alone.
            let files: Vec<_> = paths.par_iter().map(|paths| self.read(paths)).collect();
            let mut placed = Vec::with_capacity(files.len());
            for file in files {
                match file {
                    Ok(file) => {
                        let size = file.size();
                        placed.push((file, start));
                        start = start.saturating_add(size);
                    }
                    Err(error) => errors.push(error),
                }
            }
            let results: Vec<_> = placed
                .into_par_iter()
                .map(|(file, start)| {
                    let result = self.module(file, start);
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    report(Progress { stage: "modules", done, total });
                    result
                })
                .collect();
            for result in results {
                match result {
                    Ok(module) => made.push(module),
                    Err(error) => errors.push(error),
                }
            }
        }
        (made, errors)
    }

    fn read(&self, paths: &ModulePaths) -> Result<ModuleFile, Error> {
        let debug = paths.debug.as_deref().filter(|_| self.sources.basis == Basis::Dwarf);
        ModuleFile::read(&paths.code, debug)
    }

    fn module(&self, file: ModuleFile, start: u64) -> Result<Made, Error> {
        let name: Arc<str> = file.name().into();
        let image = file.at(start, &self.sources.image)?;
        let debug = match &self.kernel.map {
            Some(_) => Debug::open(&image)?,
            None => None,
        };
        let types = Arc::new(self.types(&image, debug.as_ref())?);
        let map = self.kernel.map.as_ref().map(|kernel| TypeMap::on(Arc::clone(kernel), Arc::clone(&types)));
        let program = Program::of(&image, Some(&self.kernel.program));
        let debug = debug.as_ref().zip(map.as_ref());
        let kernel = Some(&self.base);
        Ok(make(
            Source { module: Some(&name), image: &image, types: &types, debug, program: &program, kernel },
            |_, work| work(),
        ))
    }

    /// The module's own types, on top of the kernel's; none where it does not describe them.
    fn types(&self, image: &Image, debug: Option<&Debug<'_>>) -> Result<Types, Error> {
        let kernel = Arc::clone(&self.kernel.types);
        let builder = match (image.btf()?, image.btf_base()?, debug) {
            (Some(bytes), Some(base), _) => btf::read_module_with_base(&base, &bytes, kernel),
            (Some(bytes), None, _) => btf::read_module(&bytes, kernel),
            (None, _, Some(debug)) => return debug.types(&image.path, Some(kernel)),
            (None, _, None) => Ok(TypesBuilder::on(kernel)),
        };
        builder.and_then(TypesBuilder::build).map_err(|why| Error::malformed(&image.path, ".BTF", why))
    }
}
