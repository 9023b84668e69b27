//! Live data from the running kernel.
//!
//! - [`capabilities`]: what this kernel and these privileges permit;
//! - [`contention`]: the collector of lock waits, both halves: its programs stand in `bpf/`;
//! - [`recorder`]: from the collector to a trace on disk;
//! - [`kernel_memory`]: reading the kernel's memory;
//! - [`privileges`]: giving up what is not needed any more;
//! - [`symbols`]: the kernel's symbols;
//! - [`tenants`]: names for what the kernel knows as numbers.

pub mod acquisitions;
pub mod capabilities;
pub mod contention;
mod instances;
pub mod kernel_memory;
pub mod privileges;
pub mod recorder;
mod slab;
pub mod symbols;
pub mod tenants;
