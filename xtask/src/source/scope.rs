//! Names and what they stand for, as a file sees them.

use super::declarations::{Declarations, Reader};
use super::lexer::{Kind, Token};
use super::locks;
use super::macros::Expander;
use super::tree::{FileId, Tree};
use super::types::{Composite, Function, Type, Variable};
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::Path;
use std::rc::Rc;

/// A file with its macros expanded and its declarations read.
#[derive(Debug, Default)]
pub struct Unit {
    /// Its tokens, macros expanded.
    pub tokens: Vec<Token>,
    /// What it declares.
    pub declared: Declarations,
    /// Functions with a body: where that is, and the name, in the order of the file.
    pub bodies: Vec<(usize, usize, &'static str)>,
    /// Positions of the names of lock functions that are called.
    pub calls: Vec<usize>,
}

/// All files that were needed so far.
#[derive(Debug)]
pub struct Source {
    tree: Tree,
    units: FxHashMap<FileId, Unit>,
    composites: FxHashMap<&'static str, Vec<FileId>>,
    aliases: FxHashMap<&'static str, Vec<FileId>>,
    functions: FxHashMap<&'static str, Vec<FileId>>,
    variables: FxHashMap<&'static str, Vec<FileId>>,
    visible: FxHashMap<FileId, Rc<FxHashSet<FileId>>>,
}

impl Source {
    /// The source under a folder, with the configuration that the kernel was built with.
    pub fn new(root: &Path, config: &str) -> Self {
        Self {
            tree: Tree::new(root, config),
            units: FxHashMap::default(),
            composites: FxHashMap::default(),
            aliases: FxHashMap::default(),
            functions: FxHashMap::default(),
            variables: FxHashMap::default(),
            visible: FxHashMap::default(),
        }
    }

    /// Reads a file and all that it includes; what it sees. A file that is part of another sees what that sees.
    pub fn load(&mut self, path: &str) -> Option<(FileId, Rc<FxHashSet<FileId>>)> {
        let whole = self.tree.includer(path).and_then(|whole| self.tree.file(&whole, None));
        let id = self.tree.file(path, None)?;
        if let Some(visible) = self.visible.get(&id) {
            return Some((id, Rc::clone(visible)));
        }
        let whole = whole.unwrap_or(id);
        let mut visible = self.tree.visible(whole);
        visible.extend(self.tree.visible(id));
        let visible = Rc::new(visible);
        for &other in visible.iter() {
            if !self.units.contains_key(&other) {
                self.declare(other, &visible, whole);
            }
        }
        self.visible.insert(id, Rc::clone(&visible));
        Some((id, visible))
    }

    /// Reads a file that is compiled as part of `whole`.
    fn declare(&mut self, id: FileId, all: &FxHashSet<FileId>, whole: FileId) {
        let folder = |id| self.path(id).rsplit_once('/').map_or("", |(folder, _)| folder);
        // A piece of the file counts on what is included before it; a header is taken for itself, or it would see
        // macros that come after it.
        let piece = folder(id) == folder(whole) && !self.tree.get(id).guarded;
        let own = if piece { None } else { Some(self.tree.visible(id)) };
        let visible = own.as_ref().unwrap_or(all);
        let tokens = Expander::new(&self.tree, id, visible).expand(&self.tree.get(id).tokens);
        let mut declared = Declarations::default();
        Reader::new(&tokens, 0, &mut declared).file();
        for (index, names) in [
            (&mut self.composites, declared.composites.keys().collect::<Vec<_>>()),
            (&mut self.aliases, declared.aliases.keys().collect()),
            (&mut self.functions, declared.functions.keys().collect()),
            (&mut self.variables, declared.variables.keys().collect()),
        ] {
            for name in names {
                index.entry(*name).or_default().push(id);
            }
        }
        let bodies = declared.functions.iter().filter_map(|(name, f)| f.body.as_ref().map(|b| (b.start, b.end, *name)));
        let mut bodies: Vec<_> = bodies.collect();
        bodies.sort_unstable();
        let calls = (0..tokens.len().saturating_sub(1))
            .filter(|&at| tokens[at].kind == Kind::Word && tokens[at + 1].is("("))
            .filter(|&at| locks::call(tokens[at].text).is_some() || locks::is_guard(tokens[at].text))
            .collect();
        self.units.insert(id, Unit { tokens, declared, bodies, calls });
    }

    /// A file that was loaded.
    pub fn unit(&self, id: FileId) -> &Unit {
        &self.units[&id]
    }

    /// The path of a file.
    pub fn path(&self, id: FileId) -> &str {
        &self.tree.get(id).path
    }

    /// A line of a file.
    pub fn line(&self, id: FileId, line: u32) -> &'static str {
        let index = usize::try_from(line).unwrap_or(0).saturating_sub(1);
        self.tree.get(id).text.lines().nth(index).unwrap_or("")
    }

    /// The file among the candidates that `from` means: itself, else one that it sees; else one that nothing else can be.
    fn choose(
        &self,
        index: &FxHashMap<&'static str, Vec<FileId>>,
        name: &str,
        view: &View,
        better: impl Fn(FileId) -> bool,
    ) -> Option<FileId> {
        let all = index.get(name)?;
        if all.contains(&view.file) && better(view.file) {
            return Some(view.file);
        }
        let mut seen = all.iter().copied().filter(|id| view.visible.contains(id));
        let first = seen.clone().find(|id| better(*id)).or_else(|| seen.next());
        first.or_else(|| (all.len() == 1).then(|| all[0]))
    }

    /// A struct or union by its tag.
    pub fn composite(&self, tag: &str, view: &View) -> Option<(&Rc<Composite>, FileId)> {
        let id = self.choose(&self.composites, tag, view, |_| true)?;
        Some((self.units[&id].declared.composites.get(tag)?, id))
    }

    /// A typedef.
    pub fn alias(&self, name: &str, view: &View) -> Option<&Type> {
        let id = self.choose(&self.aliases, name, view, |_| true)?;
        self.units[&id].declared.aliases.get(name)
    }

    /// A function: its definition when that is in sight.
    pub fn function(&self, name: &str, view: &View) -> Option<(&Function, FileId)> {
        let has_body = |id: FileId| self.units[&id].declared.functions.get(name).is_some_and(|f| f.body.is_some());
        let id = self.choose(&self.functions, name, view, has_body)?;
        Some((self.units[&id].declared.functions.get(name)?, id))
    }

    /// A global variable.
    pub fn variable(&self, name: &str, view: &View) -> Option<&Variable> {
        let per_cpu = |id: FileId| self.units[&id].declared.variables.get(name).is_some_and(|v| v.per_cpu);
        let id = self.choose(&self.variables, name, view, per_cpu)?;
        self.units[&id].declared.variables.get(name)
    }
}

/// Where a name is looked up from.
#[derive(Clone, Debug)]
pub struct View {
    /// The file that it stands in.
    pub file: FileId,
    /// What is in sight: all that the compiled file includes.
    pub visible: Rc<FxHashSet<FileId>>,
}
