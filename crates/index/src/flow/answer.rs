//! The choice at a site: from the clues of the value that is locked to an object.

mod bits;
mod candidates;

use super::container::Containers;
use super::evidence::{Clue, Evidence, place_in};
use super::follow::{Event, Follower};
use super::known::Known;
use super::learn::argument_place;
use super::values::{Node, NodeId, STACK, Value, ZERO};
use super::{Answer, Object};
use crate::code::{FunctionId, Site};
use crate::types::{LockAt, MemberAt, Spot, TypeId, Types, lock_named, takes};
use lima_model::LockType;
use lima_model::primitive::{Part, Primitive};
use lima_model::words::SiteMethod;
use rustc_hash::FxHashSet;

/// Why a site has no answer whose lock is a parameter.
pub const LOCK_OF_THE_CALLER: &str = "lock of the caller";
/// Alternatives beyond this many are not listed.
pub const ALTERNATIVES: usize = 8;
/// How far joins are followed to find the field that a pointer was loaded from.
const DEPTH: u32 = 8;
/// More joins are not looked through for one variable.
const JOINS: usize = 8;

/// What is asked about a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The address of its instruction.
    pub address: u64,
    /// Which argument is the lock, from 0.
    pub argument: u8,
    /// What the function that is called takes.
    pub lock_type: LockType,
    /// It takes this part of its argument.
    pub part: Option<Part>,
    /// It takes this bit of what the argument points to, where the code says which.
    pub bit: Option<u64>,
}

impl Question {
    /// What is asked about a site of the program.
    pub fn of(site: &Site) -> Self {
        let Primitive { lock, lock_type, part, .. } = *site.primitive;
        Self { address: site.address, argument: lock, lock_type, part, bit: site.bit }
    }

    /// What is handed over in a call as the address of a lock.
    pub fn handed(address: u64, argument: u8, lock_type: LockType) -> Self {
        Self { address, argument, lock_type, part: None, bit: None }
    }
}

/// What a function was found out to do with values.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// The function.
    pub function: FunctionId,
    /// Its values.
    pub follower: &'a Follower,
    /// What is known of their types.
    pub evidence: &'a Evidence,
    /// What is known outside.
    pub known: &'a Known,
    /// The types.
    pub types: &'a Types,
    /// Types that occur in the function, by whatever name.
    pub seen: &'a FxHashSet<TypeId>,
    /// Whether that is all types that its source names.
    pub complete: bool,
}

/// A lock that could be meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub lock: LockAt,
    /// The type that it was found in, and where.
    pub outer: TypeId,
    pub at: u32,
    pub strength: u8,
    /// Debug information says that a variable of the type is kept in the value itself.
    pub variable: bool,
}

