//! The side that cuts statements into tasks and hands them out.

use crate::codec::Tables;
use crate::session::{LONGEST_MESSAGE, config, runtime};
use anyhow::{Context, Result, anyhow};
use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::extension::{ballista_aggregate_functions, ballista_scalar_functions, ballista_window_functions};
use ballista_core::optimizer::ballista_default_optimizer_rules;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// A scheduler to be.
#[derive(Clone, Debug)]
pub struct Scheduler {
    /// Where it listens. Whoever reaches it can have files read: a trusted network, or loopback.
    pub listen: SocketAddr,
    /// After how long an executor that is not heard of counts as lost, and its tasks go to others.
    pub lost_after: Duration,
}

impl Scheduler {
    /// Serves until the process ends; `ready` is told where.
    pub fn serve(&self, ready: impl FnOnce(SocketAddr)) -> Result<()> {
        crate::said::listen();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let listener =
                TcpListener::bind(self.listen).await.with_context(|| format!("listen at {}", self.listen))?;
            let address = listener.local_addr()?;
            let config = Arc::new(self.config(address));
            let cluster = BallistaCluster::new_from_config(&config).await.map_err(|error| anyhow!("{error}"))?;
            let scheduler = create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, config).await;
            let scheduler = scheduler.map_err(|error| anyhow!("{error}")).context("start the scheduler")?;
            ready(address);
            start_grpc_service_with_listener(listener, scheduler).await.map_err(|error| anyhow!("{error}"))
        })
    }

    fn config(&self, address: SocketAddr) -> SchedulerConfig {
        let lost_after = self.lost_after.as_secs().max(1);
        SchedulerConfig {
            bind_host: address.ip().to_string(),
            external_host: address.ip().to_string(),
            bind_port: address.port(),
            // Executors come and ask: they need no way in but that to their results.
            scheduling_policy: TaskSchedulingPolicy::PullStaged,
            executor_timeout_seconds: lost_after,
            expire_dead_executor_interval_seconds: lost_after.div_ceil(4),
            no_executors_grace_period_seconds: lost_after,
            grpc_server_max_decoding_message_size: LONGEST_MESSAGE,
            grpc_server_max_encoding_message_size: LONGEST_MESSAGE,
            grpc_client_max_message_size: LONGEST_MESSAGE,
            override_config_producer: Some(Arc::new(config)),
            override_session_builder: Some(Arc::new(session)),
            override_logical_codec: Some(Arc::new(Tables::default())),
            ..SchedulerConfig::default()
        }
    }
}

fn session(config: SessionConfig) -> datafusion::error::Result<SessionState> {
    Ok(SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(runtime()?)
        .with_optimizer_rules(ballista_default_optimizer_rules())
        .with_scalar_functions(ballista_scalar_functions())
        .with_aggregate_functions(ballista_aggregate_functions())
        .with_window_functions(ballista_window_functions())
        .build())
}
