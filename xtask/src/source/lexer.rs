//! C text to tokens.
//!
//! Tokens are slices of the text, which is kept for the whole run: the tool reads a kernel once and ends.

/// What a token is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or keyword.
    Word,
    /// A number.
    Number,
    /// A string or character constant.
    Text,
    /// An operator or a bracket.
    Mark,
}

/// A token and the line that it stands on; one that a macro put there has the line where the macro is used, as in the
/// line table that the compiler writes.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Its text.
    pub text: &'static str,
    /// Its line, from 1.
    pub line: u32,
}

impl Token {
    /// Whether it is this operator or word (and not a string of that content).
    pub fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }
}

/// A piece of a file.
#[derive(Debug)]
pub enum Piece {
    /// A token of the text.
    Token(Token),
    /// A preprocessor line, without the `#`.
    Directive(Vec<Token>),
}

/// Operators of more than one character, longest first.
const MARKS: [&str; 22] = [
    "...", "<<=", ">>=", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=",
    "%=", "&=", "|=", "##",
];

struct Lexer {
    text: &'static str,
    at: usize,
    line: u32,
}

/// The pieces of a file.
pub fn pieces(text: &'static str) -> Vec<Piece> {
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let mut out = Vec::new();
    let mut fresh = true;
    loop {
        fresh |= lexer.blank();
        let Some(token) = lexer.token() else { return out };
        if fresh && token.is("#") {
            let mut directive = Vec::new();
            while !lexer.blank_in_line() {
                let Some(token) = lexer.token() else { break };
                directive.push(token);
            }
            out.push(Piece::Directive(directive));
            fresh = true;
        } else {
            out.push(Piece::Token(token));
            fresh = false;
        }
    }
}

impl Lexer {
    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Skips white space and comments; whether a line ended.
    fn blank(&mut self) -> bool {
        let mut ended = false;
        while self.at < self.text.len() {
            if !self.step_blank() {
                if self.byte(0) != b'\n' {
                    break;
                }
                self.at += 1;
                self.line += 1;
                ended = true;
            }
        }
        ended
    }

    /// Skips white space up to the end of the line; whether that, or the end of the file, is reached.
    fn blank_in_line(&mut self) -> bool {
        while self.step_blank() {}
        self.at >= self.text.len() || self.byte(0) == b'\n'
    }

    /// Skips one piece of white space that does not end a line: a comment does not.
    fn step_blank(&mut self) -> bool {
        match (self.byte(0), self.byte(1)) {
            (b' ' | b'\t' | b'\r' | 0x0c, _) => self.at += 1,
            (b'\\', b'\n') => {
                self.at += 2;
                self.line += 1;
            }
            (b'\\', b'\r') if self.byte(2) == b'\n' => {
                self.at += 3;
                self.line += 1;
            }
            (b'/', b'*') => {
                let rest = &self.text[self.at + 2..];
                let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
                self.skip(2 + length);
            }
            (b'/', b'/') => {
                let rest = &self.text[self.at..];
                self.skip(rest.find('\n').unwrap_or(rest.len()));
            }
            _ => return false,
        }
        true
    }

    fn skip(&mut self, bytes: usize) {
        let passed = &self.text.as_bytes()[self.at..self.at + bytes];
        self.line += u32::try_from(passed.iter().filter(|&&byte| byte == b'\n').count()).unwrap_or(0);
        self.at += bytes;
    }

    /// The token that starts here; none at the end.
    fn token(&mut self) -> Option<Token> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let line = self.line;
        let first = *bytes.get(start)?;
        let (kind, length) = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => (Kind::Word, run(&bytes[start..], is_word)),
            b'0'..=b'9' => (Kind::Number, run(&bytes[start..], |byte| is_word(byte) || byte == b'.')),
            b'"' | b'\'' => (Kind::Text, quoted(&bytes[start..], first)),
            _ => {
                let rest = &self.text.as_bytes()[start..];
                let long = MARKS.iter().find(|mark| rest.starts_with(mark.as_bytes()));
                // A character of several bytes outside of comments is none of C's: it is passed over whole.
                let other = || self.text[start..].chars().next().map_or(1, char::len_utf8);
                (Kind::Mark, long.map_or_else(other, |mark| mark.len()))
            }
        };
        self.skip(length);
        Some(Token { kind, text: &self.text[start..start + length], line })
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|&byte| !belongs(byte)).unwrap_or(bytes.len())
}

/// Length of a string or character constant; one that does not end, ends with the line.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\n' => return at,
            byte if byte == quote => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Position of the bracket that closes the one at `open`; the end of the tokens when there is none.
pub fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.kind == Kind::Mark {
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
    }
    tokens.len()
}

/// The tokens between brackets, split at the commas that are in no inner bracket.
pub fn arguments(tokens: &[Token]) -> Vec<&[Token]> {
    let mut out = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for (at, token) in tokens.iter().enumerate() {
        if token.kind == Kind::Mark {
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                "," if depth == 0 => {
                    out.push(&tokens[start..at]);
                    start = at + 1;
                }
                _ => {}
            }
        }
    }
    if !(out.is_empty() && tokens.is_empty()) {
        out.push(&tokens[start..]);
    }
    out
}
