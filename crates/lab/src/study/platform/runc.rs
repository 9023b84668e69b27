//! Containers by runc, or by crun, which takes the same words.

use super::{Prepared, Site, bounded, oci};
use anyhow::Result;
use std::process::Command;

pub(super) fn prepare(site: &Site<'_>, program: &str) -> Result<Prepared> {
    let bundle = oci::bundle(site)?;
    let state = site.folder.join("state");
    let call = || {
        let mut command = Command::new(program);
        command.arg("--root").arg(&state);
        command
    };
    let mut command = call();
    command.arg("run").arg("--bundle").arg(&bundle.folder).arg(site.unique);
    let mut delete = call();
    delete.args(["delete", "--force", site.unique]);
    let mut prepared = Prepared::new(command, site.cgroup);
    prepared.helped_by(site.runtime_cgroup, "runtime", &format!("its cgroup, in which {program} was started"));
    prepared.remove.push(bounded(&delete));
    prepared.mounts = bundle.mounts;
    Ok(prepared)
}
