//! The acquisitions collector: every lock of the running kernel that is taken and let go.
//!
//! [`Collector`] loads the programs of `bpf/acquisitions.bpf.c`, attaches one to each lock function that this kernel has,
//! and gives what they collect: sums, taken out once a time bucket, and single initialisations.

mod collector;
mod hooks;
#[cfg(test)]
mod layout;
mod memory;
mod spilled;

pub use collector::{Collector, Records, Sum, Taken};
pub use hooks::lock_functions;

mod skeleton {
    #![allow(missing_docs, missing_debug_implementations, non_camel_case_types, unused_qualifications, clippy::all)]
    #![allow(clippy::undocumented_unsafe_blocks, clippy::ptr_as_ptr, clippy::wildcard_imports, dead_code)]
    include!(concat!(env!("OUT_DIR"), "/acquisitions.skel.rs"));
}

/// The records that the kernel side writes, generated from `bpf/acquisitions.h`.
pub mod types {
    pub use super::skeleton::types::{acquiring, birth, known_stack, last, life, place, range, slow_path, spill, sum};
}
