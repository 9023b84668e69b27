//! What each operation does to the values of registers and stack slots, and the events that come of it.

use super::{ARGUMENTS, Callee, Event, FRAME, Follower, HANDED_OUT, RESULT, Slot};
use crate::code::conventions::CALLER_SAVED;
use crate::code::{Graph, Instruction, Operation, Register, Registers, Target};
use crate::debug::{Binding, Location};
use crate::flow::values::{JUNK, JoinAt, Node, STACK, Value, ZERO};

impl Follower {
    pub(super) fn walk(&mut self, graph: &Graph, block: u32, bindings: &[Binding]) {
        let numbers = graph.blocks[block as usize].instructions.clone();
        let leaves = graph.successors(block).is_empty();
        let code = graph.operations(block);
        let Some(first) = code.first() else { return };
        let mut next_binding = bindings.partition_point(|binding| binding.start < first.address);
        // Those that began before and still hold.
        for number in (0..next_binding).rev() {
            if self.ends[number] <= first.address {
                break;
            }
            if bindings[number].end > first.address {
                self.bind(&bindings[number], number as u32);
            }
        }
        for (instruction, number) in code.iter().zip(numbers) {
            while let Some(binding) = bindings.get(next_binding).filter(|binding| binding.start <= instruction.address)
            {
                if binding.end > instruction.address {
                    self.bind(binding, next_binding as u32);
                }
                next_binding += 1;
            }
            self.step(instruction, number, leaves);
        }
    }

    fn bind(&mut self, binding: &Binding, number: u32) {
        let state = &self.state;
        let (value, in_memory) = match binding.location {
            Location::Register(register) => (state.get(register), false),
            Location::RegisterPlus(register, more) => (state.get(register).plus(more), false),
            Location::Memory(register, more) => (state.get(register).plus(more), true),
            Location::Frame { offset, value } => (Value { node: STACK, offset: offset.wrapping_add(FRAME) }, !value),
            Location::Static(_) | Location::Constant(_) => return,
        };
        if value.node == JUNK || value.node == ZERO {
            return;
        }
        self.events.push(Event::Bound { value, binding: number, in_memory });
        if in_memory && let Some(kept) = self.state.slot(value.node, value.offset) {
            // The variable may be a pointer; then what the slot holds is its value.
            self.events.push(Event::Bound { value: kept, binding: number, in_memory: false });
        }
    }

    fn step(&mut self, instruction: &Instruction, number: u32, leaves: bool) {
        let registers = &self.state.registers;
        match instruction.operation {
            Operation::Copy { to, from, bytes } => {
                let value = match (self.values.operand(registers, from), from) {
                    (value, _) if bytes == 8 => value,
                    (value, _) if value.node == ZERO => Value::constant(value.offset & 0xffff_ffff),
                    (value, _) => self.narrow(value, number, to),
                };
                self.state.set(to, value);
            }
            Operation::Address { to, of } => {
                let value = self.values.address(registers, &of);
                self.state.set(to, value);
            }
            Operation::Load { to, from, bytes } => {
                let address = self.values.address(registers, &from);
                let value = self.read(address, bytes, from.per_cpu);
                self.state.set(to, value);
            }
            Operation::Store { to, from, bytes } => {
                let address = self.values.address(registers, &to);
                let value = self.values.operand(registers, from);
                self.write(address, bytes, to.per_cpu, value);
            }
            Operation::Add { to, a, b } => {
                let (a, b) = (self.state.get(a), self.values.operand(registers, b));
                let value = match b.number() {
                    Some(number) => a.plus(number),
                    None => self.values.sum(a, b),
                };
                self.state.set(to, value);
            }
            Operation::And { to, a, mask } => {
                let (a, mask) = (self.state.get(a), self.values.operand(registers, mask));
                let value = mask.number().and_then(|mask| self.values.aligned(a, mask));
                let value = value.unwrap_or_else(|| self.opaque(number, to));
                self.state.set(to, value);
            }
            Operation::ShiftLeft { to, a, bits } => {
                let value = self.values.product(self.state.get(a), 1_i64.checked_shl(bits.into()).unwrap_or(0));
                let value = value.unwrap_or_else(|| self.opaque(number, to));
                self.state.set(to, value);
            }
            Operation::Multiply { to, a, by } => {
                let value = self.values.product(self.state.get(a), by);
                let value = value.unwrap_or_else(|| self.opaque(number, to));
                self.state.set(to, value);
            }
            Operation::Choose { to, other } => {
                let (own, other) = (self.state.get(to), self.state.get(other));
                if own != other {
                    let at = JoinAt::Choice(number);
                    self.values.join(at, own);
                    let id = self.values.join(at, other);
                    self.state.set(to, Value::of(id));
                }
            }
            Operation::Call(target) => self.call(target, number, true),
            Operation::Jump(target) if leaves => self.call(target, number, false),
            Operation::Return => self.events.push(Event::Return(self.state.get(RESULT))),
            Operation::Other { writes, memory } => {
                self.unknown(writes, number);
                if memory {
                    self.forget(number);
                }
            }
            Operation::Jump(_) | Operation::Branch { .. } | Operation::Trap | Operation::Nothing => {}
        }
    }

