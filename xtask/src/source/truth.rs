//! What the source says that a site locks.

use super::context::Context;
use super::lexer::{Piece, Token, arguments, closing, pieces};
use super::locks::{self, Call};
use super::places::{Place, Root, Value};
use super::scope::{Source, View};
use super::tree::keep;
use super::types::Type;
use std::rc::Rc;

/// A place in the source, in a function.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The file in the tree.
    pub file: String,
    /// The line.
    pub line: u32,
}

/// What the lock of a site is, by the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lock {
    /// A lock at a place.
    At(Place),
    /// What the pointer at a place points to.
    Pointer(Place),
}

/// How the text says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// `&pointer->path`, a variable being declared in the function.
    Plain,
    /// `&variable`, `&variable.path`.
    Global,
    /// `pointer->lock`, the lock being elsewhere.
    Pointer,
    /// Through a variable that points to the lock, and all that it is set to.
    Assigned,
    /// Through what a function returns whose text is one expression.
    Returned,
    /// Through the argument of a function that was inlined.
    Inlined,
}

/// What the source says of a site.
#[derive(Clone, Debug)]
pub struct Truth {
    /// What it locks; several where the text leaves open which.
    pub locks: Vec<Lock>,
    /// How the text says it.
    pub form: Form,
    /// Whether the lock is a `seqlock_t`: what its functions lock is the `lock` in it.
    pub in_seqlock: bool,
    /// The statement.
    pub statement: String,
}

/// Why the source does not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Silence {
    /// The file is not in the tree.
    NoFile,
    /// No lock function that fits is called on the line.
    NoCall,
    /// Several are, with different locks.
    Several,
    /// The lock is a parameter of the function that was compiled, not inlined.
    Callers,
    /// A variable that points to a lock, and it is not clear to which.
    Variable,
    /// The type of the expression was not understood.
    NotUnderstood,
}

/// Finds what the source says of sites.
#[derive(Debug)]
pub struct Oracle {
    source: Source,
}

/// What an argument says.
enum Said {
    Locks(Vec<Lock>, Form, bool),
    Parameter(usize),
}

impl Oracle {
    /// With the source of a kernel.
    pub fn new(source: Source) -> Self {
        Self { source }
    }

