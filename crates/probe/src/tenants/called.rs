//! Which tenant is meant by what somebody calls it.

use super::{Runtime, Tenant};
use lima_model::spelling::{self, Fit, Known};
use std::collections::BTreeSet;

/// A short spelling fits several tenants: the paths of their cgroups.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: give the whole path or container id", .0.join(", "))]
pub struct Ambiguous(pub Vec<String>);

impl Tenant {
    /// Whether `called` can mean this tenant.
    pub fn fits(&self, called: &str) -> Option<Fit> {
        let known = Known {
            name: &self.name,
            path: self.path.as_deref(),
            runtime: self.runtime.map(Runtime::name),
            container_id: self.container_id.as_deref(),
        };
        spelling::fit(called, &known)
    }
}

/// The path of the tenant's cgroup that `called` means. A tenant that is started again has the path that it had.
pub(super) fn path<'a>(
    called: &str,
    tenants: impl IntoIterator<Item = &'a Tenant>,
) -> Result<Option<String>, Ambiguous> {
    let fitting = tenants.into_iter().filter_map(|tenant| Some((tenant.fits(called)?, tenant.path.as_deref()?)));
    let fitting: BTreeSet<_> = fitting.collect();
    let Some(&(best, _)) = fitting.last() else { return Ok(None) };
    let mut paths: Vec<_> = fitting.iter().filter(|&&(fit, _)| fit == best).map(|&(_, path)| path.to_owned()).collect();
    if paths.len() > 1 { Err(Ambiguous(paths)) } else { Ok(paths.pop()) }
}
