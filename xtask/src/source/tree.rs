//! The files of a kernel's source, each read once: the tokens that its configuration leaves, its macros, and what it
//! includes.
//!
//! A header is read for itself, not again for each file that includes it. What a file sees is the files that it
//! includes, directly or not.

use super::condition::{Known, value};
use super::lexer::{Kind, Piece, Token, pieces};
use rustc_hash::{FxHashMap, FxHashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A file by its number in the tree.
pub type FileId = usize;

/// A macro.
#[derive(Debug)]
pub struct Macro {
    /// Names of its parameters; none when it is used without brackets.
    pub parameters: Option<Vec<&'static str>>,
    /// Whether the last parameter takes all further arguments.
    pub variadic: bool,
    /// What it stands for.
    pub body: Vec<Token>,
    /// Whether it is still defined at the end of the file. Where it stops to be is not kept: it counts for all of the
    /// file.
    pub lasts: bool,
}

/// A file.
#[derive(Debug, Default)]
pub struct File {
    /// Its path in the tree.
    pub path: String,
    /// Its text.
    pub text: &'static str,
    /// Whether it is kept from being included twice: what is not is a piece of the file that includes it.
    pub guarded: bool,
    /// The tokens that are compiled.
    pub tokens: Vec<Token>,
    /// The last definition of each macro.
    pub macros: FxHashMap<&'static str, Macro>,
    /// The files that it includes.
    pub includes: Vec<FileId>,
}

/// The source of a kernel.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    config: FxHashMap<&'static str, &'static str>,
    numbers: FxHashMap<String, Option<FileId>>,
    files: Vec<File>,
    /// The files that define a macro of this name.
    definers: FxHashMap<&'static str, Vec<FileId>>,
    /// By folder: which files C files of it include by their bare names.
    includers: FxHashMap<String, FxHashMap<String, String>>,
    /// What each file sees, for `#ifdef`.
    seen: Vec<FxHashSet<FileId>>,
}

/// Headers that the build includes in front of every file, and that make words like `__user` and `__init` known.
const FORCED: [&str; 2] = ["include/linux/compiler_types.h", "include/linux/kconfig.h"];

/// What compilers for x86-64 define.
const COMPILER: [(&str, &str); 12] = [
    ("__KERNEL__", "1"),
    ("__GNUC__", "12"),
    ("__GNUC_MINOR__", "2"),
    ("__x86_64__", "1"),
    ("__LP64__", "1"),
    ("__SIZEOF_INT128__", "16"),
    ("__SIZEOF_LONG__", "8"),
    ("__SIZEOF_POINTER__", "8"),
    ("__CHAR_BIT__", "8"),
    ("__STDC__", "1"),
    ("__STDC_VERSION__", "201112"),
    ("__LITTLE_ENDIAN", "1234"),
];

impl Tree {
    /// The source under `root`, as a configuration (the text of a `.config`) leaves it.
    pub fn new(root: &Path, config: &str) -> Self {
        let mut known: FxHashMap<&'static str, &'static str> = COMPILER.into_iter().collect();
        for line in config.lines() {
            if let Some((name, text)) = line.split_once('=').filter(|(name, _)| name.starts_with("CONFIG_")) {
                match text {
                    "m" => known.insert(keep(format!("{name}_MODULE")), "1"),
                    "y" => known.insert(keep(name.to_owned()), "1"),
                    _ => known.insert(keep(name.to_owned()), keep(text.to_owned())),
                };
            }
        }
        let mut tree = Self {
            root: root.to_owned(),
            config: known,
            numbers: FxHashMap::default(),
            files: Vec::new(),
            definers: FxHashMap::default(),
            includers: FxHashMap::default(),
            seen: Vec::new(),
        };
        for forced in FORCED {
            tree.file(forced, None);
        }
        tree
    }

    /// The file at a path of the tree, read now when it was not yet, because `whole` includes it.
    pub fn file(&mut self, path: &str, whole: Option<FileId>) -> Option<FileId> {
        if let Some(known) = self.numbers.get(path) {
            return *known;
        }
        let bytes = fs::read(self.root.join(path)).ok();
        let id = bytes.is_some().then_some(self.files.len());
        self.numbers.insert(path.to_owned(), id);
        let text = keep(String::from_utf8_lossy(&bytes?).into_owned());
        let id = id?;
        self.files.push(File { path: path.to_owned(), text, ..File::default() });
        self.seen.push(FxHashSet::from_iter([id]));
        self.read(id, whole);
        Some(id)
    }

