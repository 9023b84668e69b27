//! What an expression means for a lock: its type, where it lies, what it points to.

use super::types::Type;

/// Where a place begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// A variable of the kernel.
    Global {
        /// Its name.
        name: &'static str,
        /// Whether every CPU has one.
        per_cpu: bool,
    },
    /// A variable of the function.
    Local(&'static str),
    /// What some pointer points to.
    Pointed,
}

/// A place in memory, as the source names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it begins.
    pub root: Root,
    /// The innermost struct with a name that has it as member.
    pub declaring: Option<&'static str>,
    /// The path in that struct; `[]` is any element.
    pub path: String,
    /// The path from the root.
    pub full: String,
    /// The same from the innermost struct, where only a typedef gives that a name: `socket_lock_t.slock`.
    pub by_typedef: Option<String>,
}

impl Place {
    /// A whole variable, or all that a pointer points to.
    pub fn whole(root: Root) -> Self {
        Self { root, declaring: None, path: String::new(), full: String::new(), by_typedef: None }
    }

    /// A member of it. `declaring` is the name of the struct that has the member, when that has a name; `alias` when a
    /// typedef gives it one.
    pub fn member(&self, declaring: Option<&'static str>, alias: Option<&str>, name: &str) -> Self {
        let add = |path: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let (declaring, path) = match declaring {
            Some(_) => (declaring, name.to_owned()),
            None => (self.declaring, add(&self.path)),
        };
        let by_typedef = match (alias, &self.by_typedef) {
            (Some(alias), _) => Some(format!("{alias}.{name}")),
            (None, Some(outer)) if declaring == self.declaring => Some(format!("{outer}.{name}")),
            _ => None,
        };
        Self { root: self.root.clone(), declaring, path, full: add(&self.full), by_typedef }
    }

    /// An element of it.
    pub fn element(&self) -> Self {
        let add = |path: &String| format!("{path}[]");
        let by_typedef = self.by_typedef.as_ref().map(add);
        Self { path: add(&self.path), full: add(&self.full), by_typedef, ..self.clone() }
    }
}

/// What is known of the value of an expression.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its type.
    pub of: Type,
    /// Where it lies, when it lies somewhere.
    pub place: Option<Place>,
    /// What it points to, when that is known beyond its type.
    pub target: Option<Place>,
    /// Where the pointer lies that leads here, when an element of what it points to is meant.
    pub through: Option<Place>,
    /// What it may be instead (`a ? b : c`).
    pub others: Vec<Value>,
    /// How it was come by, when not by plain reading.
    pub by: Option<&'static str>,
}

impl Value {
    /// A value of which only the type is known.
    pub fn of(of: Type) -> Self {
        Self { of, place: None, target: None, through: None, others: Vec::new(), by: None }
    }

    /// Nothing.
    pub fn unknown() -> Self {
        Self::of(Type::Unknown)
    }
}
