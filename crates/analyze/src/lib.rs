//! Tables from traces: which locks cost time, where, whom, and because of whom.
//!
//! An [`Analysis`] opens the tables of one trace in an SQL engine and answers questions: [`Analysis::report`] sums the
//! waits up by object, lock, site, stack, task, tenant, type or time, or lists them one by one;
//! [`Analysis::interference`] tells who made whom wait; [`Analysis::flame`] weighs stacks. The statements are files in
//! `sql/`, and read well on their own. What is decided outside of them:
//!
//! - [`stacks`]: the site of a stack, and names for addresses;
//! - [`tenants`]: names for tenants that no two of them share, and other ways to spell them;
//! - [`filter`]: `--filter KEY=VALUE`;
//! - [`table`]: the form in which results are handed out.
//!
//! [`study`] does the same for all traces of a study: its tables come from `sql/study/`.
//!
//! How results look is not decided here but in `lima-report`.

mod about;
mod acquisitions;
mod analysis;
mod chains;
mod engine;
mod events;
pub mod filter;
mod histograms;
mod interference;
pub mod pattern;
mod phases;
mod report;
mod sharing;
pub mod stacks;
mod statement;
pub mod study;
pub mod synthetic;
pub mod table;
pub mod tenants;

pub use about::About;
pub use analysis::Analysis;
pub use filter::Filter;
pub use interference::{Interference, Who};
pub use report::{By, Flame, Query, Report, Sums};
pub use table::{Column, Kind, Rows, Value};
