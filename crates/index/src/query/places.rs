//! The places of the running kernel that take a lock, for whoever traces it.

use super::graph::Graph;
use super::running::{modules_of_running, slide_of_running};
use crate::Error;
use crate::store::Index;
use lima_model::IndexTable;
use lima_model::pattern::fits;

/// A direct call is this long on x86-64.
const CALL_BYTES: u64 = 5;

/// The sites that acquire, try or initialise locks of an object (`*` stands for any text), each by the address in the
/// running kernel that its call returns to. Modules that are not loaded have none.
///
/// # Errors
/// [`Error::Missing`] when the index is of another kernel, or the running one does not show its addresses.
pub fn places_of_running(index: &Index, object: &str) -> Result<Vec<u64>, Error> {
    let slide = slide_of_running(index, &Graph::of(index)?)?;
    let modules = modules_of_running(index)?;
    let table = index.read(IndexTable::Sites, &["address", "object", "operation", "module"])?;
    let (addresses, objects) = (table.numbers("address")?, table.texts("object")?);
    let (operations, module) = (table.texts("operation")?, table.texts("module")?);
    let wanted = (0..table.len()).filter(|&row| operations.get(row) != "release" && fits(object, objects.get(row)));
    let there = wanted.filter_map(|row| {
        let address = addresses.get(row);
        let running = match module.maybe(row) {
            None => address.wrapping_add(slide),
            Some(_) => modules.iter().find_map(|section| section.running(address))?,
        };
        Some(running.wrapping_add(CALL_BYTES))
    });
    Ok(there.collect())
}
