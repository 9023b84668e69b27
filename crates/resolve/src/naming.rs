//! How an object shows.
//!
//! The index calls a lock by the innermost struct that declares it, and that says nothing when the struct is a part of many
//! others: `wait_queue_head.lock`. Such a lock is called by the nearest struct around it that is no common part
//! (`eventfd_ctx.wqh.lock`), or by its variable (`log_wait.lock`).

use crate::evidence::Claim;
use crate::evidence::layouts::Layouts;
use crate::names::{Name, Names, owner};
use crate::words::is_common_part;
use rustc_hash::FxHashMap;

/// Names that were worked out.
#[derive(Debug, Default)]
pub struct Naming(FxHashMap<(Name, Name), Option<Name>>);

impl Naming {
    /// Works out how a claim shows; [`Naming::shown`] tells it from then on.
    pub fn learn(&mut self, claim: &Claim, layouts: &Layouts, names: &mut Names) {
        if !is_common_part(owner(names.text(claim.object))) {
            return;
        }
        for &container in &claim.containers {
            self.0.entry((claim.object, container)).or_insert_with(|| {
                let nearest = layouts.nearest(claim.object, container, names)?;
                Some(names.keep(&nearest))
            });
        }
    }

    /// How a claim shows.
    pub fn shown(&self, claim: &Claim, names: &Names) -> Name {
        if !is_common_part(owner(names.text(claim.object))) {
            return claim.object;
        }
        let mut nearest: Vec<_> =
            claim.containers.iter().filter_map(|&container| *self.0.get(&(claim.object, container))?).collect();
        nearest.sort_unstable();
        nearest.dedup();
        match (&nearest[..], &claim.containers[..], claim.instance) {
            ([only], _, _) => *only,
            (_, [variable, ..], Some(_)) => *variable,
            _ => claim.object,
        }
    }
}
