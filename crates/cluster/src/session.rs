//! What scheduler, executors and clients must have in common.

use crate::codec::Tables;
use crate::stores::Stores;
use ballista_core::extension::SessionConfigExt;
use datafusion::error::Result;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionConfig;
use std::sync::Arc;

/// The longest message between them. Tables in memory, the names of locks among them, travel with a statement; Ballista's 16 MiB
/// would be too little for a trace with many.
pub(crate) const LONGEST_MESSAGE: u32 = 1 << 30;

/// Into how many tasks a step of a statement is cut. Each costs a moment, and runs are analyzed side by side besides.
const PARTITIONS: usize = 4;

/// How sessions are configured.
pub(crate) fn config() -> SessionConfig {
    SessionConfig::new_with_ballista()
        .with_target_partitions(PARTITIONS)
        // It plans a step without rows anew, again and again (Ballista 55.0).
        .with_ballista_adaptive_query_planner(false)
        .with_collect_statistics(false)
        .with_ballista_grpc_client_max_message_size(LONGEST_MESSAGE as usize)
        .with_ballista_logical_extension_codec(Arc::new(Tables::default()))
}

/// What sessions read from.
pub(crate) fn runtime() -> Result<Arc<RuntimeEnv>> {
    Ok(Arc::new(RuntimeEnvBuilder::new().with_object_store_registry(Arc::new(Stores::default())).build()?))
}
