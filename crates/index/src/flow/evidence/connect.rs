//! What values say of each other, and the clues that need no other clue.

use super::{BEFORE_JOIN, DECLARED, Edge, Evidence, MOVED, NAMED, Own, Step};
use crate::code::Register;
use crate::flow::follow::{ARGUMENTS, Callee, Event, Follower};
use crate::flow::known::{Known, in_registers};
use crate::flow::learn::{Key, argument_place};
use crate::flow::values::{JUNK, Node, NodeId, STACK, Special, Value, Values, ZERO};
use crate::types::{Prototype, Types};

impl Evidence {
    /// Joins whose value nobody uses are only what dead registers happen to hold.
    pub(super) fn mark_used(&mut self, follower: &Follower, known: &Known, types: &Types) {
        let mut marks = std::mem::take(&mut self.marks);
        marks.clear();
        for (_, node) in follower.values.iter() {
            match node {
                Node::Load { address, .. } => marks.push(address.node),
                Node::Aligned { of, .. } => marks.push(of.node),
                Node::Indexed { base, by, .. } => marks.extend([base, by]),
                Node::Scaled { of, .. } => marks.push(of),
                Node::PerCpu { base } => marks.push(base),
                _ => {}
            }
        }
        for event in &follower.events {
            match *event {
                Event::Call { callee, ref arguments, .. } => {
                    let prototype = match callee {
                        Callee::Direct(address) => known.prototype(address),
                        Callee::Indirect(value) => {
                            marks.push(value.node);
                            None
                        }
                    };
                    match prototype {
                        Some(prototype) => marks
                            .extend(in_registers(types, prototype.parameters).map(|(place, _)| arguments[place].node)),
                        None => marks.extend(arguments.iter().take(2).map(|argument| argument.node)),
                    }
                }
                Event::Store { address, value, .. } => marks.extend([address.node, value.node]),
                Event::Return(value) => marks.push(value.node),
                Event::Became { from, .. } => marks.push(from.node),
                Event::Bound { value, .. } => marks.push(value.node),
            }
        }
        // Operands of used joins, through joins of joins.
        let operands = follower.values.operands();
        let mut order: Vec<u32> = (0..operands.len() as u32).collect();
        order.sort_unstable_by_key(|&at| operands[at as usize].0);
        while let Some(node) = marks.pop() {
            let Some(heads) = self.heads.get_mut(node.0 as usize) else { continue };
            if std::mem::replace(&mut heads.used, true) {
                continue;
            }
            let first = order.partition_point(|&at| operands[at as usize].0 < node);
            let own = order[first..].iter().map(|&at| operands[at as usize]).take_while(|(join, _)| *join == node);
            marks.extend(own.map(|(_, operand)| operand.node));
        }
        self.marks = marks;
    }

    fn edge(&mut self, from: NodeId, to: NodeId, step: Step) {
        if matches!(from, ZERO | JUNK) || to == JUNK {
            return;
        }
        let number = self.edges.len() as u32;
        if let Some(heads) = self.heads.get_mut(from.0 as usize) {
            self.edges.push(Edge { to, step, next: heads.edges });
            heads.edges = number;
        }
    }

    /// `from` and its number is `to` and `back`.
    pub(super) fn same(&mut self, from: Value, to: NodeId, back: i64, costs: u8) {
        // What lies on the stack is typed by its place there, and nothing is learned of the stack from a copy.
        if to != STACK && to != ZERO {
            let more = from.offset.wrapping_sub(back);
            self.edge(from.node, to, Step::Same { more, costs });
        }
    }

    pub(super) fn connect(&mut self, id: NodeId, node: Node) {
        match node {
            Node::Load { address, bytes: 8, per_cpu: false } => {
                self.edge(address.node, id, Step::Field { more: address.offset, back: 0 });
            }
            Node::Aligned { of, .. } => {
                self.same(of, id, 0, 0);
                self.same(Value::of(id), of.node, of.offset, BEFORE_JOIN);
            }
            Node::Indexed { base, by, stride } => {
                self.edge(base, id, Step::Element);
                match stride {
                    1 => self.same(Value::of(by), id, 0, 0),
                    _ => self.same(Value::of(id), base, 0, MOVED),
                }
            }
            Node::PerCpu { base } => {
                self.same(Value::of(base), id, 0, 0);
                self.same(Value::of(id), base, 0, 0);
            }
            _ => {}
        }
    }

