//! What names mean where an expression stands: variables, members, types, and what functions return.

use super::expressions::Expression;
use super::lexer::{Kind, Token};
use super::locals::{self, Local, Locals};
use super::places::{Place, Root, Value};
use super::scope::{Source, View};
use super::types::{Composite, Function, Type};
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// Functions that call functions that return what they were given: no deeper than this.
const DEPTH_AT_MOST: usize = 6;

/// Where an expression stands.
#[derive(Debug)]
pub struct Context<'a> {
    pub(super) source: &'a Source,
    pub(super) view: View,
    /// The function around it.
    pub function: Option<&'a Function>,
    pub(super) locals: Locals,
    bound: FxHashMap<&'static str, Value>,
    depth: usize,
}

impl<'a> Context<'a> {
    /// At a token of a file.
    pub fn at(source: &'a Source, view: View, function: Option<&'a Function>, place: usize) -> Self {
        let locals = match function {
            Some(function) => {
                let tokens = &source.unit(view.file).tokens;
                locals::at(tokens, function, place, |word| source.alias(word, &view).is_some())
            }
            None => Locals::default(),
        };
        Self { source, view, function, locals, bound: FxHashMap::default(), depth: 0 }
    }

    /// What an expression means.
    pub fn value(&self, tokens: &[Token]) -> Value {
        Expression::new(self, tokens).comma()
    }

    /// The type behind typedefs and `typeof`, and the name of the last typedef.
    pub fn resolve(&self, of: &Type) -> (Type, Option<&'static str>) {
        let (mut of, mut alias) = (of.clone(), None);
        for _ in 0..20 {
            of = match of {
                Type::Alias(name) => {
                    let Some(behind) = self.local_alias(name).or_else(|| self.source.alias(name, &self.view)) else {
                        return (Type::Unknown, Some(name));
                    };
                    alias = Some(name);
                    behind.clone()
                }
                Type::Of(tokens) => self.type_or_value(&tokens),
                other => return (other, alias),
            };
        }
        (Type::Unknown, alias)
    }

    pub(super) fn local_alias(&self, name: &str) -> Option<&Type> {
        self.locals.declared.aliases.get(name)
    }

    fn type_or_value(&self, tokens: &[Token]) -> Type {
        if self.depth > DEPTH_AT_MOST {
            return Type::Unknown;
        }
        let mut expression = Expression::new(self, tokens);
        expression.type_name().unwrap_or_else(|| self.value(tokens).of)
    }

    fn composite(&self, of: &Type) -> Option<(Rc<Composite>, Option<&'static str>)> {
        match self.resolve(of) {
            (Type::Tag(tag), _) => {
                let own = self.locals.declared.composites.get(tag);
                let composite = own.or_else(|| Some(self.source.composite(tag, &self.view)?.0))?;
                Some((Rc::clone(composite), Some(tag)))
            }
            (Type::Body(body), alias) => Some((body, alias)),
            _ => None,
        }
    }

    /// Whether a type is that of a lock.
    pub fn is_lock(&self, of: &Type) -> bool {
        let (behind, alias) = self.resolve(of);
        let named = |name: &str| {
            matches!(
                name,
                "spinlock_t"
                    | "raw_spinlock_t"
                    | "rwlock_t"
                    | "seqlock_t"
                    | "local_lock_t"
                    | "mutex"
                    | "rw_semaphore"
                    | "semaphore"
                    | "ww_mutex"
                    | "percpu_rw_semaphore"
                    | "rt_mutex"
                    | "spinlock"
                    | "raw_spinlock"
                    | "srcu_struct"
            )
        };
        alias.is_some_and(named) || matches!(behind, Type::Tag(tag) if named(tag))
    }

    /// Whether a type is a pointer to a `seqlock_t`.
    pub fn points_to_seqlock(&self, of: &Type) -> bool {
        self.pointee(of).is_some_and(|to| self.resolve(&to).1 == Some("seqlock_t"))
    }

    /// Which parameter of the function a variable is.
    pub fn parameter(&self, name: &str) -> Option<usize> {
        self.locals.variables.get(name)?.parameter
    }

