//! Filling a [`Types`].

use super::facts::gather;
use super::names::Text;
use super::{Composite, Member, Name, Span, Type, TypeId, Types, Variable};
use std::sync::Arc;

/// Types that are being gathered.
///
/// A type may be declared before it is defined, so that types can refer to each other. What is never defined stays
/// [`Type::Void`].
#[derive(Debug)]
pub struct TypesBuilder {
    pub(super) types: Types,
}

impl Default for TypesBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TypesBuilder {
    /// No types but `void`.
    pub fn new() -> Self {
        let mut types = Types::default();
        types.kinds.push(Type::Void);
        types.names.push(Name(0));
        Self { types }
    }

    /// Types on top of others, those of a module on its kernel's.
    pub fn on(base: Arc<Types>) -> Self {
        let (first, text) = (base.end().0, Text::from(base.text.end(), String::new()));
        Self { types: Types { first, text, base: Some(base), ..Types::default() } }
    }

    /// Room for a type that is defined later.
    pub fn declare(&mut self) -> TypeId {
        let id = self.types.end();
        self.types.kinds.push(Type::Void);
        self.types.names.push(Name(0));
        id
    }

    /// Defines a type that was declared here: a scalar, pointer, array, typedef, qualifier or forward. `name` is the tag
    /// or the typedef's name, and may be empty.
    pub fn define(&mut self, id: TypeId, name: &str, of: Type) {
        let name = self.types.text.add(name);
        self.define_named(id, name, of);
    }

    pub(super) fn define_named(&mut self, id: TypeId, name: Name, of: Type) {
        let types = &mut self.types;
        let Some(place) = id.0.checked_sub(types.first).map(|place| place as usize) else { return };
        let (Some(kind), Some(own)) = (types.kinds.get_mut(place), types.names.get_mut(place)) else { return };
        *kind = of;
        *own = name;
        match of {
            Type::Composite(_) => types.composites.add(&types.text, name, id),
            Type::Alias(_) => types.aliases.add(&types.text, name, id),
            _ => {}
        }
    }

    /// A name for a [`Member`], kept once more each time it is asked for.
    pub fn member_name(&mut self, name: &str) -> Name {
        self.types.text.add(name)
    }

    /// A member for [`define_composite`](Self::define_composite), no bit field.
    pub fn member(&mut self, name: &str, of: TypeId, bit_offset: u32) -> Member {
        Member { name: self.types.text.add(name), of, bit_offset, bit_size: 0 }
    }

    /// Defines a struct or union that was declared here.
    pub fn define_composite(&mut self, id: TypeId, name: &str, union: bool, bytes: u32, members: &[Member]) {
        let name = self.types.text.add(name);
        let members = self.keep_members(members.iter().copied());
        self.define_named(id, name, Type::Composite(Composite { union, bytes, members }));
    }

    /// Keeps members, in the order of their offsets: Rust's structs are declared in another.
    pub(super) fn keep_members(&mut self, members: impl Iterator<Item = Member>) -> Span {
        let list = &mut self.types.members;
        let first = list.len();
        list.extend(members);
        if !list[first..].is_sorted_by_key(|member| member.bit_offset) {
            list[first..].sort_by_key(|member| member.bit_offset);
        }
        Span { first: first as u32, count: (list.len() - first) as u32 }
    }

    /// Defines a function type that was declared here.
    pub fn define_function(&mut self, id: TypeId, returns: TypeId, parameters: &[TypeId]) {
        let parameters = self.keep_parameters(parameters.iter().copied());
        self.define_named(id, Name(0), Type::Function { returns, parameters });
    }

    pub(super) fn keep_parameters(&mut self, parameters: impl Iterator<Item = TypeId>) -> Span {
        let first = self.types.parameters.len();
        self.types.parameters.extend(parameters);
        Span { first: first as u32, count: (self.types.parameters.len() - first) as u32 }
    }

    /// [`declare`](Self::declare) and [`define`](Self::define).
    pub fn add(&mut self, name: &str, of: Type) -> TypeId {
        let id = self.declare();
        self.define(id, name, of);
        id
    }

    /// Says that a function of this name has this function type, for [`Types::prototype`].
    pub fn function(&mut self, name: &str, prototype: TypeId) {
        let name = self.types.text.add(name);
        self.function_named(name, prototype);
    }

    pub(super) fn function_named(&mut self, name: Name, prototype: TypeId) {
        self.types.functions.add(&self.types.text, name, prototype);
    }

    pub(super) fn variable_named(&mut self, variable: Variable) {
        let number = TypeId(self.types.variables.len() as u32);
        self.types.variables.push(variable);
        self.types.variables_by_name.add(&self.types.text, variable.name, number);
    }

    /// The struct or union of this tag and size, when there is just one: so that what DWARF says is found again among
    /// the types of BTF.
    pub fn composite_named(&self, name: &str, bytes: u32) -> Option<TypeId> {
        self.types.composite_named(name, bytes)
    }

    /// All structs and unions of this tag, to be told apart with [`get`](Self::get) and [`members`](Self::members).
    pub fn composites_named(&self, name: &str) -> impl Iterator<Item = TypeId> {
        self.types.composites_named(name)
    }

    /// The typedefs of this name.
    pub fn aliases_named(&self, name: &str) -> impl Iterator<Item = TypeId> {
        self.types.aliases_named(name)
    }

    /// What was defined so far.
    pub fn get(&self, id: TypeId) -> Type {
        self.types.get(id)
    }

    /// The members of a struct or union that was defined.
    pub fn members(&self, of: Composite, id: TypeId) -> &[Member] {
        self.types.part(id).members_of(of.members)
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.types.text(name)
    }

    /// The types. What is wrong with them is said in words that follow the name of the section: a type inside itself,
    /// or one of an absurd size.
    pub fn build(self) -> Result<Types, String> {
        let Self { mut types } = self;
        types.text.shrink();
        types.facts = gather(&types)?;
        types.name_anonymous();
        types.find_forwards();
        types.facts.embeddings = types.gather_embeddings();
        Ok(types)
    }
}
