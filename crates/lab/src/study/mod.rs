//! Studies: workloads on isolation platforms, traced cold and warm, again and again.
//!
//! - [`File`]: `STUDY.toml`, what is asked for;
//! - [`plan`]: the runs that it means;
//! - [`workload`]: what tenants do;
//! - [`platform`]: what they do it in;
//! - [`root`]: the minimal Debian that containers and guests have;
//! - [`check`]: what this machine lacks for it;
//! - [`run`]: from the first run to the last, and one run from its start to its end;
//! - [`isolation`]: measures against interference through hardware.

pub mod check;
mod file;
pub mod isolation;
pub mod plan;
pub mod platform;
pub mod root;
pub mod run;
pub mod workload;

pub use file::{EXAMPLE, File, Lab, Level, Root, Target};

use std::path::{Path, PathBuf};

/// Where a guest of the lab sees a file of the machine around it that its own root lacks.
fn seen(path: &Path) -> PathBuf {
    Path::new("/run/lima/machine").join(path.strip_prefix("/").unwrap_or(path))
}
