//! Evidence: which types the values of a function point to.
//!
//! A [`Clue`] says that a node is an address inside some type, at an offset. Clues come from prototypes, from fields
//! that pointers were loaded from or stored to, and from debug information; they are carried between nodes until
//! nothing new comes of it. Each has a strength, that of the weakest step on its way.

mod connect;

use super::follow::{Event, Follower};
use super::known::Known;
use super::learn::{Key, field_key};
use super::values::{JUNK, Node, NodeId, STACK, Value, ZERO};
use crate::code::FunctionId;
use crate::debug::Binding;
use crate::types::{Prototype, Type, TypeId, Types, VOID};

/// Debug information says so.
pub const NAMED: u8 = 10;
/// A prototype or the type of a field says so.
pub const DECLARED: u8 = 8;
/// Other code says so.
pub const LEARNED: u8 = 6;
/// One of several members of a union.
const ONE_OF_SEVERAL: u8 = 5;
/// Values that go the same way may be of other types before they meet.
const BEFORE_JOIN: u8 = 1;
/// A pointer that is moved in a loop.
const MOVED: u8 = 2;
/// The least strength that steps leave.
const WEAKEST: u8 = 1;
/// More clues are not kept of one node.
const CLUES: u32 = 40;
/// More are not kept of one function.
const ALL_CLUES: usize = 400_000;
/// Clues of one node that differ only in the offset.
const OFFSETS: usize = 4;
/// Offsets beyond this are of no use.
const FAR: i64 = 1 << 20;

const NONE: u32 = u32::MAX;

/// A node is an address inside a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clue {
    /// The type, resolved.
    pub of: TypeId,
    /// The node's offset in it.
    pub at: i32,
    /// How sure that is.
    pub strength: u8,
    /// It came through a join from one of its values, and says nothing of the others.
    pub one_of: bool,
    /// It is what the array is in that the node is an element of.
    pub array: bool,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    clue: Clue,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// `to` is this and `more`; a clue loses `costs` of its strength.
    Same { more: i64, costs: u8 },
    /// `to` is a join, and this and `more` one of its values.
    Join { more: i64, costs: u8 },
    /// This is an array, or what it is in, and `to` an element.
    Element,
    /// This is a join, and `to` and a number one of its values.
    Split { more: i64, costs: u8 },
    /// `to` and `back` is the pointer that stands at this and `more`.
    Field { more: i64, back: i64 },
    /// This and `more` is what the call, an event by its number, calls.
    Called { more: i64, event: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    to: NodeId,
    step: Step,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Heads {
    clues: u32,
    edges: u32,
    count: u32,
    used: bool,
}

/// The clues of one function. Its buffers are used again.
#[derive(Debug, Default)]
pub struct Evidence {
    heads: Vec<Heads>,
    links: Vec<Link>,
    edges: Vec<Edge>,
    queue: Vec<(NodeId, u32)>,
    marks: Vec<NodeId>,
}

/// What the function itself is known to take and return, and what debug information says in it.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// Its number.
    pub function: FunctionId,
    /// Its address.
    pub address: u64,
    /// Its prototype.
    pub prototype: Option<Prototype<'a>>,
    /// Its variables, sorted by their start.
    pub bindings: &'a [Binding],
}

