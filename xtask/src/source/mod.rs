//! What the source text of a kernel says of its locks.

pub mod condition;
pub mod context;
pub mod declarations;
mod declarators;
pub mod expressions;
pub mod lexer;
pub mod locals;
pub mod locks;
pub mod macros;
pub mod places;
pub mod scope;
pub mod tree;
pub mod truth;
pub mod types;

#[cfg(test)]
mod tests;