    pub(super) fn pointee(&self, of: &Type) -> Option<Type> {
        match self.resolve(of).0 {
            Type::Pointer(to) | Type::Array(to) => Some((*to).clone()),
            _ => None,
        }
    }

    /// `value.name`, or `value->name`.
    pub(super) fn member(&self, value: &Value, name: &'static str, arrow: bool) -> Value {
        let (of, place) = if arrow {
            let Some(of) = self.pointee(&value.of) else { return Value::unknown() };
            let decayed = matches!(self.resolve(&value.of).0, Type::Array(_));
            let array = if decayed { value.place.as_ref().map(Place::element) } else { None };
            (of, value.target.clone().or(array).unwrap_or_else(|| Place::whole(Root::Pointed)))
        } else {
            (value.of.clone(), value.place.clone().unwrap_or_else(|| Place::whole(Root::Pointed)))
        };
        let around = of;
        let Some((composite, tag)) = self.composite(&around) else { return Value::unknown() };
        let Some((declaring, of)) = self.find(&composite, tag, name, 0) else { return Value::unknown() };
        // A typedef names a struct only where nothing around it does.
        let alias = declaring.filter(|_| !place.path.is_empty() && matches!(self.resolve(&around).0, Type::Body(_)));
        let declaring = declaring.filter(|_| alias.is_none());
        Value { place: Some(place.member(declaring, alias, name)), ..Value::of(of) }
    }

    /// A member by name, also of anonymous structs inside: the name of the struct that declares it, and its type.
    fn find(
        &self,
        composite: &Composite,
        tag: Option<&'static str>,
        name: &str,
        depth: usize,
    ) -> Option<(Option<&'static str>, Type)> {
        if let Some((_, of)) = composite.members.iter().find(|(own, _)| *own == Some(name)) {
            return Some((tag, of.clone()));
        }
        let inner = composite.members.iter().filter(|(own, _)| own.is_none() && depth < 10);
        inner.filter_map(|(_, of)| self.composite(of)).find_map(|(inner, inner_tag)| {
            let (declaring, of) = self.find(&inner, inner_tag, name, depth + 1)?;
            Some((declaring.or(tag), of))
        })
    }

    pub(super) fn variable(&self, name: &'static str) -> Value {
        if let Some(bound) = self.bound.get(name) {
            return bound.clone();
        }
        if name == "current" {
            return Value::of(Type::Tag("task_struct").pointer());
        }
        if let Some(local) = self.locals.variables.get(name) {
            return self.local(name, local);
        }
        let Some(variable) = self.source.variable(name, &self.view) else { return Value::unknown() };
        let root = Root::Global { name, per_cpu: variable.per_cpu };
        Value { place: Some(Place::whole(root)), ..Value::of(variable.of.clone()) }
    }

    fn local(&self, name: &'static str, local: &Local) -> Value {
        let root = if local.fixed { Root::Global { name, per_cpu: false } } else { Root::Local(name) };
        let mut value = Value { place: Some(Place::whole(root)), ..Value::of(local.of.clone()) };
        let lock_pointer = self.pointee(&local.of).is_some_and(|to| self.is_lock(&to));
        if lock_pointer && local.parameter.is_none() && self.depth < DEPTH_AT_MOST {
            let mut all = self.assigned(name);
            if let Some(first) = all.pop() {
                all.extend(first.others.iter().cloned());
                value = Value { by: Some("assigned"), others: all, ..first };
            }
        }
        value
    }

    /// What a variable that points to a lock is set to, anywhere in the function; nothing when one of that is unclear.
    fn assigned(&self, name: &'static str) -> Vec<Value> {
        let Some(body) = self.function.and_then(|function| function.body.as_ref()) else { return Vec::new() };
        let tokens = &self.source.unit(self.view.file).tokens[body.start..body.end];
        let mut out = Vec::new();
        for at in 1..tokens.len().saturating_sub(2) {
            let here = tokens[at].kind == Kind::Word && tokens[at].text == name;
            if here && tokens[at - 1].is("&") && (tokens[at + 1].is(")") || tokens[at + 1].is(",")) {
                // Its address is given away: what it is set to is not in this text.
                return Vec::new();
            }
            if !here || !tokens[at + 1].is("=") || tokens[at - 1].is("->") || tokens[at - 1].is(".") {
                continue;
            }
            let deeper = Context {
                depth: self.depth + 1,
                ..Context::at(self.source, self.view.clone(), self.function, body.start + at)
            };
            let value = Expression::new(&deeper, &tokens[at + 2..]).assignment();
            let nothing = tokens[at + 2].is("NULL") || tokens[at + 2].is("0");
            if nothing {
                continue;
            }
            if value.target.is_none() && value.place.as_ref().is_none_or(|place| place.path.is_empty()) {
                return Vec::new();
            }
            out.push(value);
        }
        out
    }