    fn opaque(&mut self, number: u32, register: Register) -> Value {
        Value::of(self.values.add(Node::Opaque(number, register)))
    }

    fn unknown(&mut self, registers: Registers, number: u32) {
        for register in registers.iter() {
            let value = self.opaque(number, register);
            self.state.set(register, value);
        }
    }

    /// The lower half of a value: an index stays one.
    fn narrow(&mut self, value: Value, number: u32, to: Register) -> Value {
        match self.values.node(value.node) {
            Node::Scaled { .. } | Node::Load { bytes: ..=4, .. } => value,
            _ => self.opaque(number, to),
        }
    }

    fn read(&mut self, address: Value, bytes: u8, per_cpu: bool) -> Value {
        if !per_cpu
            && bytes == 8
            && self.values.is_stack(address.node)
            && let Some(value) = self.state.slot(address.node, address.offset)
        {
            return value;
        }
        self.values.load(address, bytes, per_cpu)
    }

    fn write(&mut self, address: Value, bytes: u8, per_cpu: bool, value: Value) {
        if self.values.is_stack(value.node) {
            self.hand_out(value);
        }
        if !per_cpu && self.values.is_stack(address.node) {
            let end = address.offset.wrapping_add(bytes.into());
            self.state.slots.retain(|slot| {
                slot.base != address.node || slot.offset >= end || slot.offset.wrapping_add(8) <= address.offset
            });
            if bytes == 8 {
                self.state.slots.push(Slot { base: address.node, offset: address.offset, value });
            }
        }
        if bytes == 8 && value.node != JUNK {
            self.events.push(Event::Store { address, per_cpu, value });
        }
    }

    /// The address of a stack slot is known to others.
    fn hand_out(&mut self, address: Value) {
        let entry = (address.node == STACK, address.offset);
        if !self.escaped.contains(&entry) {
            self.escaped.push(entry);
        }
    }

    fn call(&mut self, target: Target, number: u32, returns: bool) {
        let callee = match target {
            Target::Direct(address) => Callee::Direct(address),
            Target::Indirect(register) => Callee::Indirect(self.state.get(register)),
        };
        let arguments = ARGUMENTS.map(|register| self.state.get(register));
        for argument in arguments {
            if self.values.is_stack(argument.node) {
                self.hand_out(argument);
            }
        }
        let result = returns.then(|| self.values.add(Node::Result(number)));
        self.events.push(Event::Call { instruction: number, callee, arguments, result });
        let Some(result) = result else { return };
        self.forget(number);
        for register in CALLER_SAVED.iter() {
            let value = match register {
                RESULT => Value::of(result),
                // The second half of a result.
                Register(1) => self.opaque(number, register),
                _ => Value::of(JUNK),
            };
            self.state.set(register, value);
        }
    }

    /// Others may have written to what they know the address of.
    fn forget(&mut self, number: u32) {
        if self.escaped.is_empty() {
            return;
        }
        for slot in &mut self.state.slots {
            let known = self.escaped.iter().any(|&(stack, start)| {
                stack == (slot.base == STACK) && (0..HANDED_OUT).contains(&slot.offset.wrapping_sub(start))
            });
            if known {
                let to = self.values.add(Node::Stale { at: number, slot: slot.offset });
                if slot.value.node != ZERO && slot.value.node != JUNK {
                    self.events.push(Event::Became { from: slot.value, to });
                }
                slot.value = Value::of(to);
            }
        }
    }
}