impl Evidence {
    /// The clues of a node.
    pub fn clues(&self, node: NodeId) -> impl Iterator<Item = Clue> + '_ {
        let mut next = self.heads.get(node.0 as usize).map_or(NONE, |heads| heads.clues);
        std::iter::from_fn(move || {
            let link = self.links.get(next as usize)?;
            next = link.next;
            Some(link.clue)
        })
    }

    /// Each value that is loaded from, or stored to, an address that is a node and a number: that number, and what is
    /// the pointer: a node and another number.
    pub fn each_field(&self, node: NodeId, each: &mut impl FnMut(i64, NodeId, i64)) {
        let mut next = self.heads.get(node.0 as usize).map_or(NONE, |heads| heads.edges);
        while let Some(edge) = self.edges.get(next as usize) {
            next = edge.next;
            if let Step::Field { more, back } = edge.step {
                each(more, edge.to, back);
            }
        }
    }

    /// Every clue of the function.
    pub fn all(&self) -> impl Iterator<Item = Clue> + '_ {
        self.links.iter().map(|link| link.clue)
    }

    /// Gathers the clues of a function that was followed.
    pub fn gather(&mut self, follower: &Follower, own: Own<'_>, known: &Known, types: &Types) {
        let values = &follower.values;
        self.links.clear();
        self.edges.clear();
        self.queue.clear();
        self.heads.clear();
        let fresh = Heads { clues: NONE, edges: NONE, count: 0, used: false };
        self.heads.resize(values.len(), fresh);
        self.mark_used(follower, known, types);
        let Follower { values, events, .. } = follower;
        for (id, node) in values.iter() {
            self.connect(id, node);
        }
        for &(join, operand) in values.operands() {
            self.connect_join(join, operand, known);
        }
        for (number, event) in (0..).zip(events.iter()) {
            self.connect_event(number, event, values, own, known, types);
        }
        for (id, node) in values.iter() {
            self.seed(id, node, values, own, known, types);
        }
        for event in events.iter() {
            // What is stored is what is loaded from there.
            if let Event::Store { address, per_cpu, value } = *event
                && let Some(cell) = values.find(Node::Load { address, bytes: 8, per_cpu })
            {
                self.same(value, cell, 0, BEFORE_JOIN);
            }
        }
        while let Some((node, link)) = self.queue.pop() {
            let clue = self.links[link as usize].clue;
            let mut next = self.heads[node.0 as usize].edges;
            while let Some(&edge) = self.edges.get(next as usize) {
                next = edge.next;
                self.carry(clue, edge, events, own, known, types);
            }
        }
    }

    /// A value is a pointer of this type.
    fn points_to(&mut self, value: Value, pointer: TypeId, strength: u8, types: &Types) {
        if let Some(of) = types.pointee(pointer) {
            self.is_at(value, of, strength);
        }
    }

    fn is_at(&mut self, value: Value, of: TypeId, strength: u8) {
        if !matches!(value.node, ZERO | JUNK) {
            self.add(value.node, of, value.offset.wrapping_neg(), strength);
        }
    }

    /// What other code says of the value `to` and `back`.
    fn learned(&mut self, to: NodeId, back: i64, key: Key, own: Own<'_>, known: &Known) {
        known.about(key, own.function, &mut |of, at| {
            self.add(to, of, i64::from(at).wrapping_sub(back), LEARNED);
        });
    }

    /// What stands in a field is the address `to` and `back`.
    fn field(&mut self, of: TypeId, at: u32, to: NodeId, back: i64, (strength, one_of): (u8, bool), types: &Types) {
        let mut count = 0;
        types.each_pointer_at(of, at, &mut |_, _| count += 1);
        if count == 0 {
            return;
        }
        let strength = if count > 1 { strength.min(ONE_OF_SEVERAL) } else { strength.min(DECLARED) };
        types.each_pointer_at(of, at, &mut |_, pointee| {
            if !matches!(types.get(pointee), Type::Void | Type::Scalar { .. } | Type::Forward) {
                let clue = Clue { of: pointee, at: 0, strength, one_of, array: false };
                self.put(to, back.wrapping_neg(), clue);
            }
        });
    }

    fn carry(&mut self, clue: Clue, edge: Edge, events: &[Event], own: Own<'_>, known: &Known, types: &Types) {
        match edge.step {
            Step::Split { .. } if clue.one_of => {}
            Step::Same { more, costs } | Step::Join { more, costs } | Step::Split { more, costs } => {
                let strength = clue.strength.saturating_sub(costs).max(WEAKEST);
                let one_of = clue.one_of || matches!(edge.step, Step::Join { .. });
                let at = i64::from(clue.at).wrapping_add(more);
                self.put(edge.to, at, Clue { strength, one_of, ..clue });
            }
            Step::Element => self.put(edge.to, clue.at.into(), Clue { array: true, ..clue }),
            Step::Field { more, back } => {
                if let Some(at) = place_in(types, clue, more) {
                    self.field(clue.of, at, edge.to, back, (clue.strength, clue.one_of), types);
                    types.each_pointer_at(clue.of, at, &mut |member, pointee| {
                        let Some(key) = field_key(types, clue.of, at, &member, pointee) else { return };
                        if pointee == VOID {
                            // Private to whoever has the struct: what the kernel keeps there says nothing of a module.
                            known.about_here(key, own.function, &mut |of, at| {
                                self.add(edge.to, of, i64::from(at).wrapping_sub(back), LEARNED);
                            });
                        } else {
                            self.learned(edge.to, back, key, own, known);
                        }
                    });
                }
            }
            Step::Called { more, event } => {
                if i64::from(clue.at) != more.wrapping_neg() {
                    return;
                }
                if let Some(prototype) = types.prototype_of(clue.of)
                    && let Some(Event::Call { arguments, result, .. }) = events.get(event as usize)
                {
                    self.call(&prototype, arguments, *result, clue.strength.min(DECLARED), types);
                }
            }
        }
    }

    fn add(&mut self, node: NodeId, of: TypeId, at: i64, strength: u8) {
        self.put(node, at, Clue { of, at: 0, strength, one_of: false, array: false });
    }

    /// Adds a clue, or makes it stronger.
    fn put(&mut self, node: NodeId, at: i64, clue: Clue) {
        let Clue { of, strength, one_of, array, .. } = clue;
        if !(-FAR..=FAR).contains(&at) || of == VOID {
            return;
        }
        let Some(heads) = self.heads.get_mut(node.0 as usize) else { return };
        let at = at as i32;
        let mut next = heads.clues;
        let mut alike = 0;
        while let Some(link) = self.links.get_mut(next as usize) {
            if link.clue.of == of {
                if link.clue.at == at {
                    let own = &mut link.clue;
                    if own.strength < strength || (own.one_of && !one_of) || (own.array && !array) {
                        own.strength = own.strength.max(strength);
                        own.one_of &= one_of;
                        own.array &= array;
                        self.queue.push((node, next));
                    }
                    return;
                }
                alike += 1;
            }
            next = link.next;
        }
        if heads.count >= CLUES || self.links.len() >= ALL_CLUES || (alike >= OFFSETS && node != STACK) {
            return;
        }
        let number = self.links.len() as u32;
        self.links.push(Link { clue: Clue { of, at, strength, one_of, array }, next: heads.clues });
        heads.clues = number;
        heads.count += 1;
        self.queue.push((node, number));
    }
}

/// The offset in the clue's type of the node and `more`; `None` when that is outside of it.
pub fn place_in(types: &Types, clue: Clue, more: i64) -> Option<u32> {
    let at = u32::try_from(i64::from(clue.at).checked_add(more)?).ok()?;
    let bytes = types.bytes(clue.of);
    match types.get(clue.of) {
        // What a pointer points to is an array, as far as anybody knows.
        Type::Pointer(_) => Some(at % 8),
        Type::Array { count: 0, .. } => Some(at),
        _ if at < bytes => Some(at),
        Type::Composite(_) => ends_open(types, clue.of).then_some(at),
        _ => None,
    }
}

/// Whether a struct ends with an array of any length.
pub fn ends_open(types: &Types, of: TypeId) -> bool {
    let last = types.members(of).last();
    last.is_some_and(|last| matches!(types.resolved(last.of), Type::Array { count: 0, .. }))
}