impl Judge<'_> {
    /// The value that is locked at a site; `None` when the instruction is not there, or is no call.
    pub fn value(&self, question: &Question, instruction: impl Fn(u32) -> u64) -> Option<Value> {
        self.follower.events.iter().find_map(|event| match *event {
            Event::Call { instruction: number, ref arguments, .. } if instruction(number) == question.address => {
                arguments.get(usize::from(question.argument)).copied()
            }
            _ => None,
        })
    }

    /// What is locked at a site where the lock function is given this value.
    pub fn asked(&self, value: Value, question: &Question) -> Answer {
        match question.lock_type {
            LockType::BitLock => self.bit(value, question.bit),
            lock_type => self.answer(value, lock_type),
        }
    }

    /// What is locked where a value is the address of a lock of this type.
    pub fn answer(&self, value: Value, lock_type: LockType) -> Answer {
        if let Some(address) = self.global(value) {
            return found(Object::Global { address }, SiteMethod::Address);
        }
        let (locks, itself) = self.candidates(value, lock_type);
        if self.follower.values.is_stack(value.node) {
            let mut answer = self.choose(&locks, SiteMethod::Local);
            if matches!(answer.object, Object::Unknown(_)) {
                answer = found(Object::Local, SiteMethod::Local);
            }
            return answer;
        }
        if !locks.is_empty() {
            let variable = locks.iter().any(|candidate| candidate.variable);
            return self.choose(&locks, if variable { SiteMethod::Variable } else { SiteMethod::Flow });
        }
        if let Some(answer) = self.pointer(value, lock_type) {
            return answer;
        }
        if self.is_handed_over(value, itself) {
            return unknown(LOCK_OF_THE_CALLER);
        }
        // A number alone is in no struct.
        if value.node != ZERO
            && let Some(answer) = self.container(value, lock_type)
        {
            return answer;
        }
        unknown(self.cause(value, itself))
    }

    /// The argument of the function that a value is, as it was handed over.
    pub fn handed_over(&self, value: Value) -> Option<u8> {
        match self.follower.values.node(value.node) {
            Node::Entry(register) if value.offset == 0 => argument_place(register),
            _ => None,
        }
    }

    /// Whether the lock itself is a parameter of the function, and nothing else is known of it.
    fn is_handed_over(&self, value: Value, itself: bool) -> bool {
        itself
            && self.handed_over(value).is_some()
            && self.evidence.clues(value.node).all(|clue| self.is_lock_at(&clue))
    }

    /// Whether a clue only says that a lock begins at the node.
    fn is_lock_at(&self, clue: &Clue) -> bool {
        clue.at == 0 && (self.is_lock(clue.of).is_some() || self.types.bytes(clue.of) <= 4)
    }

    /// The address of a variable; of an array that is gone through, where that begins.
    pub fn global(&self, value: Value) -> Option<u64> {
        let Node::Join(_) = self.follower.values.node(value.node) else { return self.fixed(value) };
        let mut known: Vec<NodeId> = vec![value.node];
        let mut found: Option<u64> = None;
        let mut next = 0;
        while let Some(&join) = known.get(next) {
            next += 1;
            for &(_, operand) in self.follower.values.operands().iter().filter(|&&(id, _)| id == join) {
                if known.contains(&operand.node) {
                    continue;
                }
                if matches!(self.follower.values.node(operand.node), Node::Join(_)) && known.len() < JOINS {
                    known.push(operand.node);
                    continue;
                }
                let address = self.fixed(operand.plus(value.offset))?;
                if found.is_some_and(|found| found != address) {
                    return None;
                }
                found = Some(address);
            }
        }
        found
    }

    fn fixed(&self, value: Value) -> Option<u64> {
        let address = value.offset.cast_unsigned();
        let values = &self.follower.values;
        let per_cpu = match values.node(value.node) {
            // The number was added to the distance of a CPU's share.
            _ if values.is_per_cpu_offset(value.node) => true,
            Node::PerCpu { base: ZERO } => true,
            Node::PerCpu { base } if matches!(values.node(base), Node::Scaled { .. }) => true,
            _ => false,
        };
        if per_cpu {
            return (self.known.is_data(address, true) || self.known.is_data(address, false)).then_some(address);
        }
        self.known.is_data(address, false).then_some(address)
    }

    /// Whether a type is a lock.
    fn is_lock(&self, of: TypeId) -> Option<LockType> {
        self.types.lock_type(of).or_else(|| lock_named(self.types.name(of)))
    }

    /// Whether a function that takes this type of lock takes what a pointer to this type points to.
    fn takes(&self, of: TypeId, lock_type: LockType) -> bool {
        self.is_lock(of).is_some_and(|own| takes(lock_type, own))
    }

    fn member(&self, spot: &Spot) -> Object {
        Object::Member { declaring: spot.declaring, path: self.types.path(spot) }
    }

    /// The strongest candidate, when the others that are as strong agree.
    fn choose(&self, candidates: &[Candidate], method: SiteMethod) -> Answer {
        let Some(strongest) = candidates.iter().map(|candidate| candidate.strength).max() else {
            return unknown("no evidence");
        };
        let mut top: Vec<Object> = Vec::new();
        let mut rest: Vec<Object> = Vec::new();
        for candidate in candidates {
            let object = self.member(&candidate.lock.spot);
            let list = if candidate.strength == strongest { &mut top } else { &mut rest };
            self.push(list, object);
        }
        for candidate in candidates.iter().filter(|candidate| candidate.outer != candidate.lock.spot.declaring) {
            // A wider container is another name for the same lock.
            let path = self.types.path_from(candidate.outer, candidate.at, &candidate.lock.spot);
            if self.types.is_named(candidate.outer) && !path.is_empty() {
                self.push(&mut rest, Object::Member { declaring: candidate.outer, path });
            }
        }
        if top.len() > 1 {
            top.truncate(ALTERNATIVES);
            return Answer {
                object: Object::Unknown("evidence conflicts"),
                alternatives: top,
                method: SiteMethod::Unknown,
            };
        }
        let Some(object) = top.pop() else { return unknown("no evidence") };
        rest.retain(|other| !self.same(other, &object));
        rest.truncate(ALTERNATIVES);
        Answer { object, alternatives: rest, method }
    }

    fn push(&self, list: &mut Vec<Object>, object: Object) {
        if !list.iter().any(|other| self.same(other, &object)) {
            list.push(object);
        }
    }

    /// Whether two objects read the same: types occur twice when they were compiled differently.
    fn same(&self, a: &Object, b: &Object) -> bool {
        match (a, b) {
            (Object::Member { declaring: a, path: p }, Object::Member { declaring: b, path: q })
            | (Object::Pointer { declaring: a, path: p }, Object::Pointer { declaring: b, path: q }) => {
                p == q && (a == b || self.types.name(*a) == self.types.name(*b))
            }
            (a, b) => a == b,
        }
    }

    /// The field that a pointer to a lock was loaded from.
    fn pointer(&self, value: Value, lock_type: LockType) -> Option<Answer> {
        if value.offset != 0 {
            return None;
        }
        let mut fields = Vec::new();
        self.fields(value.node, lock_type, DEPTH, &mut fields);
        let strongest = fields.iter().map(|&(strength, _)| strength).max()?;
        let mut objects = Vec::new();
        for (strength, member) in fields {
            if strength == strongest {
                let path = self.types.path(&member.spot);
                self.push(&mut objects, Object::Pointer { declaring: member.spot.declaring, path });
            }
        }
        match objects.len() {
            0 => None,
            1 => Some(found(objects.pop()?, SiteMethod::Pointer)),
            _ => Some(Answer {
                object: Object::Unknown("evidence conflicts"),
                alternatives: objects,
                method: SiteMethod::Unknown,
            }),
        }
    }

    fn fields(&self, node: NodeId, lock_type: LockType, depth: u32, into: &mut Vec<(u8, MemberAt)>) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let node_is = self.follower.values.node(node);
        let cell = match node_is {
            Node::Load { address, bytes: 8, per_cpu: false } => Some(address),
            Node::Stale { slot, .. } => Some(Value { node: STACK, offset: slot }),
            _ => None,
        };
        match node_is {
            Node::Load { .. } | Node::Stale { .. } => {
                let Some(address) = cell else { return };
                for clue in self.evidence.clues(address.node) {
                    let Some(at) = place_in(self.types, clue, address.offset) else { continue };
                    self.types.each_pointer_at(clue.of, at, &mut |member, pointee| {
                        if self.takes(pointee, lock_type) && !self.types.path(&member.spot).is_empty() {
                            into.push((clue.strength, member));
                        }
                    });
                }
            }
            Node::Indexed { base, .. } => self.fields(base, lock_type, depth, into),
            Node::Aligned { of, .. } => self.fields(of.node, lock_type, depth, into),
            Node::Join(_) => {
                for &(join, operand) in self.follower.values.operands() {
                    if join == node && operand.offset == 0 && operand.node != ZERO {
                        self.fields(operand.node, lock_type, depth, into);
                    }
                }
            }
            _ => {}
        }
    }

    /// The search for a container.
    pub(super) fn containers(&self) -> Containers<'_> {
        let Self { function, follower, types, known, evidence, seen, complete } = *self;
        Containers { function, values: &follower.values, types, known, evidence, seen, complete }
    }

    /// The container of what is known, when what is known is too small.
    fn container(&self, value: Value, lock_type: LockType) -> Option<Answer> {
        let (list, enough) = self.containers().find(value, lock_type);
        if list.is_empty() {
            return None;
        }
        let mut answer = self.choose(&list, SiteMethod::Container);
        if !enough && !matches!(answer.object, Object::Unknown(_)) {
            answer.alternatives.insert(0, answer.object);
            answer.alternatives.truncate(ALTERNATIVES);
            answer.object = Object::Unknown("");
            answer.method = SiteMethod::Unknown;
        }
        if let Object::Unknown(cause) = &mut answer.object {
            *cause = if enough { "container is ambiguous" } else { "container is not certain" };
        }
        Some(answer)
    }

    /// Why nothing was found.
    fn cause(&self, value: Value, itself: bool) -> &'static str {
        let values = &self.follower.values;
        if itself || self.evidence.clues(value.node).next().is_none() {
            // What the lock function says it is tells nothing of the struct around it.
            let is_itself =
                |clue: Clue| i64::from(clue.at) == value.offset.wrapping_neg() && self.is_lock(clue.of).is_some();
            return match values.node(value.node) {
                Node::Entry(_) if self.handed_over(value).is_some() => LOCK_OF_THE_CALLER,
                Node::Entry(_) if self.evidence.clues(value.node).all(is_itself) => "untyped parameter",
                Node::Entry(_) => "no lock there",
                Node::Load { address, .. } if address.node == STACK => "pointer on the stack",
                Node::Load { .. } => "pointer of unknown origin",
                Node::Result(_) => "returned by a call",
                Node::Zero => "address of no variable",
                Node::Join(_) => "one of several",
                Node::Indexed { .. } | Node::PerCpu { .. } | Node::Scaled { .. } => "computed address",
                Node::Opaque(..) | Node::Junk | Node::Stale { .. } | Node::Aligned { .. } | Node::Stack => "lost value",
            };
        }
        "no lock there"
    }
}

/// The part that a lock function takes of whatever it is given.
pub fn part_of(types: &Types, part: &Part) -> Answer {
    let object = types.lock_part(part).map(|(declaring, path)| Object::Member { declaring, path });
    object.map_or_else(|| unknown("no type of that name"), |object| found(object, SiteMethod::Function))
}

fn found(object: Object, method: SiteMethod) -> Answer {
    Answer { object, alternatives: Vec::new(), method }
}

fn unknown(cause: &'static str) -> Answer {
    Answer { object: Object::Unknown(cause), alternatives: Vec::new(), method: SiteMethod::Unknown }
}
