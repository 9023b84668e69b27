//! Types as the source writes them.

use super::lexer::Token;
use std::rc::Rc;

/// A type.
#[derive(Clone, Debug)]
pub enum Type {
    /// Not understood.
    Unknown,
    /// A number, `void`, an enumeration.
    Plain,
    /// A pointer.
    Pointer(Rc<Type>),
    /// An array.
    Array(Rc<Type>),
    /// A function, by what it returns.
    Function(Rc<Type>),
    /// `struct TAG` or `union TAG`.
    Tag(&'static str),
    /// A struct or union without a tag.
    Body(Rc<Composite>),
    /// The name of a typedef.
    Alias(&'static str),
    /// `typeof` of an expression.
    Of(Rc<[Token]>),
}

impl Type {
    /// A pointer to it.
    pub fn pointer(self) -> Self {
        Self::Pointer(Rc::new(self))
    }
}

/// A struct or union.
#[derive(Debug, Default)]
pub struct Composite {
    /// Its members; those without a name are anonymous structs and unions.
    pub members: Vec<(Option<&'static str>, Type)>,
}

/// A variable, a parameter, or a member: what a declarator names.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub of: Type,
    /// Parameters, of a function.
    pub parameters: Option<Rc<Vec<Declared>>>,
}

/// A function's body.
#[derive(Clone, Debug)]
pub struct Body {
    /// Its first token, after `{`, in the file's tokens.
    pub start: usize,
    /// The token that ends it, `}`.
    pub end: usize,
}

/// A variable of a file.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its type.
    pub of: Type,
    /// Whether every CPU has one.
    pub per_cpu: bool,
}

/// A function of a file.
#[derive(Clone, Debug)]
pub struct Function {
    /// What it returns.
    pub returns: Type,
    /// Its parameters.
    pub parameters: Rc<Vec<Declared>>,
    /// Its body, where it is defined.
    pub body: Option<Body>,
}
