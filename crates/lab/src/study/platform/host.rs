//! No platform: a shell in a cgroup of its own.

use super::{Prepared, Site};
use anyhow::{Context, Result};
use std::fs;
use std::process::Command;

pub(super) fn prepare(site: &Site<'_>) -> Result<Prepared> {
    let script = site.folder.join("script");
    fs::write(&script, site.script).with_context(|| format!("cannot write {}", script.display()))?;
    let mut command = Command::new("/bin/sh");
    command.arg(script).current_dir(site.folder);
    Ok(Prepared { in_tenant: true, ..Prepared::new(command, site.cgroup) })
}
