//! Values: what registers and stack slots hold, followed through a function.
//!
//! A [`Value`] is a [`Node`] plus a number, so that sums need no nodes. Equal nodes are one node (value numbering);
//! where ways meet and bring different values, a [`Node::Join`] stands for them. Loads are numbered by their address
//! alone: what is kept here is which *type* a value has, and that does not change with the contents of memory.

use crate::code::{Operand, Place, Register};
use rustc_hash::FxHashMap;

/// A node by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

/// The number zero: constants are sums of it and a number.
pub const ZERO: NodeId = NodeId(0);
/// The stack pointer when the function is entered.
pub const STACK: NodeId = NodeId(1);
/// What a call leaves in registers that it need not keep. Correct code never reads it.
pub const JUNK: NodeId = NodeId(2);

/// A node and a number that is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    /// What is added to.
    pub node: NodeId,
    /// What is added, bytes.
    pub offset: i64,
}

impl Value {
    /// A number.
    pub const fn constant(number: i64) -> Self {
        Self { node: ZERO, offset: number }
    }

    /// A node, as it is.
    pub const fn of(node: NodeId) -> Self {
        Self { node, offset: 0 }
    }

    /// This and a number.
    pub const fn plus(self, number: i64) -> Self {
        Self { node: self.node, offset: self.offset.wrapping_add(number) }
    }

    /// The number, of a constant.
    pub fn number(self) -> Option<i64> {
        (self.node == ZERO).then_some(self.offset)
    }
}

/// Where a [`Node::Join`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinAt {
    /// A register at the start of a block.
    Register(u32, Register),
    /// A stack slot at the start of a block.
    Slot(u32, NodeId, i64),
    /// A choice by an instruction.
    Choice(u32),
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// See [`ZERO`].
    Zero,
    /// See [`STACK`].
    Stack,
    /// See [`JUNK`].
    Junk,
    /// A register when the function is entered.
    Entry(Register),
    /// What stands in memory.
    Load {
        /// The address.
        address: Value,
        /// How wide.
        bytes: u8,
        /// In this CPU's share of memory.
        per_cpu: bool,
    },
    /// What a call returned: the number of its instruction.
    Result(u32),
    /// One of several values: [`Values::operands`].
    Join(JoinAt),
    /// An address whose lowest bits were cleared (flags in pointers, an aligned stack).
    Aligned {
        /// The address before.
        of: Value,
        /// What it is a multiple of.
        to: u8,
    },
    /// A place in an array, or any sum of two unknown values.
    Indexed {
        /// The array.
        base: NodeId,
        /// The index.
        by: NodeId,
        /// From one element to the next; 1 when it is not known, and then `by` may as well be the array.
        stride: u32,
    },
    /// A product.
    Scaled {
        /// What is multiplied.
        of: NodeId,
        /// By what.
        by: u32,
    },
    /// The address of this CPU's or another's share of a per-CPU variable.
    PerCpu {
        /// The address in the image, or what was allocated.
        base: NodeId,
    },
    /// What a call may have changed behind our back in a stack slot.
    Stale {
        /// The number of the instruction.
        at: u32,
        /// The slot.
        slot: i64,
    },
    /// Anything else: what an instruction, by its number, left in a register.
    Opaque(u32, Register),
}

/// The nodes of a function.
#[derive(Debug, Default)]
pub struct Values {
    nodes: Vec<Node>,
    numbers: FxHashMap<Node, NodeId>,
    /// Values that come together in a join, in no order.
    operands: Vec<(NodeId, Value)>,
    /// Addresses of the kernel's own variables that lead to shares of per-CPU memory.
    special: Special,
}

/// The array of all pages is no longer than this, bytes (`Documentation/x86/x86_64/mm.rst`).
const MOST_PAGES: u64 = 1 << 40;

/// Addresses that mean something to the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Special {
    /// `this_cpu_off`, as the image has it: what to add to an address for this CPU's share.
    pub this_cpu_offset: Option<u64>,
    /// `__per_cpu_offset`: the same for all CPUs, an array.
    pub per_cpu_offsets: Option<u64>,
    /// `vmemmap_base`: where the address of the array of all `struct page` stands.
    pub pages: Option<u64>,
    /// That address itself, of a kernel that has it in its code (without CONFIG_RANDOMIZE_MEMORY).
    pub fixed_pages: Option<u64>,
}

impl Values {
    /// Empties it for another function.
    pub fn start(&mut self, special: Special) {
        self.special = special;
        self.nodes.clear();
        self.numbers.clear();
        self.operands.clear();
        for node in [Node::Zero, Node::Stack, Node::Junk] {
            self.add(node);
        }
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What a node is.
    pub fn node(&self, id: NodeId) -> Node {
        self.nodes.get(id.0 as usize).copied().unwrap_or(Node::Junk)
    }

    /// All nodes with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, Node)> + '_ {
        self.nodes.iter().enumerate().map(|(id, &node)| (NodeId(id as u32), node))
    }

    /// Every join with each of its values.
    pub fn operands(&self) -> &[(NodeId, Value)] {
        &self.operands
    }

    /// The number of a node that there is already.
    pub fn find(&self, node: Node) -> Option<NodeId> {
        self.numbers.get(&node).copied()
    }

    /// The number of a node.
    pub fn add(&mut self, node: Node) -> NodeId {
        let next = NodeId(self.nodes.len() as u32);
        let id = *self.numbers.entry(node).or_insert(next);
        if id == next {
            self.nodes.push(node);
        }
        id
    }

