//! The name that the kernel gave a lock when it was initialised: the text of the expression in the source.

use super::Claim;
use super::layouts::Layouts;
use crate::names::Names;
use crate::seen::Init;

/// The only lock in any struct whose path ends as the name does: of `&tty->ldisc_sem` the one called `ldisc_sem`.
pub fn claim(init: &Init, layouts: &Layouts, names: &Names) -> Option<Claim> {
    let (_, member) = init.name.rsplit_once("->").or_else(|| init.name.rsplit_once('.'))?;
    let is_whole = member.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    let object = layouts.only_called(member, init.lock_type).filter(|_| is_whole && !member.is_empty())?;
    // A name that was cut off at 39 bytes may be the beginning of another one.
    let is_cut = init.name.len() >= 39;
    (!is_cut && names.text(object).ends_with(member)).then(|| Claim { object, containers: Vec::new(), instance: None })
}
