//! Whether the condition of an `#if` holds, with the configuration that the kernel was built with.

use super::lexer::{Kind, Token, arguments, closing};

/// What a condition may ask.
pub trait Known {
    /// Whether a macro of this name is defined.
    fn defined(&self, name: &str) -> bool;
    /// What the macro stands for.
    fn body(&self, name: &str) -> Vec<Token>;
}

/// Macros in macros: deeper ones are 0.
const DEPTH_AT_MOST: usize = 20;

/// The value of the condition; what is not known is 0, as for the compiler.
pub fn value(tokens: &[Token], known: &dyn Known) -> i64 {
    Reader { tokens, at: 0, known, depth: 0 }.binary(0)
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    known: &'a dyn Known,
    depth: usize,
}

type Effect = fn(i64, i64) -> i64;

/// Strength and effect of an operator.
fn operator(text: &str) -> Option<(u8, Effect)> {
    Some(match text {
        "||" => (1, |a, b| i64::from(a != 0 || b != 0)),
        "&&" => (2, |a, b| i64::from(a != 0 && b != 0)),
        "|" => (3, |a, b| a | b),
        "^" => (4, |a, b| a ^ b),
        "&" => (5, |a, b| a & b),
        "==" => (6, |a, b| i64::from(a == b)),
        "!=" => (6, |a, b| i64::from(a != b)),
        "<" => (7, |a, b| i64::from(a < b)),
        ">" => (7, |a, b| i64::from(a > b)),
        "<=" => (7, |a, b| i64::from(a <= b)),
        ">=" => (7, |a, b| i64::from(a >= b)),
        "<<" => (8, |a, b| a.wrapping_shl(u32::try_from(b).unwrap_or(0))),
        ">>" => (8, |a, b| a.wrapping_shr(u32::try_from(b).unwrap_or(0))),
        "+" => (9, i64::wrapping_add),
        "-" => (9, i64::wrapping_sub),
        "*" => (10, i64::wrapping_mul),
        "/" => (10, |a, b| a.checked_div(b).unwrap_or(0)),
        "%" => (10, |a, b| a.checked_rem(b).unwrap_or(0)),
        _ => return None,
    })
}

impl Reader<'_> {
    fn next_is(&mut self, text: &str) -> bool {
        let is = self.tokens.get(self.at).is_some_and(|token| token.is(text));
        self.at += usize::from(is);
        is
    }

    fn binary(&mut self, least: u8) -> i64 {
        let mut left = self.unary();
        loop {
            let Some(token) = self.tokens.get(self.at) else { return left };
            if token.is("?") && least == 0 {
                self.at += 1;
                let yes = self.binary(0);
                self.next_is(":");
                let no = self.binary(0);
                return if left != 0 { yes } else { no };
            }
            match operator(token.text) {
                Some((strength, effect)) if strength > least => {
                    self.at += 1;
                    let right = self.binary(strength);
                    left = effect(left, right);
                }
                _ => return left,
            }
        }
    }

    fn unary(&mut self) -> i64 {
        let Some(&token) = self.tokens.get(self.at) else { return 0 };
        self.at += 1;
        match (token.kind, token.text) {
            (Kind::Mark, "!") => i64::from(self.unary() == 0),
            (Kind::Mark, "-") => self.unary().wrapping_neg(),
            (Kind::Mark, "~") => !self.unary(),
            (Kind::Mark, "(") => {
                let value = self.binary(0);
                self.next_is(")");
                value
            }
            (Kind::Number, text) => number(text),
            (Kind::Word, "defined") => {
                let bracket = self.next_is("(");
                let name = self.tokens.get(self.at).map_or("", |token| token.text);
                self.at += 1;
                if bracket {
                    self.next_is(")");
                }
                i64::from(self.known.defined(name))
            }
            (Kind::Word, name) => self.word(name),
            _ => 0,
        }
    }

    fn word(&mut self, name: &'static str) -> i64 {
        let called = self.tokens.get(self.at).is_some_and(|token| token.is("("));
        if called {
            let end = closing(self.tokens, self.at);
            let inner = self.tokens.get(self.at + 1..end).unwrap_or_default();
            self.at = end + 1;
            let first = inner.first().map_or("", |token| token.text);
            let module = || format!("{first}_MODULE");
            return match name {
                "IS_ENABLED" | "IS_REACHABLE" => i64::from(self.known.defined(first) || self.known.defined(&module())),
                "IS_BUILTIN" => i64::from(self.known.defined(first)),
                "IS_MODULE" => i64::from(self.known.defined(&module())),
                "KERNEL_VERSION" => arguments(inner).iter().fold(0, |sum, part| (sum << 8) + value(part, self.known)),
                _ => 0,
            };
        }
        let body = self.known.body(name);
        if body.is_empty() || self.depth > DEPTH_AT_MOST {
            return 0;
        }
        Reader { tokens: &body, at: 0, known: self.known, depth: self.depth + 1 }.binary(0)
    }
}

fn number(text: &str) -> i64 {
    let text = text.trim_end_matches(['u', 'U', 'l', 'L']);
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    hexadecimal.map_or_else(|| text.parse(), |digits| i64::from_str_radix(digits, 16)).unwrap_or(0)
}
