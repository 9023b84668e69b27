//! Guests: stock kernels under QEMU that run a command and are gone afterwards.
//!
//! A guest boots a kernel of the [`Cache`] with a file system of its own in memory over the machine's files, runs one
//! command as root, streams what it prints, and ends with its exit status. The machine's files are read-only to it, but
//! for one folder that takes results. Nothing is put on the machine's disk, and no process outlives the one that
//! started the guest, however that one ends.
//!
//! - [`Cache`], [`Kernel`]: kernels that are on this machine;
//! - [`fetch`]: kernels of Debian's archive, their debug information, and what building modules for them needs;
//! - [`build`]: kernels from Debian's source with a configuration of ours;
//! - [`Machine`]: what the guest is made of, under which [`Emulator`], and [`acceleration`] by KVM where that works;
//! - [`run`]: from the start of a guest to its end.

mod acceleration;
mod archive;
mod build;
mod cache;
mod child;
mod console;
mod counting;
mod disk;
mod emulator;
mod fetch;
mod initramfs;
mod machine;
mod modules;
mod run;
mod share;

pub use acceleration::{Acceleration, Choice, choose};
pub use build::{CONFIGURATIONS, Configuration, Order, build};
pub use cache::{Cache, Kernel};
pub use counting::Counting;
pub use disk::root_disk;
pub use emulator::{Emulator, may_hang};
pub use fetch::{Extras, available, fetch};
pub(crate) use initramfs::Archive as Initramfs;
pub use machine::{Machine, Root};
pub use run::{End, Outcome, Plan, run};

/// Tells the person who waits what is being done; one line, without an end.
pub type Say<'a> = &'a dyn Fn(&str);