    /// The text of a line.
    pub fn line(&mut self, file: &str, line: u32) -> &'static str {
        self.source.load(file).map_or("", |(id, _)| self.source.line(id, line))
    }

    /// What a variable, or a part of it, is, as a file sees it: `symbol.path`.
    pub fn variable(&mut self, name: &str, file: &str) -> Option<Place> {
        let (file, visible) = self.source.load(file)?;
        let tokens: Vec<Token> = pieces(keep(name.to_owned()))
            .into_iter()
            .filter_map(|piece| if let Piece::Token(token) = piece { Some(token) } else { None })
            .collect();
        Context::at(&self.source, View { file, visible }, None, 0).value(&tokens).place
    }

    /// What the lock function `primitive` locks that is called in these frames, the innermost first.
    pub fn truth(&mut self, primitive: &str, frames: &[Frame]) -> Result<Truth, Silence> {
        let (_, visible) = self.source.load(&frames.last().ok_or(Silence::NoFile)?.file).ok_or(Silence::NoFile)?;
        let frames: Vec<_> = frames.iter().skip_while(|frame| locks::is_lock_header(&frame.file)).collect();
        let mut wanted: Option<(&'static str, usize)> = None;
        let mut statement = String::new();
        for frame in frames {
            let (file, _) = self.source.load(&frame.file).ok_or(Silence::NoFile)?;
            let view = View { file, visible: Rc::clone(&visible) };
            let places = match wanted {
                None => self.calls(&view, frame.line, |call| locks::fits(primitive, call)),
                Some((name, argument)) => self.named(&view, frame.line, name, argument),
            };
            let mut said: Option<(Said, &'static str, Span)> = None;
            for (at, span) in places {
                let (new, function) = self.said(&view, at, span)?;
                said = match (said, new) {
                    (None, new) => Some((new, function, span)),
                    (Some((Said::Locks(a, form, seq), f, s)), Said::Locks(b, ..)) if a == b => {
                        Some((Said::Locks(a, form, seq), f, s))
                    }
                    (Some((Said::Parameter(a), f, s)), Said::Parameter(b)) if a == b => {
                        Some((Said::Parameter(a), f, s))
                    }
                    _ => return Err(Silence::Several),
                };
            }
            let Some((said, function, span)) = said else {
                return Err(wanted.map_or(Silence::NoCall, |_| Silence::Callers));
            };
            if !statement.is_empty() {
                statement.push_str(" <- ");
            }
            let tokens = &self.source.unit(file).tokens[span.0..span.1];
            statement.extend(tokens.iter().map(|token| token.text));
            match said {
                Said::Parameter(index) => wanted = Some((function, index)),
                Said::Locks(locks, form, in_seqlock) => {
                    let form = if wanted.is_some() { Form::Inlined } else { form };
                    return Ok(Truth { locks, form, in_seqlock, statement });
                }
            }
        }
        Err(Silence::Callers)
    }

    /// Arguments that are locks, of calls of lock functions at a line: on it, else in a statement that goes over it.
    fn calls(&self, view: &View, line: u32, fits: impl Fn(Call) -> bool) -> Vec<(usize, Span)> {
        let unit = self.source.unit(view.file);
        let tokens = &unit.tokens;
        let over = unit.calls.iter().copied().filter(|&at| covers(tokens, at, line));
        let found =
            over.filter_map(|at| lock_argument(tokens, at).filter(|(call, _)| fits(*call)).map(|(_, s)| (at, s)));
        let mut found: Vec<_> = found.collect();
        if found.iter().any(|(at, _)| tokens[*at].line == line) {
            found.retain(|(at, _)| tokens[*at].line == line);
        }
        found
    }

    /// An argument of the calls of a function at a line.
    fn named(&self, view: &View, line: u32, name: &str, argument: usize) -> Vec<(usize, Span)> {
        let tokens = &self.source.unit(view.file).tokens;
        let calls = (0..tokens.len().saturating_sub(1)).filter(|&at| {
            tokens[at].line <= line && tokens[at].is(name) && tokens[at + 1].is("(") && covers(tokens, at, line)
        });
        // A line that only begins the function calls nothing: the compiler lets a part of it begin there.
        let bodies = &self.source.unit(view.file).bodies;
        let calls = calls.filter(|at| bodies.iter().any(|(start, end, _)| start <= at && at < end));
        calls.filter_map(|at| Some((at, *spans(tokens, at + 1).get(argument)?))).collect()
    }

    /// What an argument says, and the function that it stands in.
    fn said(&self, view: &View, at: usize, span: Span) -> Result<(Said, &'static str), Silence> {
        let unit = self.source.unit(view.file);
        let around = unit.bodies.iter().rev().find(|(start, end, _)| *start <= at && at < *end);
        let name = around.map_or("", |(_, _, name)| *name);
        let function = unit.declared.functions.get(name);
        let context = Context::at(&self.source, view.clone(), function, at);
        let value = context.value(&unit.tokens[span.0..span.1]);
        let by = value.by;
        let in_seqlock = context.points_to_seqlock(&value.of);
        let mut locks = Vec::new();
        let others = value.others.clone();
        for value in std::iter::once(value).chain(others) {
            match lock(&context, &value)? {
                Found::Lock(lock) if locks.contains(&lock) => {}
                Found::Lock(lock) => locks.push(lock),
                Found::Variable(variable) => {
                    let parameter = context.parameter(variable).filter(|_| locks.is_empty());
                    return parameter.map(|index| (Said::Parameter(index), name)).ok_or(Silence::Variable);
                }
            }
        }
        let form = match (by, locks.first()) {
            (Some("assigned"), _) => Form::Assigned,
            (Some(_), _) => Form::Returned,
            (_, Some(Lock::Pointer(_))) => Form::Pointer,
            (_, Some(Lock::At(Place { root: Root::Global { .. }, .. }))) => Form::Global,
            _ => Form::Plain,
        };
        Ok((Said::Locks(locks, form, in_seqlock), name))
    }
}

type Span = (usize, usize);

enum Found {
    Lock(Lock),
    Variable(&'static str),
}

/// The lock that a value points to.
fn lock(context: &Context<'_>, value: &Value) -> Result<Found, Silence> {
    let behind = context.resolve(&value.of).0;
    let (Type::Pointer(to) | Type::Array(to)) = &behind else { return Err(Silence::NotUnderstood) };
    if !context.is_lock(to) {
        return Err(Silence::NotUnderstood);
    }
    let says = |place: &&Place| !place.path.is_empty() || place.root != Root::Pointed;
    if let Some(target) = value.target.as_ref().filter(says) {
        return Ok(Found::Lock(Lock::At(target.clone())));
    }
    match value.place.as_ref().or(value.through.as_ref()) {
        Some(place) if matches!(behind, Type::Array(_)) => Ok(Found::Lock(Lock::At(place.element()))),
        Some(Place { root: Root::Local(name), path, .. }) if path.is_empty() => Ok(Found::Variable(name)),
        Some(place) if says(&place) => Ok(Found::Lock(Lock::Pointer(place.clone()))),
        _ => Err(Silence::NotUnderstood),
    }
}

/// Whether the call whose name is at `at` goes over a line.
fn covers(tokens: &[Token], at: usize, line: u32) -> bool {
    let first = tokens[at].line;
    // No call has more lines than this; most are passed over without a look for their end.
    first <= line && line - first < 40 && tokens.get(closing(tokens, at + 1)).is_some_and(|end| end.line >= line)
}

/// Where the arguments stand of the bracket at `open`.
fn spans(tokens: &[Token], open: usize) -> Vec<Span> {
    let end = closing(tokens, open).min(tokens.len());
    let mut start = open + 1;
    let parts = arguments(tokens.get(start..end).unwrap_or_default());
    let spans = parts.iter().map(|part| {
        let span = (start, start + part.len());
        start = span.1 + 1;
        span
    });
    spans.collect()
}

/// What the lock function does whose name is at `at`, and where its lock argument stands.
fn lock_argument(tokens: &[Token], at: usize) -> Option<(Call, Span)> {
    let parts = spans(tokens, at + 1);
    let class = || tokens.get(at + 2).map_or("", |token| token.text);
    match tokens[at].text {
        "guard" => {
            let second = closing(tokens, at + 1) + 1;
            tokens.get(second).filter(|token| token.is("("))?;
            Some((locks::guard(class())?, *spans(tokens, second).first()?))
        }
        "scoped_guard" => Some((locks::guard(class())?, *parts.get(1)?)),
        name => {
            let call = locks::call(name)?;
            Some((call, *parts.get(call.argument)?))
        }
    }
}
