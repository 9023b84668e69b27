//! The types of a kernel, from BTF or DWARF: one [`Types`] for the kernel, one on top of it for each module.
//!
//! A [`TypesBuilder`] is filled by [`btf`] (and by the debug room from DWARF) and becomes an immutable [`Types`], which
//! answers what the other rooms ask: what is a name, what lies at an offset, where are the locks, what embeds what.
//! Names are not unique; a [`TypeId`] is, among a kernel and one of its modules.

pub mod btf;
mod build;
mod embed;
mod facts;
mod locks;
mod names;
mod paths;
mod store;
mod walk;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

pub use build::TypesBuilder;
pub use embed::Embedder;
pub use locks::{BitLock, lock_named};
pub use names::Name;
pub use store::{Prototype, Types, Variable};
pub use walk::{LockAt, MemberAt, Spot, takes};

/// A type by its number in [`Types`]. 0 is `void`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TypeId(pub u32);

/// `void`.
pub const VOID: TypeId = TypeId(0);

/// A type. Members and parameters are kept by [`Types`]: [`Types::members`], [`Types::parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `void`, or a type that nothing is known of.
    Void,
    /// An integer, a boolean, an enumeration or a float: nothing points out of it.
    Scalar {
        /// Its size.
        bytes: u32,
    },
    /// A pointer.
    Pointer(TypeId),
    /// An array.
    Array {
        /// The type of its elements.
        element: TypeId,
        /// How many; 0 for a flexible one.
        count: u32,
    },
    /// A struct or union.
    Composite(Composite),
    /// A typedef.
    Alias(TypeId),
    /// `const`, `volatile`, `restrict`, an attribute: the same type with a quality.
    Qualified(TypeId),
    /// A function.
    Function {
        /// What it returns.
        returns: TypeId,
        /// Where its parameters are kept.
        parameters: Span,
    },
    /// A struct or union of which only the name is known.
    Forward,
}

/// A struct or union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Composite {
    /// Whether it is a union.
    pub union: bool,
    /// Its size.
    pub bytes: u32,
    /// Where its members are kept, in the order of their offsets.
    pub members: Span,
}

/// A run of entries in a list of [`Types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// A member of a struct or union.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name ([`Types::text`]); empty for an anonymous struct or union.
    pub name: Name,
    /// Its type.
    pub of: TypeId,
    /// Where it lies, bits from the start.
    pub bit_offset: u32,
    /// Its size in bits when it is a bit field, else 0.
    pub bit_size: u32,
}

impl Member {
    /// Where it lies, bytes from the start.
    pub fn offset(&self) -> u32 {
        self.bit_offset / 8
    }
}
