//! Expands macros, all but those that mean more unexpanded: lock functions, `container_of` and its like.

use super::lexer::{Kind, Token, arguments, closing};
use super::locks;
use super::tree::{FileId, Macro, Tree, keep};
use rustc_hash::FxHashSet;

/// Macros that the reader of expressions knows by name, and that would only hide what they mean.
const KNOWN: [&str; 39] = [
    "container_of",
    "container_of_const",
    "list_for_each_entry",
    "per_cpu_ptr",
    "this_cpu_ptr",
    "raw_cpu_ptr",
    "SHIFT_PERCPU_PTR",
    "READ_ONCE",
    "WRITE_ONCE",
    "rcu_dereference",
    "rcu_dereference_check",
    "rcu_dereference_protected",
    "rcu_dereference_raw",
    "rcu_dereference_rtnl",
    "rcu_dereference_bh",
    "rcu_access_pointer",
    "rcu_assign_pointer",
    "rcu_replace_pointer",
    "srcu_dereference",
    "unrcu_pointer",
    "smp_load_acquire",
    "smp_store_release",
    "rtnl_dereference",
    "likely",
    "unlikely",
    "xchg",
    "cmpxchg",
    "max",
    "min",
    "offsetof",
    "BUG_ON",
    "WARN_ON",
    "WARN_ON_ONCE",
    "current",
    "TRACE_EVENT",
    "DEFINE_EVENT",
    "DECLARE_EVENT_CLASS",
    "EXPORT_SYMBOL",
    "EXPORT_SYMBOL_GPL",
];

/// An expansion that grows beyond this is given up: it is no code that locks.
const TOKENS_AT_MOST: usize = 200_000;
/// Macros in macros.
const DEPTH_AT_MOST: usize = 60;

/// Expands the tokens of a file.
#[derive(Debug)]
pub struct Expander<'a> {
    tree: &'a Tree,
    id: FileId,
    visible: &'a FxHashSet<FileId>,
    hidden: Vec<&'static str>,
    produced: usize,
}

impl<'a> Expander<'a> {
    /// For a file, and what it sees.
    pub fn new(tree: &'a Tree, id: FileId, visible: &'a FxHashSet<FileId>) -> Self {
        Self { tree, id, visible, hidden: Vec::new(), produced: 0 }
    }

    /// The tokens with their macros expanded.
    pub fn expand(&mut self, tokens: &[Token]) -> Vec<Token> {
        let mut out = Vec::with_capacity(tokens.len());
        self.into(tokens, &mut out);
        out
    }

    fn find(&self, name: &'static str) -> Option<&'a Macro> {
        if self.hidden.contains(&name) || self.hidden.len() > DEPTH_AT_MOST {
            return None;
        }
        if KNOWN.contains(&name) || locks::call(name).is_some() || locks::is_guard(name) {
            return None;
        }
        let definers = self.tree.definers(name);
        let in_file = |id: FileId| self.tree.get(id).macros.get(name);
        if definers.contains(&self.id)
            && let Some(own) = in_file(self.id)
        {
            return Some(own);
        }
        let seen = definers.iter().rev().filter(|id| self.visible.contains(id)).find_map(|&id| in_file(id));
        // A header may count on its includer for what it uses itself.
        seen.or_else(|| {
            let path = &self.tree.get(self.id).path;
            let mut common = definers.iter().filter(|&&id| self.tree.get(id).path.starts_with("include/linux/"));
            let only = common.next().filter(|_| path.ends_with(".h") && common.next().is_none())?;
            in_file(*only)
        })
    }

    fn into(&mut self, tokens: &[Token], out: &mut Vec<Token>) {
        let mut at = 0;
        while let Some(&token) = tokens.get(at) {
            at += 1;
            let found = if token.kind == Kind::Word { self.find(token.text) } else { None };
            let Some(found) = found.filter(|_| self.produced < TOKENS_AT_MOST) else {
                out.push(token);
                continue;
            };
            let body = match &found.parameters {
                None => paste(&found.body, token.line),
                Some(_) if !tokens.get(at).is_some_and(|next| next.is("(")) => {
                    out.push(token);
                    continue;
                }
                Some(parameters) => {
                    let end = closing(tokens, at);
                    let given = arguments(tokens.get(at + 1..end).unwrap_or_default());
                    at = end + 1;
                    self.substitute(found, parameters, &given, token.line)
                }
            };
            self.produced += body.len();
            self.hidden.push(token.text);
            self.into(&body, out);
            self.hidden.pop();
        }
        self.produced = if self.hidden.is_empty() { 0 } else { self.produced };
    }

    fn substitute(&mut self, found: &Macro, names: &[&'static str], given: &[&[Token]], line: u32) -> Vec<Token> {
        let mut values: Vec<Vec<Token>> = Vec::with_capacity(names.len());
        for at in 0..names.len() {
            if found.variadic && at + 1 == names.len() {
                let mut rest = Vec::new();
                for (index, part) in given.iter().enumerate().skip(at) {
                    if index > at {
                        rest.push(Token { kind: Kind::Mark, text: ",", line });
                    }
                    rest.extend_from_slice(part);
                }
                values.push(rest);
            } else {
                values.push(given.get(at).map(|part| part.to_vec()).unwrap_or_default());
            }
            if let Some(value) = values.last_mut() {
                value.iter_mut().for_each(|token| token.line = line);
            }
        }
        let body = &found.body;
        let mut out: Vec<Token> = Vec::with_capacity(body.len());
        let mut at = 0;
        while let Some(token) = body.get(at) {
            let beside_paste = at > 0 && body[at - 1].is("##") || body.get(at + 1).is_some_and(|next| next.is("##"));
            if token.is("#") && body.get(at + 1).is_some_and(|next| names.contains(&next.text)) {
                out.push(Token { kind: Kind::Text, text: "\"\"", line });
                at += 2;
                continue;
            }
            match names.iter().position(|name| token.kind == Kind::Word && *name == token.text) {
                // `, ## args` without args takes the comma away.
                Some(index) if beside_paste && values[index].is_empty() => {
                    if at > 1 && body[at - 1].is("##") && body[at - 2].is(",") {
                        out.truncate(out.len().saturating_sub(2));
                    } else {
                        out.push(Token { kind: Kind::Text, text: "", line });
                    }
                }
                Some(index) if beside_paste => out.extend_from_slice(&values[index]),
                Some(index) => {
                    let value = std::mem::take(&mut values[index]);
                    self.into(&value, &mut out);
                    values[index] = value;
                }
                None => out.push(Token { line, ..*token }),
            }
            at += 1;
        }
        paste(&out, line)
    }
}

/// Joins what `##` joins.
fn paste(tokens: &[Token], line: u32) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        if token.is("##")
            && let (Some(left), Some(right)) = (out.last_mut(), tokens.get(at))
        {
            at += 1;
            if left.text == "," {
                out.push(*right);
            } else if left.text.is_empty() {
                *left = *right;
            } else if !right.text.is_empty() {
                left.text = keep(format!("{}{}", left.text, right.text));
            }
        } else {
            out.push(Token { line, ..*token });
        }
    }
    out.retain(|token| !token.text.is_empty());
    out
}
