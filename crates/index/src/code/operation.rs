//! What an instruction does, as far as values can be followed through it, without saying on which architecture.

/// A general register by its DWARF number, so that places in debug information need no translation. On x86-64:
/// rax 0, rdx 1, rcx 2, rbx 3, rsi 4, rdi 5, rbp 6, rsp 7, r8-r15 8-15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Register(pub u8);

impl Register {
    /// No register of the machine: it carries a value from one operation to the next of the *same* instruction, and
    /// means nothing after that (`add rax, [rbx]` loads into it and adds it).
    pub const SCRATCH: Self = Self(16);
    /// How many there are, the scratch one included.
    pub const COUNT: usize = 17;
}

/// A set of registers, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Registers(pub u32);

impl Registers {
    /// A set from its members.
    pub const fn of(members: &[Register]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < members.len() {
            bits |= 1 << (members[i].0 & 31);
            i += 1;
        }
        Self(bits)
    }

    /// Whether a register is in it.
    pub const fn contains(self, register: Register) -> bool {
        self.0 >> (register.0 & 31) & 1 == 1
    }

    /// Adds a register.
    pub const fn insert(&mut self, register: Register) {
        self.0 |= 1 << (register.0 & 31);
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, ascending.
    pub fn iter(self) -> impl Iterator<Item = Register> {
        (0..32).map(Register).filter(move |&register| self.contains(register))
    }
}

/// A register or a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The value of a register.
    Register(Register),
    /// A number; of code and data, an absolute address.
    Constant(i64),
}

/// A place in memory: base + index * scale + displacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The register that the address starts from; none: the displacement is the address (also when the instruction is
    /// relative to its own address).
    pub base: Option<Register>,
    /// A register that is scaled and added.
    pub index: Option<(Register, u8)>,
    /// A number that is added.
    pub displacement: i64,
    /// In this CPU's share of memory (the gs segment on x86-64).
    pub per_cpu: bool,
}

/// Where a call or jump leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To an address.
    Direct(u64),
    /// To the address in a register; what stands in memory was loaded into [`Register::SCRATCH`] before.
    Indirect(Register),
}

/// What an instruction does. Arithmetic is on 64 bits unless it says otherwise (of less than that, a `Copy` of 4 bytes
/// from the register to itself follows); what is done to flags is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `to = from`.
    Copy {
        /// The register that changes.
        to: Register,
        /// The value.
        from: Operand,
        /// 8, or 4 when the upper half becomes 0.
        bytes: u8,
    },
    /// `to =` the address of a place. One that is a number alone is a `Copy`, a register and a number is an `Add`.
    Address {
        /// The register that changes.
        to: Register,
        /// The place.
        of: Place,
    },
    /// `to = *from`, the bytes above become 0.
    Load {
        /// The register that changes.
        to: Register,
        /// Where from.
        from: Place,
        /// How many bytes are read: 1, 2, 4 or 8.
        bytes: u8,
    },
    /// `*to = from`.
    Store {
        /// Where to.
        to: Place,
        /// The value, of a register its lowest bytes.
        from: Operand,
        /// How many bytes are written.
        bytes: u8,
    },
    /// `to = a + b`; a subtraction of a number is an addition of its negative.
    Add {
        /// The register that changes.
        to: Register,
        /// The first summand.
        a: Register,
        /// The second.
        b: Operand,
    },
    /// `to = a & mask`.
    And {
        /// The register that changes.
        to: Register,
        /// The value.
        a: Register,
        /// The mask.
        mask: Operand,
    },
    /// `to = a << bits`, or a multiplication by that power of two.
    ShiftLeft {
        /// The register that changes.
        to: Register,
        /// The value.
        a: Register,
        /// How far.
        bits: u8,
    },
    /// `to = a * by`, where `by` is no power of two: an index times the size of an array's elements.
    Multiply {
        /// The register that changes.
        to: Register,
        /// The value.
        a: Register,
        /// The factor.
        by: i64,
    },
    /// `to = other` or stays (cmov).
    Choose {
        /// The register that may change.
        to: Register,
        /// What it may change to.
        other: Register,
    },
    /// Calls; the callee's result is in the architecture's result register.
    Call(Target),
    /// Jumps and never comes back here. Out of the function: a tail call.
    Jump(Target),
    /// Jumps or goes on.
    Branch {
        /// Where it jumps.
        address: u64,
    },
    /// Returns.
    Return,
    /// Ends here, or goes on after an exception that is expected (`ud2` of WARN). Also what is no instruction at all.
    Trap,
    /// Something else, that leaves unknown values in these registers.
    Other {
        /// The registers.
        writes: Registers,
        /// Whether it also writes to memory, nobody knows where.
        memory: bool,
    },
    /// Nothing of interest.
    Nothing,
}

/// An operation at an address. An instruction that does several things gives several of these with one address, in the
/// order in which they happen; all but the last have length 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where it stands.
    pub address: u64,
    /// Its length in bytes.
    pub length: u8,
    /// What it does.
    pub operation: Operation,
}

impl Instruction {
    /// The address after it.
    pub const fn next(&self) -> u64 {
        self.address.wrapping_add(self.length as u64)
    }
}
