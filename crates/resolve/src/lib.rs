//! From addresses to kernel objects: a trace says which locks were taken and where, an index what the kernel's code does
//! there; together they say what each lock protects.
//!
//! - [`running`]: addresses of the traced kernel as the index has them (KASLR, modules);
//! - [`seen`]: the locks of a trace, and where each was taken;
//! - [`evidence`]: what speaks for an object, one kind a file: the variable a lock lies in, the places that took or
//!   initialised it, the slab cache that it was allocated from;
//! - [`rules`]: how evidence becomes an answer, and when there is none;
//! - [`lines`]: return addresses as chains of inlined functions in the source;
//! - [`words`]: what people should know of an object: its subsystem, and what it is for;
//! - [`explain`]: the evidence on one lock, for people.
//!
//! [`resolve`] does all of it and gives the tables `objects` and `lines` of the trace. For the stacks of processes, which need no
//! index, [`user`] gives the table `user_lines`.

mod error;
pub mod evidence;
pub mod explain;
pub mod lines;
mod names;
mod naming;
mod resolve;
mod rows;
pub mod rules;
pub mod running;
pub mod seen;
mod tables;
pub mod user;
pub mod words;

pub use error::Error;
pub use names::{Name, Names};
pub use resolve::{Pieces, Resolver};
pub use tables::{Resolution, Share, resolve};
