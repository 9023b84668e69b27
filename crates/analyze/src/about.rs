//! What every report says of the trace that it was made from.

use lima_model::{Losses, Manifest};
use std::path::PathBuf;

/// The front page of a trace, and what is missing from it.
#[derive(Clone, Debug)]
pub struct About {
    /// Where the trace lies.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// All that was lost: when recording, by being cut off, and since.
    pub losses: Losses,
    /// Whether the recording ended in order and nothing was lost.
    pub complete: bool,
}
