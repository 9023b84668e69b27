//! Reads declarations: of types, variables, functions and parameters.

use super::lexer::{Kind, Token, closing};
use super::types::{Body, Composite, Declared, Function, Type, Variable};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// What a file, or a function, declares.
#[derive(Debug, Default)]
pub struct Declarations {
    /// Structs and unions by tag.
    pub composites: FxHashMap<&'static str, Rc<Composite>>,
    /// Typedefs.
    pub aliases: FxHashMap<&'static str, Type>,
    /// Functions.
    pub functions: FxHashMap<&'static str, Function>,
    /// Variables.
    pub variables: FxHashMap<&'static str, Variable>,
}

/// Words in front of a declaration that do not change its type.
pub(super) const QUALITIES: [&str; 22] = [
    "const",
    "volatile",
    "restrict",
    "__restrict",
    "static",
    "extern",
    "inline",
    "__inline",
    "__inline__",
    "register",
    "_Noreturn",
    "auto",
    "__extension__",
    "__const",
    "__volatile__",
    "_Thread_local",
    "noinline",
    "__always_inline",
    "asmlinkage",
    "__signed__",
    "_Atomic",
    "typedef",
];
const NUMBERS: [&str; 16] = [
    "void",
    "char",
    "short",
    "int",
    "long",
    "signed",
    "unsigned",
    "float",
    "double",
    "_Bool",
    "bool",
    "__int128",
    "enum",
    "__signed",
    "__builtin_va_list",
    "_Complex",
];

/// What stands in front of declarators.
#[derive(Debug)]
pub struct Specifiers {
    /// The type.
    pub of: Type,
    typedef: bool,
    per_cpu: bool,
}

/// Reads tokens of a file.
#[derive(Debug)]
pub struct Reader<'a> {
    pub(super) tokens: &'a [Token],
    /// The next token.
    pub at: usize,
    found: &'a mut Declarations,
}

impl<'a> Reader<'a> {
    /// Reads from a token on; types that are defined on the way are added to `found`.
    pub fn new(tokens: &'a [Token], at: usize, found: &'a mut Declarations) -> Self {
        Self { tokens, at, found }
    }

