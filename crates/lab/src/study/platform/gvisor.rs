//! Sandboxes by gVisor's runsc. The sentry and the gofer are the tenant: the recorder finds them by their command lines.

use super::{Prepared, Site, bounded, oci};
use anyhow::Result;
use std::process::Command;

pub(super) fn prepare(site: &Site<'_>, ptrace: bool, overlay: bool) -> Result<Prepared> {
    let bundle = oci::bundle(site)?;
    let state = site.folder.join("state");
    let call = || {
        let mut command = Command::new("runsc");
        command.arg("--root").arg(&state).arg("--network=none");
        command.arg(if ptrace { "--platform=ptrace" } else { "--platform=systrap" });
        command.arg(if overlay { "--overlay2=root:memory" } else { "--overlay2=none" });
        command
    };
    let mut command = call();
    command.arg("run").arg("--bundle").arg(&bundle.folder).arg(site.unique);
    let mut delete = call();
    delete.args(["delete", "--force", site.unique]);
    let mut prepared = Prepared::new(command, &format!("gvisor:{}", site.unique));
    prepared.helped_by(site.runtime_cgroup, "runtime", "its cgroup, in which runsc was started");
    prepared.helped_by(
        site.cgroup,
        "sandbox",
        "its cgroup, which sentry and gofer join before the recorder knows them as a sandbox by their command lines",
    );
    prepared.remove.push(bounded(&delete));
    prepared.mounts = bundle.mounts;
    Ok(prepared)
}
