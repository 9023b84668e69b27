//! What a function takes in other kernels.
//!
//! Where an index has no code (a locked-down kernel whose image is nowhere to be had), the function's name is all that is
//! known of a place. In the kernels that LIMA has learned from (`data/kin.csv`), most functions take one lock of a type and no
//! other; if this kernel's types have a lock of that name, it is that one, as far as it can be known.

use super::Claim;
use super::layouts::Layouts;
use crate::names::Names;
use crate::words;
use lima_model::LockType;

/// The object whose locks of a type a function takes in other kernels, if this one has it too.
pub fn claim(function: &str, lock_type: LockType, layouts: &Layouts, names: &mut Names) -> Option<Claim> {
    // A variable cannot be looked up where symbols of variables are hidden: one name for it must do.
    let is_here = |object: &&str| !object.contains('.') || layouts.declares(object, lock_type);
    let mut objects = words::kin(function, lock_type).filter(is_here);
    let object = objects.next()?;
    objects.next().is_none().then(|| Claim { object: names.keep(object), containers: Vec::new(), instance: None })
}
