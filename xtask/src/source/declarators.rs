//! Reads declarators: names, with what `*`, `[]` and `()` around them make of a type.

use super::declarations::{QUALITIES, Reader, is_statement};
use super::lexer::Kind;
use super::types::{Declared, Type};
use std::rc::Rc;

impl Reader<'_> {
    /// A declarator with the type that it makes of `base`. Its name may be empty (parameters, bit fields).
    pub fn declarator(&mut self, base: &Type) -> Option<Declared> {
        let mut of = base.clone();
        loop {
            self.attributes();
            if self.eat("*") {
                of = of.pointer();
            } else if QUALITIES.contains(&self.peek()) || self.word() && self.stray_word() {
                self.at += 1;
            } else {
                break;
            }
        }
        if self.peek() == "(" && self.nested() {
            let (start, end) = self.bracket();
            let (of, _) = self.suffixes(of);
            let after = std::mem::replace(&mut self.at, start);
            let inner = self.declarator(&of);
            // A function in brackets, or one that returns a pointer to a function, is its own declarator.
            self.at = after;
            return inner.filter(|_| end >= start);
        }
        let name = if self.word() && !is_statement(self.peek()) {
            self.at += 1;
            self.tokens[self.at - 1].text
        } else {
            ""
        };
        let (of, parameters) = self.suffixes(of);
        if name.is_empty() && !matches!(self.peek(), ":" | ")" | "," | ";" | "" | "=") {
            return None;
        }
        Some(Declared { name, of, parameters })
    }

    /// Whether the bracket here holds a declarator, not parameters.
    fn nested(&self) -> bool {
        let next = self.tokens.get(self.at + 1);
        next.is_some_and(|next| next.is("*") || next.is("(") || next.is("__attribute__"))
            || next.is_some_and(|next| next.kind == Kind::Word)
                && self.tokens.get(self.at + 2).is_some_and(|after| after.is(")") || after.is("["))
                && self.tokens.get(self.at + 3).is_some_and(|after| after.is("("))
    }

    /// Arrays and parameters behind a name.
    fn suffixes(&mut self, of: Type) -> (Type, Option<Rc<Vec<Declared>>>) {
        self.attributes();
        match self.peek() {
            "[" => {
                self.bracket();
                let (element, _) = self.suffixes(of);
                (Type::Array(Rc::new(element)), None)
            }
            "(" => {
                let (start, end) = self.bracket();
                let after = std::mem::replace(&mut self.at, start);
                let parameters = self.parameters(end);
                self.at = after;
                let (returned, _) = self.suffixes(of);
                (Type::Function(Rc::new(returned)), Some(Rc::new(parameters)))
            }
            _ => (of, None),
        }
    }

    fn parameters(&mut self, end: usize) -> Vec<Declared> {
        let mut out = Vec::new();
        while self.at < end {
            let read = self.specifiers().and_then(|specifiers| self.declarator(&specifiers.of));
            out.push(read.unwrap_or(Declared { name: "", of: Type::Unknown, parameters: None }));
            while self.at < end && !self.eat(",") {
                match self.peek() {
                    "(" | "[" | "{" => drop(self.bracket()),
                    _ => self.at += 1,
                }
            }
        }
        out
    }
}