    /// The C file of the same folder that includes this one, when one does: the two are compiled together.
    pub fn includer(&mut self, path: &str) -> Option<String> {
        let (folder, name) = path.rsplit_once('/')?;
        if !self.includers.contains_key(folder) {
            let mut found = FxHashMap::default();
            let mut entries: Vec<_> = fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten().collect();
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let other = entry.file_name().to_string_lossy().into_owned();
                let text = if other.ends_with(".c") { fs::read(entry.path()).unwrap_or_default() } else { Vec::new() };
                for line in String::from_utf8_lossy(&text).lines() {
                    let included = line
                        .strip_prefix('#')
                        .and_then(|rest| rest.trim_start().strip_prefix("include \""))
                        .and_then(|rest| rest.split('"').next());
                    if let Some(included) = included.filter(|included| *included != other) {
                        found.entry(included.to_owned()).or_insert_with(|| format!("{folder}/{other}"));
                    }
                }
            }
            self.includers.insert(folder.to_owned(), found);
        }
        self.includers.get(folder)?.get(name).cloned()
    }

    /// A file that was read.
    pub fn get(&self, id: FileId) -> &File {
        &self.files[id]
    }

    /// The files that define a macro of this name.
    pub fn definers(&self, name: &str) -> &[FileId] {
        self.definers.get(name).map_or(&[], Vec::as_slice)
    }

    /// Everything that a file sees, itself and what the build includes for it too.
    pub fn visible(&self, id: FileId) -> FxHashSet<FileId> {
        let mut visible = FxHashSet::default();
        let mut open = vec![id];
        open.extend(FORCED.iter().filter_map(|path| self.numbers.get(*path).copied().flatten()));
        while let Some(next) = open.pop() {
            if visible.insert(next) {
                open.extend(&self.files[next].includes);
            }
        }
        visible
    }

    fn read(&mut self, id: FileId, whole: Option<FileId>) {
        let mut branches: Vec<Branch> = Vec::new();
        let mut tokens = Vec::new();
        let text = pieces(self.files[id].text);
        let guard = guard(&text);
        self.files[id].guarded = guard.is_some() || text.iter().any(is_pragma_once);
        if let Some(whole) = whole.filter(|_| !self.files[id].guarded) {
            let before = self.seen[whole].clone();
            self.seen[id].extend(before);
        }
        for piece in text {
            let active = branches.iter().all(|branch| branch.taken);
            match piece {
                Piece::Token(token) if active => tokens.push(token),
                Piece::Token(_) => {}
                Piece::Directive(directive) => self.directive(id, &directive, active, guard, &mut branches),
            }
        }
        self.files[id].tokens = tokens;
    }

    fn directive(&mut self, id: FileId, line: &[Token], active: bool, guard: Option<&str>, branches: &mut Vec<Branch>) {
        let Some((word, rest)) = line.split_first() else { return };
        let name = rest.first().map_or("", |token| token.text);
        match word.text {
            "if" | "ifdef" | "ifndef" => {
                let holds = active
                    && match word.text {
                        "if" => value(rest, &Seen { tree: self, id }) != 0,
                        "ifdef" => Seen { tree: self, id }.defined(name),
                        _ => guard == Some(name) || !Seen { tree: self, id }.defined(name),
                    };
                branches.push(Branch { taken: holds, done: holds || !active });
            }
            "elif" | "else" => {
                let Some(mut branch) = branches.pop() else { return };
                let outer = branches.iter().all(|branch| branch.taken);
                branch.taken = outer && !branch.done && (word.is("else") || value(rest, &Seen { tree: self, id }) != 0);
                branch.done |= branch.taken;
                branches.push(branch);
            }
            "endif" => {
                branches.pop();
            }
            "define" if active => self.define(id, rest),
            "undef" if active => {
                if let Some(found) = self.files[id].macros.get_mut(name) {
                    found.lasts = false;
                }
            }
            "include" if active => self.include(id, rest),
            _ => {}
        }
    }

    fn define(&mut self, id: FileId, rest: &[Token]) {
        let Some((name, rest)) = rest.split_first() else { return };
        let text = self.files[id].text;
        // Brackets belong to the macro only when nothing is between its name and them.
        let after = name.text.as_bytes().as_ptr_range().end.addr() - text.as_ptr().addr();
        let called = text.as_bytes().get(after) == Some(&b'(') && rest.first().is_some_and(|token| token.is("("));
        let mut variadic = false;
        let (parameters, body) = if called {
            let end = rest.iter().position(|token| token.is(")")).unwrap_or(rest.len());
            let mut names = Vec::new();
            for token in rest.get(1..end).unwrap_or_default() {
                match token.kind {
                    Kind::Word => names.push(token.text),
                    _ if token.is("...") => variadic = true,
                    _ => {}
                }
            }
            // `args...` names what the further arguments are called; `...` alone calls them __VA_ARGS__.
            if variadic && !rest.get(end.wrapping_sub(2)).is_some_and(|token| token.kind == Kind::Word) {
                names.push("__VA_ARGS__");
            }
            (Some(names), rest.get(end + 1..).unwrap_or_default())
        } else {
            (None, rest)
        };
        let definers = self.definers.entry(name.text).or_default();
        if definers.last() != Some(&id) {
            definers.push(id);
        }
        self.files[id].macros.insert(name.text, Macro { parameters, variadic, body: body.to_vec(), lasts: true });
    }

    fn include(&mut self, id: FileId, rest: &[Token]) {
        let Some(first) = rest.first() else { return };
        let (name, quoted) = match first.kind {
            Kind::Text => (first.text.trim_matches('"').to_owned(), true),
            _ if first.is("<") => {
                let end = rest.iter().position(|token| token.is(">")).unwrap_or(rest.len());
                (rest[1..end].iter().map(|token| token.text).collect(), false)
            }
            _ => return,
        };
        // It makes code of TRACE_EVENT by including the same header again and again.
        if name == "trace/define_trace.h" {
            return;
        }
        let Some(other) = self.resolve(id, &name, quoted) else { return };
        if !self.files[id].includes.contains(&other) {
            self.files[id].includes.push(other);
            let theirs = self.seen[other].clone();
            self.seen[id].extend(theirs);
        }
    }

    fn resolve(&mut self, id: FileId, name: &str, quoted: bool) -> Option<FileId> {
        let here = self.files[id].path.clone();
        let folder = here.rsplit_once('/').map_or("", |(folder, _)| folder);
        if quoted && let Some(found) = self.file(&join(folder, name), Some(id)) {
            return Some(found);
        }
        for base in ["arch/x86/include", "include", "arch/x86/include/uapi", "include/uapi"] {
            if let Some(found) = self.file(&join(base, name), Some(id)) {
                return Some(found);
            }
        }
        if let Some(rest) = name.strip_prefix("asm/")
            && let Some(found) = self.file(&join("include/asm-generic", rest), Some(id))
        {
            return Some(found);
        }
        // Folders that only some makefiles name (-I): those above, and an `include` in one of them.
        let mut above = folder;
        loop {
            for base in [above.to_owned(), join(above, "include")] {
                if let Some(found) = self.file(&join(&base, name), Some(id)) {
                    return Some(found);
                }
            }
            above = above.rsplit_once('/')?.0;
        }
    }
}

