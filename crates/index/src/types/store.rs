//! The types, immutable, and the plain questions about them.

use super::facts::Facts;
use super::names::{ByName, Text};
use super::{Composite, Member, Name, Span, Type, TypeId, VOID};
use lima_model::LockType;
use std::sync::Arc;

/// The types of a kernel, or those that a module adds to its kernel's. Immutable, and shared between threads.
#[derive(Debug, Default)]
pub struct Types {
    pub(super) base: Option<Arc<Self>>,
    /// The number of the first type that is kept here.
    pub(super) first: u32,
    pub(super) text: Text,
    pub(super) kinds: Vec<Type>,
    pub(super) names: Vec<Name>,
    pub(super) members: Vec<Member>,
    pub(super) parameters: Vec<TypeId>,
    pub(super) composites: ByName,
    pub(super) aliases: ByName,
    pub(super) functions: ByName,
    pub(super) variables: Vec<Variable>,
    pub(super) variables_by_name: ByName,
    pub(super) facts: Facts,
    /// How many types, and bytes of names, the BTF had: where that of a module goes on.
    pub(super) btf: (u32, u32),
}

/// A variable that BTF knows of: of most kernels only the per-CPU ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub of: TypeId,
    /// Its section, `.data..percpu`.
    pub section: Name,
    /// Its offset in that section.
    pub offset: u32,
    /// Its size.
    pub bytes: u32,
    /// Whether every CPU has one.
    pub per_cpu: bool,
}

/// What a function takes and returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prototype<'a> {
    /// What it returns.
    pub returns: TypeId,
    /// Its parameters.
    pub parameters: &'a [TypeId],
}

impl Types {
    /// The part that keeps a type: this one or the kernel's.
    #[inline]
    pub(super) fn part(&self, id: TypeId) -> &Self {
        let mut part = self;
        while id.0 < part.first {
            let Some(base) = &part.base else { break };
            part = base;
        }
        part
    }

    /// The part that keeps a type, and the type's place in the part's lists.
    #[inline]
    pub(super) fn place(&self, id: TypeId) -> (&Self, usize) {
        let part = self.part(id);
        (part, id.0.wrapping_sub(part.first) as usize)
    }

    /// The number after the last type.
    pub fn end(&self) -> TypeId {
        TypeId(self.first.saturating_add(u32::try_from(self.kinds.len()).unwrap_or(u32::MAX)))
    }

    /// The types that are kept here; of a module not those of the kernel.
    pub fn own(&self) -> impl ExactSizeIterator<Item = TypeId> + use<> {
        (self.first..self.end().0).map(TypeId)
    }

    /// The kernel's types, when these are a module's.
    pub fn base(&self) -> Option<&Arc<Self>> {
        self.base.as_ref()
    }

    /// The type as it was declared; [`Type::Void`] for a number that is none.
    #[inline]
    pub fn get(&self, id: TypeId) -> Type {
        let (part, place) = self.place(id);
        part.kinds.get(place).copied().unwrap_or(Type::Void)
    }

    /// The type behind typedefs and qualifiers.
    #[inline]
    pub fn resolve(&self, id: TypeId) -> TypeId {
        let (part, place) = self.place(id);
        part.facts.resolved.get(place).copied().unwrap_or(VOID)
    }

    /// [`Types::get`] of [`Types::resolve`].
    #[inline]
    pub fn resolved(&self, id: TypeId) -> Type {
        self.get(self.resolve(id))
    }

    /// What a pointer points to, resolved; `None` for what is no pointer. Where the pointer's own part only knows the
    /// name of a struct and a single struct has it, that struct.
    #[inline]
    pub fn pointee(&self, id: TypeId) -> Option<TypeId> {
        match self.resolved(id) {
            Type::Pointer(of) => Some(self.complete(self.resolve(of))),
            _ => None,
        }
    }

    /// The struct or union, behind typedefs and qualifiers.
    #[inline]
    pub fn composite(&self, id: TypeId) -> Option<Composite> {
        match self.resolved(id) {
            Type::Composite(composite) => Some(composite),
            _ => None,
        }
    }

    /// The struct that a name stands for when only the name is known of `id` and a single struct has it; else `id`.
    pub fn complete(&self, id: TypeId) -> TypeId {
        if self.get(id) != Type::Forward {
            return id;
        }
        self.parts().find_map(|part| part.facts.forwards.get(&id)).copied().unwrap_or(id)
    }

    /// The name: a struct's tag, a typedef's name, and for an anonymous struct or union that of its first typedef. Empty
    /// when there is none.
    pub fn name(&self, id: TypeId) -> &str {
        let (part, place) = self.place(id);
        let own = part.names.get(place).copied().unwrap_or_default();
        self.text(if own == Name(0) { part.facts.typedefs.get(&id).copied().unwrap_or_default() } else { own })
    }

    /// The name that it was declared with, its tag or its typedef's own: empty for an anonymous struct, typedef or not.
    pub fn tag(&self, id: TypeId) -> &str {
        let (part, place) = self.place(id);
        self.text(part.names.get(place).copied().unwrap_or_default())
    }

