//! The types of a kernel, from BTF or DWARF, deduplicated: one [`Types`] for the kernel, one on top for each module.
//!
//! Names are not unique; a [`TypeId`] is.

use lima_model::LockType;

/// A type by its number in [`Types`]. 0 is `void`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TypeId(pub u32);

/// `void`.
pub const VOID: TypeId = TypeId(0);

/// A type.
#[derive(Clone, Debug, PartialEq)]
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
        /// Its parameters.
        parameters: Vec<TypeId>,
    },
    /// A struct or union of which only the name is known.
    Forward,
}

/// A struct or union.
#[derive(Clone, Debug, PartialEq)]
pub struct Composite {
    /// Whether it is a union.
    pub union: bool,
    /// Its size.
    pub bytes: u32,
    /// Its members, in order of declaration.
    pub members: Vec<Member>,
}

/// A member of a struct or union.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name; empty for an anonymous struct or union.
    pub name: String,
    /// Its type.
    pub of: TypeId,
    /// Where it lies, bits from the start.
    pub bit_offset: u32,
    /// Its size in bits when it is a bit field, else 0.
    pub bit_size: u32,
}

/// A lock inside a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockAt {
    /// The innermost *named* struct that declares it, and so the left side of `TYPE.path`.
    pub declaring: TypeId,
    /// The path in that struct, `tree.lock` or `slots[].lock`: anonymous members left out.
    pub path: String,
    /// The path from the type that was asked about.
    pub full_path: String,
    /// Its offset in the type that was asked about, bytes.
    pub offset: u32,
    /// Its size.
    pub bytes: u32,
    /// What it is.
    pub lock_type: LockType,
}