/// A level of `#if`.
#[derive(Debug)]
struct Branch {
    /// Whether what follows is compiled, as far as this level says.
    taken: bool,
    /// Whether no further branch of it can be.
    done: bool,
}

/// The macro that keeps a header from being included twice: its first two lines are `#ifndef X`, `#define X`.
fn guard(text: &[Piece]) -> Option<&'static str> {
    match text {
        [Piece::Directive(first), Piece::Directive(second), ..] => match (first.as_slice(), second.as_slice()) {
            ([ifndef, name], [define, same, ..]) if ifndef.is("ifndef") && define.is("define") => {
                (name.text == same.text).then_some(name.text)
            }
            _ => None,
        },
        _ => None,
    }
}

fn is_pragma_once(piece: &Piece) -> bool {
    matches!(piece, Piece::Directive(line) if line.len() == 2 && line[0].is("pragma") && line[1].is("once"))
}

/// What a file sees while it is read.
struct Seen<'a> {
    tree: &'a Tree,
    id: FileId,
}

impl Seen<'_> {
    fn find(&self, name: &str) -> Option<&Macro> {
        let own = self.tree.files[self.id].macros.get(name);
        if own.is_some_and(|own| !own.lasts) {
            return None;
        }
        own.or_else(|| {
            let definers = self.tree.definers(name).iter();
            let seen = definers.copied().find(|other| *other != self.id && self.tree.seen[self.id].contains(other))?;
            self.tree.files[seen].macros.get(name).filter(|found| found.lasts)
        })
    }
}

impl Known for Seen<'_> {
    fn defined(&self, name: &str) -> bool {
        self.tree.config.contains_key(name) || self.find(name).is_some()
    }

    fn body(&self, name: &str) -> Vec<Token> {
        match self.tree.config.get(name) {
            Some(text) => pieces(text)
                .into_iter()
                .filter_map(|piece| match piece {
                    Piece::Token(token) => Some(token),
                    Piece::Directive(_) => None,
                })
                .collect(),
            None => self.find(name).map(|found| found.body.clone()).unwrap_or_default(),
        }
    }
}

/// Keeps a text until the end of the run.
pub fn keep(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// A path of the tree, with `.` and `..` resolved.
pub fn join(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
