//! A cluster of machines that carry out statements on traces: DataFusion, spread out by Ballista.
//!
//! A [`Scheduler`] takes statements and cuts them into tasks, [`Executor`]s ask it for tasks and read the traces, which they
//! must find under the same address (a shared folder, an object store). A [`Cluster`] is how `lima analyze` hands statements to
//! a scheduler. What is different from Ballista as it comes is here, too: tables that are in memory travel with the
//! statement (`codec`), and buckets are found as everywhere in LIMA (`stores`).
//!
//! All of it is behind the feature `ballista`: it would double what has to be built.

#![cfg(feature = "ballista")]

mod client;
mod codec;
mod executor;
mod said;
mod scheduler;
mod session;
mod stores;

pub use client::Cluster;
pub use executor::Executor;
pub use scheduler::Scheduler;
