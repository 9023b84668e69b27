//! Reads expressions and says what they mean: type, place, and what they point to.

use super::context::Context;
use super::declarations::{Declarations, Reader};
use super::lexer::{Kind, Token, arguments, closing};
use super::locks;
use super::places::{Place, Root, Value};
use super::types::Type;

/// Reads one expression.
#[derive(Debug)]
pub struct Expression<'a, 'c> {
    context: &'c Context<'a>,
    tokens: &'c [Token],
    at: usize,
}

impl<'a, 'c> Expression<'a, 'c> {
    /// The expression that these tokens begin with.
    pub fn new(context: &'c Context<'a>, tokens: &'c [Token]) -> Self {
        Self { context, tokens, at: 0 }
    }

    fn peek(&self) -> &'static str {
        self.tokens.get(self.at).filter(|token| token.kind == Kind::Mark).map_or("", |token| token.text)
    }

    fn eat(&mut self, text: &str) -> bool {
        let is = self.peek() == text;
        self.at += usize::from(is);
        is
    }

    /// All of it.
    pub fn comma(&mut self) -> Value {
        let mut value = self.assignment();
        while self.eat(",") {
            value = self.assignment();
        }
        value
    }

    /// It up to the next comma.
    pub fn assignment(&mut self) -> Value {
        let value = self.choice();
        match self.peek() {
            "=" => {
                self.at += 1;
                self.assignment()
            }
            "+=" | "-=" | "*=" | "/=" | "%=" | "&=" | "|=" | "^=" | "<<=" | ">>=" => {
                self.at += 1;
                self.assignment();
                value
            }
            _ => value,
        }
    }

    fn choice(&mut self) -> Value {
        let condition = self.binary(0);
        if !self.eat("?") {
            return condition;
        }
        let mut yes = if self.peek() == ":" { condition } else { self.comma() };
        self.eat(":");
        let no = self.choice();
        if matches!(self.context.resolve(&yes.of).0, Type::Unknown | Type::Plain) {
            return no;
        }
        if no.target.is_some() || no.place.is_some() {
            yes.others.push(no);
        }
        yes
    }

    fn binary(&mut self, least: u8) -> Value {
        let mut left = self.unary();
        loop {
            let strength = match self.peek() {
                "||" => 1,
                "&&" => 2,
                "|" => 3,
                "^" => 4,
                "&" => 5,
                "==" | "!=" => 6,
                "<" | ">" | "<=" | ">=" => 7,
                "<<" | ">>" => 8,
                "+" | "-" => 9,
                "*" | "/" | "%" => 10,
                _ => return left,
            };
            if strength <= least {
                return left;
            }
            self.at += 1;
            let right = self.binary(strength);
            let pointer = |value: &Value| self.context.pointee(&value.of).is_some();
            left = match strength {
                9 if pointer(&left) => self.moved(left),
                9 if pointer(&right) => self.moved(right),
                _ => Value::of(Type::Plain),
            };
        }
    }

    /// A pointer that was added to points to another element.
    fn moved(&self, value: Value) -> Value {
        match self.context.resolve(&value.of).0 {
            Type::Array(of) => {
                let target = value.place.map(|place| place.element());
                Value { target, ..Value::of(Type::Pointer(of)) }
            }
            _ => Value { through: value.place.or(value.through), place: None, ..value },
        }
    }

    fn unary(&mut self) -> Value {
        match self.peek() {
            "&" => {
                self.at += 1;
                let value = self.unary();
                let others = value.others.into_iter().map(|other| Value { target: other.place, place: None, ..other });
                let (target, through, by) = (value.place, value.through, value.by);
                Value { target, through, others: others.collect(), by, ..Value::of(value.of.pointer()) }
            }
            "*" => {
                self.at += 1;
                let value = self.unary();
                let of = self.context.pointee(&value.of).unwrap_or(Type::Unknown);
                let place = value.target.unwrap_or_else(|| Place::whole(Root::Pointed));
                Value { place: Some(place), through: value.place.or(value.through), ..Value::of(of) }
            }
            "-" | "!" | "~" | "+" => {
                self.at += 1;
                self.unary();
                Value::of(Type::Plain)
            }
            "++" | "--" => {
                self.at += 1;
                self.unary()
            }
            _ => self.postfix(),
        }
    }

    fn postfix(&mut self) -> Value {
        let mut value = self.primary();
        loop {
            match self.peek() {
                "." | "->" => {
                    let arrow = self.peek() == "->";
                    self.at += 1;
                    let name = self.tokens.get(self.at).map_or("", |token| token.text);
                    self.at += 1;
                    value = self.context.member(&value, name, arrow);
                }
                "[" => {
                    self.skip();
                    let of = self.context.pointee(&value.of).unwrap_or(Type::Unknown);
                    let array = matches!(self.context.resolve(&value.of).0, Type::Array(_));
                    let (place, through) =
                        if array { (value.place, None) } else { (value.target, value.place.or(value.through)) };
                    let place = place.map_or_else(|| Place::whole(Root::Pointed), |place| place.element());
                    value = Value { place: Some(place), through, ..Value::of(of) };
                }
                "(" => {
                    self.skip();
                    value = self.context.called(&value);
                }
                "++" | "--" => self.at += 1,
                _ => return value,
            }
        }
    }

    /// Goes past a bracket; gives what is in it.
    fn skip(&mut self) -> (usize, usize) {
        let (open, end) = (self.at + 1, closing(self.tokens, self.at));
        self.at = end + 1;
        (open.min(end), end)
    }

    fn primary(&mut self) -> Value {
        let Some(&token) = self.tokens.get(self.at) else { return Value::unknown() };
        if token.is("(") {
            return self.bracketed();
        }
        self.at += 1;
        if token.kind != Kind::Word {
            return Value::of(Type::Plain);
        }
        match token.text {
            "__extension__" => self.unary(),
            "sizeof" | "offsetof" | "__alignof__" | "_Alignof" => {
                if self.peek() == "(" {
                    self.skip();
                } else {
                    self.unary();
                }
                Value::of(Type::Plain)
            }
            name if self.peek() == "(" => {
                let (start, end) = self.skip();
                self.context.call(name, &arguments(&self.tokens[start..end]))
            }
            name => self.context.variable(name),
        }
    }

    /// `(expression)`, `(type) expression`, `({ statements })`.
    fn bracketed(&mut self) -> Value {
        let (start, end) = self.skip();
        let inside = &self.tokens[start..end];
        if inside.first().is_some_and(|token| token.is("{")) {
            return self.last_statement(inside);
        }
        let mut reader = Expression::new(self.context, inside);
        if let Some(of) = reader.type_name().filter(|_| reader.at >= inside.len()) {
            if self.peek() == "{" {
                self.skip();
                return Value::of(of);
            }
            self.unary();
            // What is known of the place under another type would be wrong under this one.
            return Value::of(of);
        }
        reader.comma()
    }

    fn last_statement(&self, inside: &[Token]) -> Value {
        let body = &inside[1..closing(inside, 0).max(1)];
        let body = match body.split_last() {
            Some((last, rest)) if last.is(";") => rest,
            _ => body,
        };
        let mut depth = 0usize;
        let mut start = 0;
        for (at, token) in body.iter().enumerate() {
            match token.text {
                "(" | "{" | "[" if token.kind == Kind::Mark => depth += 1,
                ")" | "}" | "]" if token.kind == Kind::Mark => depth = depth.saturating_sub(1),
                ";" if depth == 0 && token.kind == Kind::Mark => start = at + 1,
                _ => {}
            }
        }
        // Its own variables: those of a lock's macros are copies of what they are set to.
        let last = &body[start..];
        if let [name] = last
            && let Some(at) = body.windows(2).position(|pair| pair[0].is(name.text) && pair[1].is("="))
        {
            return Expression::new(self.context, &body[at + 2..]).assignment();
        }
        self.context.value(last)
    }

    /// A type's name, as in a cast; none when it is an expression.
    pub fn type_name(&mut self) -> Option<Type> {
        let first = self.tokens.get(self.at).filter(|token| token.kind == Kind::Word)?;
        let name = first.text;
        if self.context.locals.variables.contains_key(name) || locks::call(name).is_some() {
            return None;
        }
        let mut ignored = Declarations::default();
        let mut reader = Reader::new(self.tokens, self.at, &mut ignored);
        let specifiers = reader.specifiers()?;
        if let Type::Alias(name) = specifiers.of
            && self.context.local_alias(name).is_none()
            && self.context.source.alias(name, &self.context.view).is_none()
        {
            return None;
        }
        let declared = reader.declarator(&specifiers.of)?;
        self.at = reader.at;
        Some(declared.of)
    }
}
