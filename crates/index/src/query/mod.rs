//! Questions to an index: which locks there are, who takes them, who calls whom.
//!
//! Each answers with [`Rows`](lima_model::table::Rows), whose columns are named as in the index's tables. Patterns are
//! text in which `*` stands for anything ([`lima_model::pattern`]).

mod at;
mod calls;
mod diff;
mod graph;
mod locks;
mod names;
mod path;
mod places;
mod running;
mod show;
mod sites;

pub use at::at;
pub use calls::{Calls, Direction, calls};
pub use diff::diff;
pub use graph::Graph;
pub use locks::{Locks, locks};
pub use names::function_fits;
pub use path::{Found, path};
pub use places::{Places, places_of_running};
pub use running::of_running;
pub use show::show;
pub use sites::{Sites, sites};