    /// A join, with one more of its values.
    pub fn join(&mut self, at: JoinAt, operand: Value) -> NodeId {
        let id = self.add(Node::Join(at));
        if operand != Value::of(id) {
            self.operands.push((id, operand));
        }
        id
    }

    /// Whether it surely is a number and no address.
    fn is_number(&self, id: NodeId) -> bool {
        match self.node(id) {
            Node::Scaled { .. } => true,
            Node::Load { bytes, .. } => bytes < 8,
            _ => false,
        }
    }

    /// Whether it is the distance from the image of a per-CPU variable to a CPU's share.
    pub fn is_per_cpu_offset(&self, id: NodeId) -> bool {
        let Node::Load { address, per_cpu, bytes: 8 } = self.node(id) else { return false };
        let number = Some(address.offset.cast_unsigned());
        if per_cpu {
            return address.node == ZERO && number == self.special.this_cpu_offset;
        }
        number == self.special.per_cpu_offsets
            && (address.node == ZERO || matches!(self.node(address.node), Node::Scaled { by: 8, .. }))
    }

    /// A place in the array of all pages, when one is the array's address in the code and the other is not known.
    fn in_pages(&mut self, a: Value, b: Value) -> Option<Value> {
        let pages = self.special.fixed_pages?;
        let (constant, index) = if a.node == ZERO { (a, b) } else { (b, a) };
        let behind = constant.offset.cast_unsigned().checked_sub(pages).filter(|&behind| behind < MOST_PAGES)?;
        if constant.node != ZERO || index.node == ZERO {
            return None;
        }
        let base = self.load(Value::constant(pages.cast_signed()), 8, false).node;
        let node = self.indexed(base, index.node);
        Some(Value { node, offset: index.offset.wrapping_add_unsigned(behind) })
    }

    /// The sum of two values.
    pub fn sum(&mut self, a: Value, b: Value) -> Value {
        if let Some(page) = self.in_pages(a, b) {
            return page;
        }
        let offset = a.offset.wrapping_add(b.offset);
        let node = match (a.node, b.node) {
            (ZERO, node) | (node, ZERO) if !self.is_per_cpu_offset(node) => node,
            (a, b) if self.is_per_cpu_offset(b) => self.add(Node::PerCpu { base: a }),
            (a, b) if self.is_per_cpu_offset(a) => self.add(Node::PerCpu { base: b }),
            (a, b) => self.indexed(a, b),
        };
        Value { node, offset }
    }

    fn indexed(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let (base, index) = if self.is_number(a) && !self.is_number(b) { (b, a) } else { (a, b) };
        let node = match self.node(index) {
            Node::Scaled { of, by } if of == base => Node::Scaled { of, by: by.saturating_add(1) },
            Node::Scaled { of, by } => Node::Indexed { base, by: of, stride: by },
            _ => Node::Indexed { base, by: index, stride: 1 },
        };
        self.add(node)
    }

    /// The product of a value and a number.
    pub fn product(&mut self, a: Value, by: i64) -> Option<Value> {
        let offset = a.offset.wrapping_mul(by);
        if a.node == ZERO {
            return Some(Value::constant(offset));
        }
        let (of, before) = match self.node(a.node) {
            Node::Scaled { of, by } => (of, by),
            _ => (a.node, 1),
        };
        let by = u32::try_from(by).ok()?.checked_mul(before)?;
        let node = if by == 1 { of } else { self.add(Node::Scaled { of, by }) };
        Some(Value { node, offset })
    }

    /// An address with its lowest bits cleared; `None` for what is no such mask.
    pub fn aligned(&mut self, a: Value, mask: i64) -> Option<Value> {
        if a.node == ZERO {
            return Some(Value::constant(a.offset & mask));
        }
        let to = u8::try_from(mask.wrapping_neg()).ok().filter(|to| to.is_power_of_two())?;
        Some(match to {
            1 => a,
            _ => Value::of(self.add(Node::Aligned { of: a, to })),
        })
    }

    /// What stands in memory at an address.
    pub fn load(&mut self, address: Value, bytes: u8, per_cpu: bool) -> Value {
        Value::of(self.add(Node::Load { address, bytes, per_cpu }))
    }

    /// Whether slots are kept at addresses from this node: the stack, aligned or not.
    pub fn is_stack(&self, id: NodeId) -> bool {
        id == STACK || matches!(self.node(id), Node::Aligned { of, .. } if of.node == STACK)
    }

    /// The address of a place.
    pub fn address(&mut self, registers: &[Value; Register::COUNT], place: &Place) -> Value {
        let get = |register: Register| registers.get(usize::from(register.0)).copied().unwrap_or(Value::of(JUNK));
        let mut sum = Value::constant(place.displacement);
        if let Some((register, scale)) = place.index {
            let index = get(register);
            let scaled = self.product(index, i64::from(scale)).unwrap_or(Value::of(JUNK));
            sum = scaled.plus(place.displacement);
        }
        match place.base {
            Some(base) => {
                let base = get(base);
                match self.in_pages(base, sum) {
                    Some(page) => page,
                    None if sum.node == ZERO => base.plus(sum.offset),
                    None => self.sum(base, sum),
                }
            }
            None => sum,
        }
    }

    /// The value of an operand.
    pub fn operand(&self, registers: &[Value; Register::COUNT], operand: Operand) -> Value {
        match operand {
            Operand::Constant(number) => Value::constant(number),
            Operand::Register(register) => registers.get(usize::from(register.0)).copied().unwrap_or(Value::of(JUNK)),
        }
    }
}
