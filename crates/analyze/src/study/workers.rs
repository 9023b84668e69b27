//! Carrying out the statements on a trace elsewhere.

use anyhow::Result;
use datafusion::prelude::SessionContext;
use std::fmt::Debug;

/// Machines that carry out statements. They must find a trace under the same address as the machine that asks.
pub trait Workers: Debug + Sync {
    /// A session whose statements they carry out.
    fn session(&self) -> Result<SessionContext>;
}