    /// Whether a struct or union has a name, its own or a typedef's.
    pub fn is_named(&self, id: TypeId) -> bool {
        !self.name(id).is_empty()
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        let mut part = self;
        while !part.text.has(name) {
            let Some(base) = &part.base else { break };
            part = base;
        }
        part.text.get(name)
    }

    /// The size; 0 when it is not known.
    #[inline]
    pub fn bytes(&self, id: TypeId) -> u32 {
        let (part, place) = self.place(id);
        part.facts.bytes.get(place).copied().unwrap_or(0)
    }

    /// The lock type that this type is, itself.
    #[inline]
    pub fn lock_type(&self, id: TypeId) -> Option<LockType> {
        let (part, place) = self.place(id);
        part.facts.locks.get(place).copied().flatten()
    }

    /// Whether there is a lock in the type, or it is one.
    #[inline]
    pub fn holds_lock(&self, id: TypeId) -> bool {
        let (part, place) = self.place(id);
        part.facts.holds.get(place).is_some_and(|holds| holds.locks > 0)
    }

    /// Whether there is a pointer in the type, or it is one.
    #[inline]
    pub(super) fn holds_pointer(&self, id: TypeId) -> bool {
        let (part, place) = self.place(id);
        part.facts.holds.get(place).is_some_and(|holds| holds.pointers)
    }

    /// The members of a struct or union, behind typedefs; none of anything else.
    #[inline]
    pub fn members(&self, id: TypeId) -> &[Member] {
        let id = self.resolve(id);
        match self.get(id) {
            Type::Composite(composite) => self.part(id).members_of(composite.members),
            _ => &[],
        }
    }

    #[inline]
    pub(super) fn members_of(&self, span: Span) -> &[Member] {
        let first = span.first as usize;
        self.members.get(first..first.saturating_add(span.count as usize)).unwrap_or(&[])
    }

    /// The parameters of a function type, behind typedefs; none of anything else.
    pub fn parameters(&self, id: TypeId) -> &[TypeId] {
        let id = self.resolve(id);
        match self.get(id) {
            Type::Function { parameters, .. } => {
                let first = parameters.first as usize;
                let list = &self.part(id).parameters;
                list.get(first..first.saturating_add(parameters.count as usize)).unwrap_or(&[])
            }
            _ => &[],
        }
    }

    /// The element type and its size, of an array.
    #[inline]
    pub fn element(&self, id: TypeId) -> Option<(TypeId, u32)> {
        match self.resolved(id) {
            Type::Array { element, .. } => Some((self.resolve(element), self.bytes(element))),
            _ => None,
        }
    }

    /// The structs and unions of this tag, or of this typedef when it has none; those kept here first.
    pub fn composites_named(&self, name: &str) -> impl Iterator<Item = TypeId> {
        self.parts().flat_map(move |part| part.composites.get(&part.text, name))
    }

    /// The struct or union of this tag and size, when there is just one.
    pub fn composite_named(&self, name: &str, bytes: u32) -> Option<TypeId> {
        let mut fits = self
            .composites_named(name)
            .filter(|&id| matches!(self.get(id), Type::Composite(composite) if composite.bytes == bytes));
        match (fits.next(), fits.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
    }

    /// The typedefs of this name; those kept here first.
    pub fn aliases_named(&self, name: &str) -> impl Iterator<Item = TypeId> {
        self.parts().flat_map(move |part| part.aliases.get(&part.text, name))
    }

    /// What a function takes and returns; `None` when it is not known, or functions of this name differ.
    pub fn prototype(&self, function: &str) -> Option<Prototype<'_>> {
        let mut known = None;
        let part = self.parts().find(|part| part.functions.get(&part.text, function).next().is_some())?;
        for id in part.functions.get(&part.text, function) {
            let prototype = self.prototype_of(id)?;
            if known.is_some_and(|known| known != prototype) {
                return None;
            }
            known = Some(prototype);
        }
        known
    }

    /// What a function type takes and returns.
    pub fn prototype_of(&self, id: TypeId) -> Option<Prototype<'_>> {
        match self.resolved(id) {
            Type::Function { returns, .. } => Some(Prototype { returns, parameters: self.parameters(id) }),
            _ => None,
        }
    }

    /// The variables that BTF knows of, kept here.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The type of a variable; `None` when it is not known, or variables of this name differ.
    pub fn variable(&self, name: &str) -> Option<TypeId> {
        self.variable_where(name, |_| true)
    }

    /// The type of a per-CPU variable; `None` when it is not known, or per-CPU variables of this name differ.
    pub fn percpu_variable(&self, name: &str) -> Option<TypeId> {
        self.variable_where(name, |variable| variable.per_cpu)
    }

    fn variable_where(&self, name: &str, wanted: impl Fn(&Variable) -> bool) -> Option<TypeId> {
        for part in self.parts() {
            // The list by name holds numbers of variables, not of types.
            let mut found = part
                .variables_by_name
                .get(&part.text, name)
                .filter_map(|number| part.variables.get(number.0 as usize))
                .filter(|&variable| wanted(variable));
            if let Some(first) = found.next() {
                return found.all(|other| other.of == first.of).then_some(first.of);
            }
        }
        None
    }

    /// This, then what it stands on.
    fn parts(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |part| part.base.as_deref())
    }
}
