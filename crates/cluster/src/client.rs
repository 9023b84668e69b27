//! The side that asks.

use crate::session::{config, runtime};
use anyhow::{Context, Result, anyhow};
use ballista_core::extension::SessionStateExt;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::SessionContext;
use lima_analyze::study::Workers;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a scheduler may take to answer the door.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cluster, by its scheduler.
#[derive(Clone, Debug)]
pub struct Cluster {
    address: String,
}

impl Cluster {
    /// The cluster whose scheduler listens at `HOST:PORT`.
    pub fn at(address: &str) -> Result<Self> {
        let said = || format!("reach the scheduler of a cluster at {address} (`lima cluster scheduler` starts one)");
        let places = address.to_socket_addrs().with_context(said)?;
        let mut last = anyhow!("the name has no address");
        for place in places {
            match TcpStream::connect_timeout(&place, PATIENCE) {
                Ok(_) => return Ok(Self { address: address.to_owned() }),
                Err(error) => last = error.into(),
            }
        }
        Err(last).with_context(said)
    }
}

impl Workers for Cluster {
    fn session(&self) -> Result<SessionContext> {
        let state = SessionStateBuilder::new()
            .with_default_features()
            .with_config(config())
            .with_runtime_env(runtime()?)
            .build()
            .upgrade_for_ballista(format!("http://{}", self.address))?;
        Ok(SessionContext::new_with_state(state))
    }
}
