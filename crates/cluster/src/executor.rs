//! The side that reads traces.

use crate::codec::Tables;
use crate::session::{LONGEST_MESSAGE, config, runtime};
use anyhow::{Context, Result, anyhow};
use ballista_core::config::TaskSchedulingPolicy;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use datafusion::prelude::SessionConfig;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

/// How long an executor waits for its scheduler to come up.
const PATIENCE_SECONDS: u16 = 10;

/// An executor to be.
#[derive(Clone, Debug)]
pub struct Executor {
    /// The host of the scheduler.
    pub scheduler_host: String,
    /// Its port.
    pub scheduler_port: u16,
    /// Where others fetch its results; port 0 is any that is free.
    pub listen: SocketAddr,
    /// How many tasks it takes at a time; 0 is one for each processor.
    pub cores: usize,
    /// Where results wait for others to fetch them [a temporary folder].
    pub work: Option<PathBuf>,
}

impl Executor {
    /// Works until the process ends.
    pub fn serve(&self) -> Result<()> {
        let port = match self.listen.port() {
            // Ballista tells others the number that it was given, so it has to be one.
            0 => TcpListener::bind(self.listen).and_then(|free| free.local_addr())?.port(),
            port => port,
        };
        let temporary;
        let work = match &self.work {
            Some(work) => work,
            None => {
                temporary = tempfile::tempdir().context("make a folder for results")?;
                temporary.path()
            }
        };
        let options = ExecutorProcessConfig {
            bind_host: self.listen.ip().to_string(),
            external_host: Some(self.listen.ip().to_string()),
            port,
            scheduler_host: self.scheduler_host.clone(),
            scheduler_port: self.scheduler_port,
            scheduler_connect_timeout_seconds: PATIENCE_SECONDS,
            vcores: self.cores,
            task_scheduling_policy: TaskSchedulingPolicy::PullStaged,
            work_dir: Some(work.display().to_string()),
            grpc_max_decoding_message_size: LONGEST_MESSAGE,
            grpc_max_encoding_message_size: LONGEST_MESSAGE,
            override_config_producer: Some(Arc::new(config)),
            override_runtime_producer: Some(Arc::new(|_: &SessionConfig| runtime())),
            override_logical_codec: Some(Arc::new(Tables::default())),
            ..ExecutorProcessConfig::default()
        };
        crate::said::listen();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let served = runtime.block_on(start_executor_process(Arc::new(options)));
        served.map_err(|error| anyhow!("{error}")).context("work as an executor")
    }
}
