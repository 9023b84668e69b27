//! Locks that callers hand over.
//!
//! A function that locks what it is given says nothing of the object; those that call it do. Where all of them are
//! known and hand over the same, that is the answer; else what they hand over are the alternatives.

use super::answer::{ALTERNATIVES, LOCK_OF_THE_CALLER};
use super::engine::{Engine, Said};
use super::{Answer, Object, Question};
use crate::image::{Image, Kind};
use lima_model::LockType;
use lima_model::words::SiteMethod;
use rustc_hash::{FxHashMap, FxHashSet};

/// How many callers up.
const LEVELS: usize = 4;
/// More callers are not asked.
const CALLERS: usize = 64;

/// An argument of a function, by its address, that is locked as this type.
type Key = (u64, u8, LockType);

/// What the callers hand over.
#[derive(Debug, Default)]
struct Handed {
    said: Vec<Said>,
    /// Nobody else calls the function.
    all: bool,
}

impl Engine<'_> {
    /// Answers the questions whose lock is the caller's.
    pub(super) fn ask_callers(&self, questions: &[Question], said: &mut [Said]) {
        let mut asked: FxHashMap<Key, Handed> = FxHashMap::default();
        let mut open: Vec<Key> = questions.iter().zip(&*said).filter_map(|(q, said)| self.key(q, said)).collect();
        for _ in 0..LEVELS {
            open.sort_unstable();
            open.dedup();
            open.retain(|key| !asked.contains_key(key));
            if open.is_empty() {
                break;
            }
            open = self.ask(&open, &mut asked);
        }
        for (question, said) in questions.iter().zip(said) {
            let Some(key) = self.key(question, said) else { continue };
            let (mut objects, mut all) = (Vec::new(), true);
            collect(self, key, &asked, &mut Vec::new(), &mut objects, &mut all);
            said.answer = match objects.as_slice() {
                [object] if all => {
                    Answer { object: object.clone(), alternatives: Vec::new(), method: SiteMethod::Callers }
                }
                _ => {
                    objects.truncate(ALTERNATIVES);
                    let object = Object::Unknown(LOCK_OF_THE_CALLER);
                    Answer { object, alternatives: objects, method: SiteMethod::Unknown }
                }
            };
        }
    }

    fn key(&self, question: &Question, said: &Said) -> Option<Key> {
        let functions = self.sources.functions;
        let function = &functions[functions.containing(question.address)?];
        Some((function.range.start, said.handed?, question.lock_type))
    }

    /// Asks the callers of functions. What these were handed over themselves is returned.
    fn ask(&self, keys: &[Key], asked: &mut FxHashMap<Key, Handed>) -> Vec<Key> {
        let functions: FxHashSet<u64> = keys.iter().map(|&(function, ..)| function).collect();
        let elsewhere = self.called_elsewhere(&functions);
        let mut questions = Vec::new();
        let mut ranges = Vec::with_capacity(keys.len());
        for &(function, argument, lock_type) in keys {
            let start = questions.len();
            let calls = self.sources.calls.to(function).take(CALLERS + 1);
            questions.extend(calls.map(|call| Question::handed(call.address, argument, lock_type)));
            ranges.push(start..questions.len());
        }
        let said = self.say(&questions);
        let open = questions.iter().zip(&said).filter_map(|(question, said)| self.key(question, said)).collect();
        for (key, range) in keys.iter().zip(ranges) {
            let all = !range.is_empty() && range.len() <= CALLERS && !elsewhere.contains(&key.0);
            asked.insert(*key, Handed { said: said[range].to_vec(), all });
        }
        open
    }

    /// Those of the functions that may be called from elsewhere: through pointers, or by other images.
    fn called_elsewhere(&self, functions: &FxHashSet<u64>) -> FxHashSet<u64> {
        let image = self.sources.image;
        let mut found = pointed_to(image, functions);
        // A kernel whose symbols are those of code alone does not say what it exports.
        let says =
            image.kind != Kind::Kernel || image.symbols.iter().any(|symbol| symbol.name.starts_with("__ksymtab_"));
        found.extend(functions.iter().filter(|&&address| {
            let function = self.sources.functions.starting(address).map(|id| &self.sources.functions[id]);
            let exported = |name: &str| image.symbols_named(&format!("__ksymtab_{name}")).next().is_some();
            self.known.learned.is_taken(address)
                || function
                    .is_none_or(|function| function.global && (!says || function.names().any(|name| exported(name))))
        }));
        found
    }
}

/// What is handed over in all, down to where it comes from.
fn collect(
    engine: &Engine<'_>,
    key: Key,
    asked: &FxHashMap<Key, Handed>,
    path: &mut Vec<Key>,
    objects: &mut Vec<Object>,
    all: &mut bool,
) {
    if path.contains(&key) {
        // A function that calls itself with what it was given.
        return;
    }
    let Some(handed) = asked.get(&key) else {
        *all = false;
        return;
    };
    *all &= handed.all;
    path.push(key);
    let questions = engine.sources.calls.to(key.0).map(|call| Question::handed(call.address, key.1, key.2));
    for (question, said) in questions.zip(&handed.said).filter(|(_, said)| !said.nothing) {
        match &said.answer.object {
            Object::Unknown(_) => match engine.key(&question, said) {
                Some(above) => collect(engine, above, asked, path, objects, all),
                None => *all = false,
            },
            // Of each caller another.
            Object::Local => *all = false,
            object if objects.contains(object) => {}
            object => objects.push(object.clone()),
        }
    }
    path.pop();
}

/// Which of the functions a word of the image's data points to.
fn pointed_to(image: &Image, functions: &FxHashSet<u64>) -> FxHashSet<u64> {
    const WORD: usize = 8;
    let mut found = FxHashSet::default();
    for section in
        image.sections.iter().filter(|section| section.loaded && !section.executable && !functions.is_empty())
    {
        let skip = section.address.next_multiple_of(WORD as u64) - section.address;
        let bytes = image.bytes_from(section.address).unwrap_or_default();
        let bytes = bytes.get(skip as usize..).unwrap_or_default();
        let words = bytes.chunks_exact(WORD).filter_map(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
        found.extend(words.filter(|word| functions.contains(word)));
    }
    found
}
