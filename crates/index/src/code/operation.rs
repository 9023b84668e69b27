//! What an instruction does, as far as values can be followed through it, without saying on which architecture.

/// A general register by its DWARF number, so that places in debug information need no translation. On x86-64:
/// rax 0, rdx 1, rcx 2, rbx 3, rsi 4, rdi 5, rbp 6, rsp 7, r8-r15 8-15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Register(pub u8);

/// A set of registers, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Registers(pub u32);

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
    /// To what a register or a place in memory says.
    Indirect,
}

/// What an instruction does. Arithmetic is on 64 bits unless it says otherwise; what is done to flags is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `to = from`; `bytes` 8, or 4 when the upper half becomes 0.
    Copy { to: Register, from: Operand, bytes: u8 },
    /// `to =` the address of a place.
    Address { to: Register, of: Place },
    /// `to = *from`, `bytes` wide.
    Load { to: Register, from: Place, bytes: u8 },
    /// `*to = from`, `bytes` wide.
    Store { to: Place, from: Operand, bytes: u8 },
    /// `to = a + b`; a subtraction of a number is an addition of its negative.
    Add { to: Register, a: Register, b: Operand },
    /// `to = a & mask`.
    And { to: Register, a: Register, mask: Operand },
    /// `to = a << bits`, or a multiplication by that power of two.
    ShiftLeft { to: Register, a: Register, bits: u8 },
    /// `to = other` or stays (cmov).
    Choose { to: Register, other: Register },
    /// Calls; the callee's result is in the architecture's result register.
    Call(Target),
    /// Jumps and never comes back here. Out of the function: a tail call.
    Jump(Target),
    /// Jumps or goes on. `address` is where it jumps.
    Branch { address: u64 },
    /// Returns.
    Return,
    /// Ends here, or goes on after an exception that is expected (`ud2` of WARN).
    Trap,
    /// Something else, that leaves unknown values in these registers (and maybe in memory).
    Other { writes: Registers, memory: bool },
    /// Nothing of interest.
    Nothing,
}

/// An operation at an address. An instruction that does several things gives several of these with one address; all
/// but the last have length 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Where it stands.
    pub address: u64,
    /// Its length in bytes.
    pub length: u8,
    /// What it does.
    pub operation: Operation,
}
