//! The places of the running kernel that take a lock, for whoever traces it.

use super::graph::Graph;
use super::running::{modules_of_running, slide_of_running};
use crate::Error;
use crate::store::Index;
use lima_model::pattern::fits;
use lima_model::{IndexTable, LockType};
use std::collections::BTreeSet;

/// A direct call is this long on x86-64.
const CALL_BYTES: u64 = 5;

/// Where the locks of an object are taken.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The sites that acquire, try or initialise them, each by the address in the running kernel that its call returns to.
    /// Modules that are not loaded have none.
    pub addresses: Vec<u64>,
    /// Of which types the locks are.
    pub lock_types: BTreeSet<LockType>,
}

/// The places of an object (`*` stands for any text), or of a variable.
///
/// # Errors
/// [`Error::Missing`] when the index is of another kernel, or the running one does not show its addresses.
pub fn places_of_running(index: &Index, object: &str) -> Result<Places, Error> {
    let slide = slide_of_running(index, &Graph::of(index)?)?;
    let modules = modules_of_running(index)?;
    let table = index.read(IndexTable::Sites, &["address", "object", "operation", "module", "lock_type"])?;
    let (addresses, objects) = (table.numbers("address")?, table.texts("object")?);
    let (operations, module) = (table.texts("operation")?, table.texts("module")?);
    let lock_types = table.texts("lock_type")?;
    let mut places = Places::default();
    let wanted = (0..table.len()).filter(|&row| operations.get(row) != "release" && fits(object, objects.get(row)));
    for row in wanted {
        let address = addresses.get(row);
        let running = match module.maybe(row) {
            None => Some(address.wrapping_add(slide)),
            Some(_) => modules.iter().find_map(|section| section.running(address)),
        };
        places.addresses.extend(running.map(|running| running.wrapping_add(CALL_BYTES)));
        places.lock_types.extend(LockType::from_name(lock_types.get(row)));
    }
    Ok(places)
}