    pub(super) fn connect_join(&mut self, join: NodeId, operand: Value, known: &Known) {
        if !self.heads.get(join.0 as usize).is_some_and(|heads| heads.used) || operand.node == join {
            return;
        }
        if operand.node == ZERO {
            if let Some((of, rest)) = known.variable_at(operand.offset.cast_unsigned(), false) {
                self.add(join, of, i64::from(rest), DECLARED);
            }
            return;
        }
        let costs = if operand.offset == 0 { 0 } else { MOVED };
        self.edge(operand.node, join, Step::Join { more: operand.offset, costs });
        if operand.node != STACK {
            let more = operand.offset.wrapping_neg();
            self.edge(join, operand.node, Step::Split { more, costs: BEFORE_JOIN + costs });
        }
    }

    pub(super) fn connect_event(
        &mut self,
        number: u32,
        event: &Event,
        values: &Values,
        own: Own<'_>,
        known: &Known,
        types: &Types,
    ) {
        match *event {
            Event::Call { callee: Callee::Direct(address), ref arguments, result, .. } => {
                if let Some(prototype) = known.prototype(address) {
                    self.call(&prototype, arguments, result, DECLARED, types);
                }
                if let Some(result) = result {
                    self.learned(result, 0, Key::Result(address), own, known);
                }
            }
            Event::Call { callee: Callee::Indirect(value), .. } => {
                self.edge(value.node, value.node, Step::Called { more: value.offset, event: number });
            }
            Event::Store { address, per_cpu, value } => {
                if !matches!(value.node, ZERO | STACK) && !per_cpu {
                    self.edge(address.node, value.node, Step::Field { more: address.offset, back: value.offset });
                }
            }
            Event::Return(value) => {
                if let Some(prototype) = own.prototype {
                    self.points_to(value, prototype.returns, DECLARED - 1, types);
                }
            }
            Event::Became { from, to } => self.same(from, to, 0, BEFORE_JOIN),
            Event::Bound { value, binding, in_memory } => {
                let Some(binding) = own.bindings.get(binding as usize) else { return };
                match in_memory {
                    false => self.points_to(value, binding.of, NAMED, types),
                    true => match types.pointee(binding.of) {
                        // What stands there is the pointer: an address of a pointer would be an array's.
                        Some(_) => {
                            if let Some(cell) = values.find(Node::Load { address: value, bytes: 8, per_cpu: false }) {
                                self.points_to(Value::of(cell), binding.of, NAMED, types);
                            }
                        }
                        None => self.is_at(value, types.resolve(binding.of), NAMED),
                    },
                }
            }
        }
    }

    /// Clues that need no other clue.
    pub(super) fn seed(&mut self, id: NodeId, node: Node, values: &Values, own: Own<'_>, known: &Known, types: &Types) {
        match node {
            Node::Entry(register) => {
                if let Some(place) = argument_place(register) {
                    self.learned(id, 0, Key::Parameter(own.address, place), own, known);
                }
                let Some(prototype) = own.prototype else { return };
                let place = |place: usize| ARGUMENTS.get(place).copied().unwrap_or(Register::SCRATCH);
                let parameter =
                    in_registers(types, prototype.parameters).find(|&(number, _)| place(number) == register);
                if let Some((_, of)) = parameter {
                    self.points_to(Value::of(id), of, DECLARED, types);
                }
            }
            Node::Load { address, bytes: 8, per_cpu } => {
                let number = address.offset.cast_unsigned();
                if per_cpu && address.node != ZERO {
                    return;
                }
                let Special { pages, fixed_pages, .. } = known.special;
                if !per_cpu && address.node == ZERO && [pages, fixed_pages].contains(&Some(number)) {
                    for &page in &known.pages {
                        self.add(id, page, 0, DECLARED);
                    }
                    return;
                }
                if !per_cpu && address.node == ZERO {
                    self.learned(id, 0, Key::Variable(number), own, known);
                }
                let per_cpu = per_cpu
                    || matches!(values.node(address.node), Node::PerCpu { base: ZERO })
                    || values.is_per_cpu_offset(address.node);
                if let Some((of, rest)) = known.variable_at(number, per_cpu) {
                    self.field(of, rest, id, 0, (DECLARED, false), types);
                }
            }
            _ => {}
        }
    }

    /// The arguments and the result of a call.
    pub(super) fn call(
        &mut self,
        prototype: &Prototype<'_>,
        arguments: &[Value; 6],
        result: Option<NodeId>,
        strength: u8,
        types: &Types,
    ) {
        for (place, of) in in_registers(types, prototype.parameters) {
            self.points_to(arguments[place], of, strength, types);
        }
        if let Some(result) = result {
            self.points_to(Value::of(result), prototype.returns, strength, types);
        }
    }
}
