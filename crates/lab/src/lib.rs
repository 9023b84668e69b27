//! Guests that boot stock kernels, loads whose lock contention is known, and the tenants that they run in.
//!
//! A measuring instrument is only as good as what it has been held against. This crate makes the things to hold it
//! against: work that fights over known locks, and lock holds of a known length by a known culprit.
//!
//! - [`guest`]: a kernel under QEMU that runs one command and is gone afterwards;
//! - [`tenant`]: a tenant made of cgroups in every hierarchy that matters, removed again when it is dropped;
//! - [`load::hammer`]: threads that hammer one directory, one file and one pipe;
//! - [`load::culprit`]: a task that holds a kernel lock for an exact time while others wait for it, all on stock
//!   kernels and from user space;
//! - [`module`]: a kernel module with locks of every type, taken on command in every way;
//! - [`study`]: workloads on isolation platforms, traced cold and warm, again and again.

pub mod guest;
pub mod load;
pub mod module;
pub mod study;
pub mod tenant;

pub use tenant::Tenant;
