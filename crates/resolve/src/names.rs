//! Texts that stand for themselves thousands of times, each kept once.

use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A text that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(u32);

/// All texts that were kept.
#[derive(Clone, Debug, Default)]
pub struct Names {
    texts: Vec<Arc<str>>,
    known: FxHashMap<Arc<str>, Name>,
}

impl Names {
    /// Keeps a text.
    pub fn keep(&mut self, text: &str) -> Name {
        if let Some(&name) = self.known.get(text) {
            return name;
        }
        let text: Arc<str> = text.into();
        // Texts come from tables of far fewer rows.
        let name = Name(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        self.texts.push(Arc::clone(&text));
        self.known.insert(text, name);
        name
    }

    /// The text.
    pub fn text(&self, name: Name) -> &Arc<str> {
        &self.texts[name.0 as usize]
    }
}

/// The struct, or the variable, that an object's name begins with.
pub fn owner(object: &str) -> &str {
    object.split(['.', '[']).next().unwrap_or(object)
}
