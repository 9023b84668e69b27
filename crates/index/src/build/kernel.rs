//! The kernel image.

use super::meter::Meter;
use super::part::{Made, Source, make};
use super::sources::Sources;
use crate::Error;
use crate::code::Program;
use crate::debug::{Debug, TypeMap};
use crate::flow::Known;
use crate::image::Image;
use crate::store::Part;
use crate::types::{Types, btf};
use lima_model::index::Basis;
use std::sync::Arc;

/// What the modules need of the kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) types: Arc<Types>,
    pub(super) map: Option<Arc<TypeMap>>,
    pub(super) program: Program,
    pub(super) known: Arc<Known>,
    pub(super) part: Part,
}

pub(super) fn index(sources: &Sources, meter: &mut Meter<'_>, notes: &mut Vec<String>) -> Result<Kernel, Error> {
    let image = &sources.image;
    let debug = match sources.basis {
        Basis::Dwarf => meter.stage("debug information", |_| Debug::open(image))?,
        Basis::Bare => None,
    };
    let types = Arc::new(meter.stage("types", |_| types(image, debug.as_ref()))?);
    let map = debug.as_ref().map(|_| Arc::new(TypeMap::new(Arc::clone(&types))));
    let program = meter.stage("code", |_| Program::of(image, None));
    let debug = debug.as_ref().zip(map.as_deref());
    let source = Source { module: None, image, types: &types, debug, program: &program, kernel: None };
    let Made { part, known, notes: more } = make(source, |name, work| meter.stage(name, |_| work()));
    notes.extend(more);
    Ok(Kernel { types, map, program, known, part })
}

/// The types of a kernel.
///
/// # Errors
/// When it does not describe them, or they are damaged.
pub fn types_of(image: &Image, with_debug: bool) -> Result<Types, Error> {
    let debug = if with_debug && image.btf()?.is_none() { Debug::open(image)? } else { None };
    types(image, debug.as_ref())
}

/// From BTF, or else from debug information.
fn types(image: &Image, debug: Option<&Debug<'_>>) -> Result<Types, Error> {
    match (image.btf()?, debug) {
        (Some(bytes), _) => btf::read(&bytes)
            .and_then(|builder| builder.build())
            .map_err(|why| Error::malformed(&image.path, ".BTF", why)),
        (None, Some(debug)) => debug.types(&image.path, None),
        (None, None) => Err(Error::Missing(format!(
            "{} has neither debug information nor BTF (CONFIG_DEBUG_INFO_BTF): nothing is known of its types",
            image.path.display()
        ))),
    }
}