    pub(super) fn peek(&self) -> &'static str {
        self.tokens.get(self.at).filter(|token| token.kind != Kind::Text).map_or("", |token| token.text)
    }

    pub(super) fn word(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.kind == Kind::Word)
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let is = self.peek() == text;
        self.at += usize::from(is);
        is
    }

    /// Goes past the bracket that closes the one here; gives what is between.
    pub(super) fn bracket(&mut self) -> (usize, usize) {
        let (open, end) = (self.at + 1, closing(self.tokens, self.at));
        self.at = end + 1;
        (open.min(end), end.min(self.tokens.len()))
    }

    /// Everything in a file.
    pub fn file(&mut self) {
        while self.at < self.tokens.len() {
            let before = self.at;
            self.top_level();
            if self.at == before {
                self.at += 1;
            }
        }
    }

    fn top_level(&mut self) {
        if self.eat(";") {
            return;
        }
        let Some(specifiers) = self.specifiers() else {
            self.recover();
            return;
        };
        loop {
            if self.eat(";") {
                return;
            }
            let Some(declared) = self.declarator(&specifiers.of) else { return self.recover() };
            self.attributes();
            if self.peek() == "{" && declared.parameters.is_some() {
                let (start, end) = self.bracket();
                self.function(&declared, Some(Body { start, end }));
                return;
            }
            self.add(&declared, &specifiers);
            self.initializer();
            if !self.eat(",") {
                if !self.eat(";") {
                    self.recover();
                }
                return;
            }
        }
    }

    fn add(&mut self, declared: &Declared, specifiers: &Specifiers) {
        if specifiers.typedef {
            self.found.aliases.insert(declared.name, declared.of.clone());
        } else if declared.parameters.is_some() {
            self.function(declared, None);
        } else {
            let variable = Variable { of: declared.of.clone(), per_cpu: specifiers.per_cpu };
            self.found.variables.insert(declared.name, variable);
        }
    }

    fn function(&mut self, declared: &Declared, body: Option<Body>) {
        let Type::Function(returns) = &declared.of else { return };
        let parameters = declared.parameters.clone().unwrap_or_default();
        let known = self.found.functions.get(declared.name).is_some_and(|known| known.body.is_some());
        if !known || body.is_some() {
            let function = Function { returns: (**returns).clone(), parameters, body };
            self.found.functions.insert(declared.name, function);
        }
    }

    /// Goes to where the next declaration may begin.
    fn recover(&mut self) {
        while let Some(token) = self.tokens.get(self.at) {
            if token.is("{") {
                self.bracket();
                self.eat(";");
                return;
            }
            if token.is("(") || token.is("[") {
                self.bracket();
                // A macro in a line of its own, as EXPORT_SYMBOL without semicolon.
                continue;
            }
            self.at += 1;
            if token.is(";") || token.is("}") {
                return;
            }
        }
    }

    /// Goes past `= ...`, and past the width of a bit field.
    pub fn initializer(&mut self) -> (usize, usize) {
        let start = self.at + 1;
        if self.peek() != "=" && self.peek() != ":" {
            return (start, start);
        }
        while let Some(token) = self.tokens.get(self.at) {
            if token.is("(") || token.is("[") || token.is("{") {
                self.bracket();
            } else if token.is(",") || token.is(";") || token.is("}") || token.is(")") {
                break;
            } else {
                self.at += 1;
            }
        }
        (start, self.at)
    }

    /// Whether an attribute says that the variable lies in a per-CPU section.
    pub(super) fn attributes(&mut self) -> bool {
        let mut per_cpu = false;
        loop {
            match self.peek() {
                "__attribute__" | "__attribute" | "asm" | "__asm__" | "__asm" | "_Alignas" | "__declspec" => {
                    self.at += 1;
                    if self.peek() == "(" {
                        let (start, end) = self.bracket();
                        let inner = &self.tokens[start..end];
                        per_cpu |= inner.iter().any(|t| t.kind == Kind::Text && t.text.contains(".data..percpu"));
                    }
                }
                _ => return per_cpu,
            }
        }
    }

    /// The specifiers of a declaration; none when there are none.
    pub fn specifiers(&mut self) -> Option<Specifiers> {
        let start = self.at;
        let (mut of, mut typedef, mut per_cpu, mut plain) = (None, false, false, false);
        loop {
            per_cpu |= self.attributes();
            let text = self.peek();
            if QUALITIES.contains(&text) {
                typedef |= text == "typedef";
                self.at += 1;
            } else if text == "struct" || text == "union" {
                self.at += 1;
                of = Some(self.composite());
            } else if text == "enum" {
                self.at += 1;
                self.attributes();
                if self.word() {
                    self.at += 1;
                }
                if self.peek() == "{" {
                    self.bracket();
                }
                of = Some(Type::Plain);
            } else if NUMBERS.contains(&text) {
                self.at += 1;
                plain = true;
            } else if matches!(text, "typeof" | "__typeof__" | "__typeof" | "typeof_unqual") {
                self.at += 1;
                if self.peek() == "(" {
                    let (start, end) = self.bracket();
                    of = Some(Type::Of(self.tokens[start..end].into()));
                }
            } else if self.word() && of.is_none() && !plain && !is_statement(text) {
                self.at += 1;
                of = Some(Type::Alias(text));
            } else if of.is_some() && self.stray_word() {
                // `static spinlock_t __some_mark name;` with a mark that no header in sight defines.
                self.at += 1;
            } else {
                break;
            }
        }
        let of = of.or_else(|| plain.then_some(Type::Plain));
        if self.at == start || of.is_none() {
            self.at = start;
            return None;
        }
        Some(Specifiers { of: of?, typedef, per_cpu })
    }

    pub(super) fn stray_word(&self) -> bool {
        self.peek().starts_with("__") && self.tokens.get(self.at + 1).is_some_and(|next| next.kind == Kind::Word)
    }

    /// After `struct` or `union`.
    fn composite(&mut self) -> Type {
        self.attributes();
        let mut tag = None;
        if self.word() {
            tag = Some(self.peek());
            self.at += 1;
            self.attributes();
        }
        if self.peek() != "{" {
            return tag.map_or(Type::Unknown, Type::Tag);
        }
        let (start, end) = self.bracket();
        let after = std::mem::replace(&mut self.at, start);
        let composite = Rc::new(self.members(end));
        self.at = after;
        self.attributes();
        match tag {
            Some(tag) => {
                self.found.composites.insert(tag, composite);
                Type::Tag(tag)
            }
            None => Type::Body(composite),
        }
    }

    fn members(&mut self, end: usize) -> Composite {
        let mut members = Vec::new();
        while self.at < end {
            if self.eat(";") {
                continue;
            }
            let before = self.at;
            if let Some(specifiers) = self.specifiers() {
                if self.eat(";") {
                    // `struct foo;` in a struct declares nothing; a body without a name is part of this one.
                    members.push((None, specifiers.of));
                    continue;
                }
                while let Some(declared) = self.declarator(&specifiers.of) {
                    let name = Some(declared.name).filter(|name| !name.is_empty());
                    members.push((name, declared.of));
                    self.initializer();
                    self.attributes();
                    if !self.eat(",") {
                        break;
                    }
                }
            }
            // What was not understood ends at the next semicolon.
            while self.at < end && !self.eat(";") {
                match self.peek() {
                    "(" | "[" | "{" => drop(self.bracket()),
                    _ => self.at += 1,
                }
            }
            if self.at == before {
                self.at += 1;
            }
        }
        Composite { members }
    }
}

/// Words that begin a statement, or stand in an expression: never a type, never a name.
pub fn is_statement(text: &str) -> bool {
    matches!(
        text,
        "return"
            | "if"
            | "else"
            | "for"
            | "while"
            | "do"
            | "switch"
            | "case"
            | "default"
            | "goto"
            | "break"
            | "continue"
            | "sizeof"
            | "_Static_assert"
            | "static_assert"
            | "asm"
            | "__asm__"
            | "volatile"
            | "_Generic"
    )
}
