//! Texts that many rows share.

use rustc_hash::{FxBuildHasher, FxHashSet};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};

/// Every text once. In parts, so that threads seldom wait for each other.
#[derive(Debug)]
pub(super) struct Texts([Mutex<FxHashSet<Arc<str>>>; 32]);

impl Default for Texts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl Texts {
    /// The one copy of a text.
    pub fn shared(&self, text: &str) -> Arc<str> {
        let part = FxBuildHasher.hash_one(text) >> 7;
        let part = &self.0[usize::try_from(part).unwrap_or(0) % self.0.len()];
        let mut known = part.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = known.get(text) {
            return Arc::clone(text);
        }
        let shared: Arc<str> = Arc::from(text);
        known.insert(Arc::clone(&shared));
        shared
    }
}
