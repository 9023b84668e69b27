//! From an image to an index: the rooms one after the other.
//!
//! [`Sources::open`] opens what an index is to be made from, so that the caller can see whether it has that index
//! already ([`Sources::made`]); [`Sources::build`] makes it.

mod kernel;
mod meter;
mod modules;
mod part;
mod sources;

pub use kernel::types_of;
pub use meter::{Progress, Report};
pub use sources::{Sources, hex};

use crate::Error;
use crate::store::Part;
use lima_model::IndexManifest;
use meter::Meter;

/// An index that was made, before it is written.
#[derive(Debug)]
pub struct Built {
    /// Its front page, but for the tables.
    pub manifest: IndexManifest,
    /// Its rows: the kernel's, then each module's.
    pub parts: Vec<Part>,
}

impl Sources {
    /// Makes the index.
    ///
    /// # Errors
    /// When the kernel cannot be understood. A module that cannot is left out, and a note says so.
    pub fn build(self, report: Report<'_>) -> Result<Built, Error> {
        let mut meter = Meter::new(report);
        let mut manifest = self.manifest();
        let kernel = kernel::index(&self, &mut meter, &mut manifest.notes)?;
        let modules = modules::index(&self, &kernel, &mut meter, &mut manifest.notes);
        let mut parts = vec![kernel.part];
        for made in modules {
            parts.push(made.part);
            manifest.notes.extend(made.notes);
        }
        for part in &mut parts {
            part.sort();
        }
        for site in parts.iter().flat_map(|part| &part.sites) {
            manifest.sites.count(site.operation, site.method, site.cause);
        }
        manifest.cost = meter.finish();
        Ok(Built { manifest, parts })
    }
}
