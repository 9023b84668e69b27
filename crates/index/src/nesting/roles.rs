//! What functions are to locks.

use super::Nesting;
use crate::flow::Object;
use lima_model::primitive::is_inner;
use lima_model::words::{Operation, SiteMethod};

/// The cause of sites whose lock is a parameter of the function, when not all callers hand over the same.
const LOCK_OF_THE_CALLER: &str = "lock of the caller";

/// What a function is to locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// A lock function, or a part of one.
    Primitive,
    /// Takes or lets go of one known lock for its callers.
    Wrapper,
    /// Takes or lets go of a lock that its caller hands over.
    CallersLock,
    /// Takes locks.
    Locks,
    /// Nothing.
    None,
}

impl Role {
    /// As tables have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Primitive => "primitive",
            Self::Wrapper => "wrapper",
            Self::CallersLock => "callers_lock",
            Self::Locks => "locks",
            Self::None => "none",
        }
    }
}

/// The roles of all functions, in their order.
pub fn roles(nesting: &Nesting<'_>) -> Vec<Role> {
    let functions = &nesting.program.functions;
    let role = |(id, function): (_, &crate::code::Function)| {
        if function.names().any(|name| is_inner(name)) {
            return Role::Primitive;
        }
        if nesting.counted(id).next().is_none() {
            return Role::None;
        }
        let known = |site: &usize| match &nesting.answers[*site].object {
            Object::Member { .. } | Object::Global { .. } => nesting.answers[*site].method != SiteMethod::Callers,
            Object::Pointer { .. } | Object::Local | Object::Unknown(_) => false,
        };
        let released = || nesting.counted(id).filter(|(_, site)| site.operation == Operation::Release);
        // Held at some of its ends and never let go: a function that tries, or that can be interrupted.
        let keeps = |site: usize| !released().any(|(other, _)| nesting.lock(site).ends_with(&nesting.lock(other)));
        // What it does by itself, and is not undone by a function that it calls.
        if let (Some(own), Some(all)) = (nesting.by_itself.get(&id), nesting.with_callees.get(&id)) {
            let takes = own.takes.iter().any(|site| all.takes.contains(site) && known(site));
            let may_take = own.may_take.iter().any(|site| all.may_take.contains(site) && known(site) && keeps(*site));
            // Lets go of one lock that it did not take, and has no other business with locks.
            let only = |object: &Object| nesting.counted(id).all(|(other, _)| nesting.answers[other].object == *object);
            let lets_go = own
                .releases
                .iter()
                .any(|site| all.releases.contains(site) && known(site) && only(&nesting.answers[*site].object));
            if takes || may_take || lets_go {
                return Role::Wrapper;
            }
        }
        let handed_over = |site: usize| {
            let answer = &nesting.answers[site];
            answer.method == SiteMethod::Callers || answer.object == Object::Unknown(LOCK_OF_THE_CALLER)
        };
        if nesting.counted(id).any(|(number, _)| handed_over(number)) {
            return Role::CallersLock;
        }
        if nesting.taking(id).next().is_some() { Role::Locks } else { Role::None }
    };
    functions.iter().map(role).collect()
}