    /// What a call returns.
    pub(super) fn call(&self, name: &'static str, given: &[&[Token]]) -> Value {
        let first = || given.first().map_or_else(Value::unknown, |tokens| self.value(tokens));
        match name {
            "container_of" | "container_of_const" => {
                let of = given.get(1).and_then(|tokens| Expression::new(self, tokens).type_name());
                return of.map_or_else(Value::unknown, |of| Value::of(of.pointer()));
            }
            "READ_ONCE"
            | "likely"
            | "unlikely"
            | "smp_load_acquire"
            | "unrcu_pointer"
            | "xchg"
            | "max"
            | "min"
            | "rcu_replace_pointer"
            | "this_cpu_ptr"
            | "raw_cpu_ptr"
            | "per_cpu_ptr"
            | "SHIFT_PERCPU_PTR"
            | "rcu_access_pointer"
            | "srcu_dereference"
            | "rtnl_dereference"
            | "__builtin_expect"
            | "this_cpu_read"
            | "raw_cpu_read"
            | "__this_cpu_read" => return first(),
            _ if name.starts_with("rcu_dereference") => return first(),
            _ => {}
        }
        if let Some(value) = self.locals.variables.contains_key(name).then(|| self.variable(name)) {
            return self.called(&value);
        }
        let Some((function, file)) = self.source.function(name, &self.view) else {
            let variable = self.variable(name);
            return self.called(&variable);
        };
        let plain = Value::of(function.returns.clone());
        if self.depth >= DEPTH_AT_MOST || self.pointee(&function.returns).is_none() {
            return plain;
        }
        self.returned(function, file, given).unwrap_or(plain)
    }

    pub(super) fn called(&self, value: &Value) -> Value {
        match self.resolve(&value.of).0 {
            Type::Function(returned) => Value::of((*returned).clone()),
            Type::Pointer(to) => match self.resolve(&to).0 {
                Type::Function(returned) => Value::of((*returned).clone()),
                _ => Value::unknown(),
            },
            _ => Value::unknown(),
        }
    }

    /// What a short function returns for these arguments, when all its `return`s say more than their type.
    fn returned(&self, function: &'a Function, file: usize, given: &[&[Token]]) -> Option<Value> {
        let body = function.body.as_ref().filter(|body| body.end - body.start < 200)?;
        let tokens = &self.source.unit(file).tokens[body.start..body.end];
        let mut values = Vec::new();
        for (at, _) in tokens.iter().enumerate().filter(|(_, token)| token.is("return")) {
            let view = View { file, visible: Rc::clone(&self.view.visible) };
            let mut inner = Context::at(self.source, view, Some(function), body.start + at);
            inner.depth = self.depth + 1;
            for (parameter, tokens) in function.parameters.iter().zip(given) {
                let value = Value { of: parameter.of.clone(), ..self.value(tokens) };
                if says(&value) {
                    inner.bound.insert(parameter.name, value);
                }
            }
            let end = tokens[at..].iter().position(|token| token.is(";"))? + at;
            let value = inner.value(&tokens[at + 1..end]);
            if !says(&value) {
                return None;
            }
            values.push(Value { of: function.returns.clone(), by: Some("returned"), ..value });
        }
        let first = values.pop()?;
        Some(Value { others: first.others.iter().cloned().chain(values).collect(), ..first })
    }
}

/// Whether more is known than the type.
fn says(value: &Value) -> bool {
    value.target.is_some() || value.place.as_ref().is_some_and(|place| !place.path.is_empty())
}
