//! The variables of a function that are in sight at a place in it.

use super::declarations::{Declarations, Reader, is_statement};
use super::lexer::{Kind, Token};
use super::types::{Declared, Function, Type};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// A variable or parameter.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its type.
    pub of: Type,
    /// Which parameter it is.
    pub parameter: Option<usize>,
    /// Whether it is one variable for all calls.
    pub fixed: bool,
}

/// The variables in sight, and the types that the function declares for itself.
#[derive(Debug, Default)]
pub struct Locals {
    /// The variables by name.
    pub variables: FxHashMap<&'static str, Local>,
    /// The types.
    pub declared: Declarations,
}

/// What is in sight at the token `place` of a function's body.
pub fn at(tokens: &[Token], function: &Function, place: usize, is_type: impl Fn(&str) -> bool) -> Locals {
    let mut declared = Declarations::default();
    let mut scopes: Vec<Vec<(&'static str, Local)>> = vec![
        parameters(&function.parameters)
            .map(|(index, p)| (p.name, Local { of: p.of.clone(), parameter: Some(index), fixed: false }))
            .collect(),
        Vec::new(),
    ];
    let start = function.body.as_ref().map_or(place, |body| body.start);
    let mut at = start;
    let mut begins = true;
    while at < place {
        let token = tokens[at];
        if begins && token.kind == Kind::Word && may_declare(tokens, at, &is_type) {
            let end = declaration(tokens, at, place, &mut declared, &mut scopes);
            if end > at {
                at = end;
                continue;
            }
        }
        begins = false;
        match token.text {
            _ if token.kind == Kind::Text => {}
            "{" => {
                scopes.push(Vec::new());
                begins = true;
            }
            "}" => {
                scopes.pop();
                begins = true;
            }
            ";" | ":" => begins = true,
            "(" => begins = at > 0 && tokens[at - 1].is("for"),
            _ => {}
        }
        at += 1;
    }
    Locals { variables: scopes.into_iter().flatten().collect(), declared }
}

fn parameters(all: &Rc<Vec<Declared>>) -> impl Iterator<Item = (usize, &Declared)> {
    all.iter().enumerate().filter(|(_, parameter)| !parameter.name.is_empty())
}

/// Whether a statement that begins here can be a declaration.
fn may_declare(tokens: &[Token], at: usize, is_type: &impl Fn(&str) -> bool) -> bool {
    let text = tokens[at].text;
    if matches!(text, "struct" | "union" | "enum" | "const" | "static" | "typeof" | "__typeof__" | "register") {
        return true;
    }
    if is_statement(text) && text != "volatile" {
        return false;
    }
    let next = |ahead: usize| tokens.get(at + ahead);
    match next(1) {
        Some(next) if next.kind == Kind::Word => true,
        // `a * b;` would be an expression without effect: it declares.
        Some(mark) if mark.is("*") => {
            let mut ahead = 2;
            while next(ahead).is_some_and(|token| token.is("*") || token.is("const")) {
                ahead += 1;
            }
            next(ahead).is_some_and(|token| token.kind == Kind::Word)
                && next(ahead + 1).is_some_and(|t| t.is(";") || t.is("=") || t.is(",") || t.is("["))
        }
        Some(mark) if mark.is("(") => is_type(text) && next(2).is_some_and(|token| token.is("*")),
        _ => false,
    }
}

/// Reads a declaration; gives its end, or where it began when it is none. A declaration that `place` is in counts as
/// far as it goes.
fn declaration(
    tokens: &[Token],
    start: usize,
    place: usize,
    declared: &mut Declarations,
    scopes: &mut [Vec<(&'static str, Local)>],
) -> usize {
    let fixed = tokens[start..].iter().take(3).any(|token| token.is("static"));
    let mut reader = Reader::new(tokens, start, declared);
    let Some(specifiers) = reader.specifiers() else { return start };
    let mut any = false;
    while let Some(one) = reader.declarator(&specifiers.of).filter(|one| !one.name.is_empty()) {
        let next = tokens.get(reader.at).map_or("", |token| token.text);
        if !matches!(next, "=" | "," | ";" | ")" | ":" | "__attribute__") {
            break;
        }
        any = true;
        let (_, to) = reader.initializer();
        if let Some(scope) = scopes.last_mut() {
            scope.push((one.name, Local { of: one.of, parameter: None, fixed }));
        }
        // The place is in the value of this variable: nothing behind it is in sight.
        if to > place {
            return place;
        }
        if tokens.get(reader.at).is_none_or(|token| !token.is(",")) {
            break;
        }
        reader.at += 1;
    }
    if any { reader.at } else { start }
}
