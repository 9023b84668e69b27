//! x86-64 as simple operations.

use super::operation::{Instruction, Operand, Operation, Place, Register, Registers, Target};
use super::{Lift, Outcome, Transfer};
use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, InstructionInfoFactory, InstructionInfoOptions, Mnemonic, OpAccess,
    OpKind,
};

/// rsp.
pub const STACK_POINTER: Register = Register(7);
/// rax: what a function returns.
pub const RESULT: Register = Register(0);
/// rbp.
const FRAME_POINTER: Register = Register(6);

/// DWARF numbers of the registers in the order of their encoding.
const DWARF: [u8; 16] = [0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];

/// A lifter of x86-64. It keeps buffers, so one is needed for each thread.
pub struct X86 {
    information: InstructionInfoFactory,
}

impl Default for X86 {
    fn default() -> Self {
        Self { information: InstructionInfoFactory::new() }
    }
}

impl std::fmt::Debug for X86 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("X86")
    }
}

impl Lift for X86 {
    fn lift(&mut self, code: &[u8], address: u64, into: &mut Vec<Instruction>) {
        let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
        let mut decoded = iced_x86::Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut decoded);
            self.instruction(&decoded, into);
        }
    }

    fn lift_one(&mut self, code: &[u8], address: u64, into: &mut Vec<Instruction>) -> usize {
        let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
        if !decoder.can_decode() {
            return 0;
        }
        let decoded = decoder.decode();
        self.instruction(&decoded, into);
        decoded.len()
    }

    fn scan(&mut self, code: &[u8], address: u64, each: &mut dyn FnMut(u64, u8, Transfer)) {
        let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
        let mut decoded = iced_x86::Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut decoded);
            let transfer = match decoded.flow_control() {
                FlowControl::Next => continue,
                FlowControl::Call if is_near(&decoded) => Transfer::Call(Some(decoded.near_branch_target())),
                FlowControl::IndirectCall => Transfer::Call(None),
                FlowControl::UnconditionalBranch if is_near(&decoded) => {
                    Transfer::Jump(Some(decoded.near_branch_target()))
                }
                FlowControl::UnconditionalBranch | FlowControl::IndirectBranch => Transfer::Jump(None),
                FlowControl::ConditionalBranch => Transfer::Branch(decoded.near_branch_target()),
                FlowControl::Return => Transfer::Return,
                _ => continue,
            };
            each(decoded.ip(), decoded.len() as u8, transfer);
        }
    }

    fn outcome(&mut self, code: &[u8], address: u64) -> Option<Outcome> {
        const FARTHEST: usize = 10;
        let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
        // The registers that hold the result, and whether the flags say what it is.
        let (mut results, mut tested) = (Registers::of(&[RESULT]), false);
        for _ in 0..FARTHEST {
            if !decoder.can_decode() {
                return None;
            }
            let decoded = decoder.decode();
            let result = |i| match operand(&decoded, i) {
                Simple::Register(register, _) | Simple::Low(register, _) => results.contains(register),
                _ => false,
            };
            match decoded.mnemonic() {
                Mnemonic::Test if result(0) && decoded.op_register(0) == decoded.op_register(1) => tested = true,
                Mnemonic::Cmp if result(0) && matches!(operand(&decoded, 1), Simple::Constant(0)) => tested = true,
                Mnemonic::Je | Mnemonic::Jns if tested => {
                    let (zero, other) = (decoded.near_branch_target(), decoded.next_ip());
                    return Some(Outcome { branch: decoded.ip(), zero, other });
                }
                Mnemonic::Jne | Mnemonic::Js if tested => {
                    let (zero, other) = (decoded.next_ip(), decoded.near_branch_target());
                    return Some(Outcome { branch: decoded.ip(), zero, other });
                }
                Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Lea | Mnemonic::Movsxd => {
                    let copied = decoded.mnemonic() != Mnemonic::Lea && result(1);
                    if let Simple::Register(to, _) | Simple::Low(to, _) = operand(&decoded, 0) {
                        results.0 &= !Registers::of(&[to]).0;
                        if copied {
                            results.insert(to);
                        }
                    }
                }
                Mnemonic::Nop => {}
                _ => return None,
            }
        }
        None
    }
}

/// Whether the first operand is the address of near code.
fn is_near(decoded: &iced_x86::Instruction) -> bool {
    decoded.op_count() > 0 && matches!(decoded.op_kind(0), OpKind::NearBranch64)
}

/// What an operand is, when it can be said simply.
#[derive(Clone, Copy)]
enum Simple {
    /// A whole register (or the low half of one) and its width in bytes.
    Register(Register, u8),
    /// The lowest bytes of a register.
    Low(Register, u8),
    Constant(i64),
    Memory(Place),
    /// Segment and vector registers, `ah`, fs.
    Other,
}

/// The general register of a name of any width, and its width in bytes; 0 for `ah` and its kin.
fn general(register: iced_x86::Register) -> Option<(Register, u8)> {
    if !register.is_gpr() {
        return None;
    }
    let full = register.full_register();
    let number = DWARF[full.number() & 15];
    let high = matches!(
        register,
        iced_x86::Register::AH | iced_x86::Register::BH | iced_x86::Register::CH | iced_x86::Register::DH
    );
    Some((Register(number), if high { 0 } else { register.size() as u8 }))
}

fn operand(decoded: &iced_x86::Instruction, index: u32) -> Simple {
    if index >= decoded.op_count() {
        return Simple::Other;
    }
    match decoded.op_kind(index) {
        OpKind::Register => match general(decoded.op_register(index)) {
            Some((register, bytes @ (4 | 8))) => Simple::Register(register, bytes),
            Some((register, bytes @ (1 | 2))) => Simple::Low(register, bytes),
            _ => Simple::Other,
        },
        OpKind::Memory => place(decoded).map_or(Simple::Other, Simple::Memory),
        OpKind::Immediate8
        | OpKind::Immediate8_2nd
        | OpKind::Immediate16
        | OpKind::Immediate32
        | OpKind::Immediate64
        | OpKind::Immediate8to16
        | OpKind::Immediate8to32
        | OpKind::Immediate8to64
        | OpKind::Immediate32to64 => Simple::Constant(decoded.immediate(index).cast_signed()),
        _ => Simple::Other,
    }
}

/// The place of the memory operand.
fn place(decoded: &iced_x86::Instruction) -> Option<Place> {
    use iced_x86::Register as Name;
    let displacement = decoded.memory_displacement64().cast_signed();
    let per_cpu = match decoded.memory_segment() {
        Name::GS => true,
        Name::FS => return None,
        _ => false,
    };
    if decoded.is_ip_rel_memory_operand() {
        return Some(Place { base: None, index: None, displacement, per_cpu });
    }
    let wide = |register| match general(register) {
        Some((register, 8)) => Some(register),
        _ => None,
    };
    let base = match decoded.memory_base() {
        Name::None => None,
        name => Some(wide(name)?),
    };
    let index = match decoded.memory_index() {
        Name::None => None,
        name => Some((wide(name)?, decoded.memory_index_scale() as u8)),
    };
    Some(Place { base, index, displacement, per_cpu })
}

/// The place where the stack pointer points.
const STACK_TOP: Place = Place { base: Some(STACK_POINTER), index: None, displacement: 0, per_cpu: false };

/// Collects the operations of one instruction.
struct Out<'a> {
    address: u64,
    length: u8,
    into: &'a mut Vec<Instruction>,
    first: usize,
}

impl Out<'_> {
    fn push(&mut self, operation: Operation) {
        self.into.push(Instruction { address: self.address, length: 0, operation });
    }

    /// 32-bit results clear the upper half.
    fn narrow(&mut self, register: Register, bytes: u8) {
        if bytes == 4 {
            self.push(Operation::Copy { to: register, from: Operand::Register(register), bytes: 4 });
        }
    }

    fn unknown(&mut self, register: Register) {
        self.push(Operation::Other { writes: Registers::of(&[register]), memory: false });
    }

    fn move_stack(&mut self, by: i64) {
        self.push(Operation::Add { to: STACK_POINTER, a: STACK_POINTER, b: Operand::Constant(by) });
    }

    fn finish(self) {
        if self.into.len() == self.first {
            self.into.push(Instruction { address: self.address, length: 0, operation: Operation::Nothing });
        }
        if let Some(last) = self.into.last_mut() {
            last.length = self.length;
        }
    }
}

impl X86 {
    fn instruction(&mut self, decoded: &iced_x86::Instruction, into: &mut Vec<Instruction>) {
        let first = into.len();
        let mut out = Out { address: decoded.ip(), length: decoded.len() as u8, into, first };
        if !transfer(decoded, &mut out) && !simple(decoded, &mut out) {
            self.general(decoded, &mut out);
        }
        out.finish();
    }

    /// What the tables say about an instruction that is none of the simple ones.
    fn general(&mut self, decoded: &iced_x86::Instruction, out: &mut Out<'_>) {
        if decoded.code() == Code::INVALID {
            return out.push(Operation::Trap);
        }
        let information = self.information.info_options(decoded, InstructionInfoOptions::NONE);
        let written = |access| {
            matches!(access, OpAccess::Write | OpAccess::ReadWrite | OpAccess::CondWrite | OpAccess::ReadCondWrite)
        };
        let mut writes = Registers::default();
        for used in information.used_registers() {
            if let (true, Some((register, _))) = (written(used.access()), general(used.register())) {
                writes.insert(register);
            }
        }
        let mut stores = information.used_memory().iter().filter(|used| written(used.access()));
        let (store, more) = (stores.next(), stores.next().is_some());
        let mut memory = more;
        if let Some(store) = store {
            let bytes = store.memory_size().size();
            // The memory operand is the one place that has a name; the implicit ones are the stack and strings.
            let explicit = (0..decoded.op_count()).any(|i| decoded.op_kind(i) == OpKind::Memory);
            match place(decoded) {
                Some(to) if explicit && !more && (1..=64).contains(&bytes) => {
                    out.unknown(Register::SCRATCH);
                    out.push(Operation::Store { to, from: Operand::Register(Register::SCRATCH), bytes: bytes as u8 });
                }
                _ => memory = true,
            }
        }
        if !writes.is_empty() || memory {
            out.push(Operation::Other { writes, memory });
        }
    }
}

/// Calls, jumps and everything else that does not simply go on. False when it is none of these.
fn transfer(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    match decoded.flow_control() {
        FlowControl::Next => return false,
        FlowControl::Call if is_near(decoded) => {
            out.push(Operation::Call(Target::Direct(decoded.near_branch_target())));
        }
        // System and hypervisor calls.
        FlowControl::Call | FlowControl::XbeginXabortXend => return false,
        FlowControl::UnconditionalBranch if is_near(decoded) => {
            out.push(Operation::Jump(Target::Direct(decoded.near_branch_target())));
        }
        FlowControl::ConditionalBranch => {
            if matches!(decoded.mnemonic(), Mnemonic::Loop | Mnemonic::Loope | Mnemonic::Loopne) {
                out.unknown(Register(2));
            }
            out.push(Operation::Branch { address: decoded.near_branch_target() });
        }
        FlowControl::IndirectCall => {
            let target = indirect(decoded, out);
            out.push(Operation::Call(Target::Indirect(target)));
        }
        FlowControl::UnconditionalBranch | FlowControl::IndirectBranch => {
            let target = indirect(decoded, out);
            out.push(Operation::Jump(Target::Indirect(target)));
        }
        FlowControl::Return => out.push(Operation::Return),
        FlowControl::Interrupt if decoded.mnemonic() == Mnemonic::Int => return false,
        FlowControl::Interrupt | FlowControl::Exception => out.push(Operation::Trap),
    }
    true
}

/// The register that holds the address of an indirect call or jump.
fn indirect(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> Register {
    match operand(decoded, 0) {
        Simple::Register(register, 8) => return register,
        Simple::Memory(from) => out.push(Operation::Load { to: Register::SCRATCH, from, bytes: 8 }),
        _ => out.unknown(Register::SCRATCH),
    }
    Register::SCRATCH
}

/// The instructions that values are followed through. False when it is none of these.
fn simple(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    match decoded.mnemonic() {
        Mnemonic::Mov => copy(decoded, out),
        Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Nop | Mnemonic::Bt | Mnemonic::Endbr64 | Mnemonic::Pause => true,
        Mnemonic::Push => push(decoded, out),
        Mnemonic::Pop => pop(decoded, out),
        Mnemonic::Lea => address(decoded, out),
        Mnemonic::Xor | Mnemonic::Sub | Mnemonic::Add | Mnemonic::And | Mnemonic::Or => arithmetic(decoded, out),
        Mnemonic::Inc => add_constant(decoded, out, 1),
        Mnemonic::Dec => add_constant(decoded, out, -1),
        Mnemonic::Movzx => zero_extend(decoded, out),
        Mnemonic::Shl => shift_left(decoded, out),
        Mnemonic::Imul => multiply(decoded, out),
        Mnemonic::Xchg => exchange(decoded, out),
        Mnemonic::Leave => {
            out.push(Operation::Copy { to: STACK_POINTER, from: Operand::Register(FRAME_POINTER), bytes: 8 });
            out.push(Operation::Load { to: FRAME_POINTER, from: STACK_TOP, bytes: 8 });
            out.move_stack(8);
            true
        }
        _ => match decoded.mnemonic() as usize {
            m if is_conditional_move(m) => choose(decoded, out),
            _ => false,
        },
    }
}

fn is_conditional_move(mnemonic: usize) -> bool {
    // In alphabetical order in iced's table.
    (Mnemonic::Cmova as usize..=Mnemonic::Cmovs as usize).contains(&mnemonic)
}

fn copy(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let operation = match (operand(decoded, 0), operand(decoded, 1)) {
        (Simple::Register(to, bytes), Simple::Register(from, _)) => {
            Operation::Copy { to, from: Operand::Register(from), bytes }
        }
        (Simple::Register(to, bytes), Simple::Constant(value)) => {
            Operation::Copy { to, from: constant(value, bytes), bytes }
        }
        (Simple::Register(to, bytes), Simple::Memory(from)) => Operation::Load { to, from, bytes },
        (Simple::Memory(to), Simple::Register(from, bytes) | Simple::Low(from, bytes)) => {
            Operation::Store { to, from: Operand::Register(from), bytes }
        }
        (Simple::Memory(to), Simple::Constant(value)) => {
            let bytes = memory_bytes(decoded);
            Operation::Store { to, from: Operand::Constant(value), bytes }
        }
        _ => return false,
    };
    out.push(operation);
    true
}

/// A number as a register of that width holds it.
fn constant(value: i64, bytes: u8) -> Operand {
    Operand::Constant(if bytes == 4 { value & 0xffff_ffff } else { value })
}

fn memory_bytes(decoded: &iced_x86::Instruction) -> u8 {
    decoded.memory_size().size().min(64) as u8
}

fn push(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let from = match operand(decoded, 0) {
        Simple::Register(STACK_POINTER, 8) => {
            let from = Operand::Register(STACK_POINTER);
            out.push(Operation::Copy { to: Register::SCRATCH, from, bytes: 8 });
            Operand::Register(Register::SCRATCH)
        }
        Simple::Register(from, 8) => Operand::Register(from),
        Simple::Constant(value) if decoded.memory_size().size() != 2 => Operand::Constant(value),
        Simple::Memory(from) if memory_bytes(decoded) == 8 => {
            out.push(Operation::Load { to: Register::SCRATCH, from, bytes: 8 });
            Operand::Register(Register::SCRATCH)
        }
        _ => return false,
    };
    out.move_stack(-8);
    out.push(Operation::Store { to: STACK_TOP, from, bytes: 8 });
    true
}

fn pop(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    match operand(decoded, 0) {
        Simple::Register(to, 8) if to != STACK_POINTER => {
            out.push(Operation::Load { to, from: STACK_TOP, bytes: 8 });
            out.move_stack(8);
        }
        Simple::Memory(to) if memory_bytes(decoded) == 8 => {
            out.push(Operation::Load { to: Register::SCRATCH, from: STACK_TOP, bytes: 8 });
            out.move_stack(8);
            out.push(Operation::Store { to, from: Operand::Register(Register::SCRATCH), bytes: 8 });
        }
        _ => return false,
    }
    true
}

fn address(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let (Simple::Register(to, bytes), Some(of)) = (operand(decoded, 0), place(decoded)) else {
        return false;
    };
    let displacement = Operand::Constant(of.displacement);
    match (of.base, of.index) {
        // lea takes no notice of the segment.
        (None, None) => out.push(Operation::Copy { to, from: constant(of.displacement, bytes), bytes }),
        (Some(a), None) if of.displacement == 0 => {
            out.push(Operation::Copy { to, from: Operand::Register(a), bytes });
        }
        (Some(a), None) => {
            out.push(Operation::Add { to, a, b: displacement });
            out.narrow(to, bytes);
        }
        _ => {
            out.push(Operation::Address { to, of: Place { per_cpu: false, ..of } });
            out.narrow(to, bytes);
        }
    }
    true
}

/// The second operand as a number or a register, loaded into the scratch register when it is in memory.
fn second(decoded: &iced_x86::Instruction, out: &mut Out<'_>, bytes: u8) -> Option<Operand> {
    Some(match operand(decoded, 1) {
        Simple::Register(register, _) => Operand::Register(register),
        Simple::Constant(value) => Operand::Constant(value),
        Simple::Memory(from) => {
            out.push(Operation::Load { to: Register::SCRATCH, from, bytes });
            Operand::Register(Register::SCRATCH)
        }
        _ => return None,
    })
}

/// `add`, `sub`, `and`, `or`, `xor`, to a register or to memory.
fn arithmetic(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let mnemonic = decoded.mnemonic();
    match operand(decoded, 0) {
        Simple::Register(to, bytes) => {
            let same = matches!(operand(decoded, 1), Simple::Register(other, _) if other == to);
            if same && matches!(mnemonic, Mnemonic::Xor | Mnemonic::Sub) {
                out.push(Operation::Copy { to, from: Operand::Constant(0), bytes });
                return true;
            }
            let Some(b) = second(decoded, out, bytes) else { return false };
            combine(mnemonic, to, b, bytes, out);
        }
        Simple::Memory(place) => {
            let bytes = memory_bytes(decoded);
            let b = match operand(decoded, 1) {
                Simple::Register(register, _) => Operand::Register(register),
                Simple::Constant(value) => Operand::Constant(value),
                _ => return false,
            };
            if !matches!(bytes, 4 | 8) {
                return false;
            }
            out.push(Operation::Load { to: Register::SCRATCH, from: place, bytes });
            combine(mnemonic, Register::SCRATCH, b, bytes, out);
            out.push(Operation::Store { to: place, from: Operand::Register(Register::SCRATCH), bytes });
        }
        _ => return false,
    }
    true
}

/// `to = to (mnemonic) b`.
fn combine(mnemonic: Mnemonic, to: Register, b: Operand, bytes: u8, out: &mut Out<'_>) {
    match (mnemonic, b) {
        (Mnemonic::Add, b) => out.push(Operation::Add { to, a: to, b }),
        (Mnemonic::Sub, Operand::Constant(value)) => {
            out.push(Operation::Add { to, a: to, b: Operand::Constant(value.wrapping_neg()) });
        }
        (Mnemonic::And, Operand::Constant(value)) => {
            return out.push(Operation::And { to, a: to, mask: constant(value, bytes) });
        }
        (Mnemonic::And, mask) => out.push(Operation::And { to, a: to, mask }),
        (Mnemonic::Or, Operand::Constant(-1)) => {
            return out.push(Operation::Copy { to, from: constant(-1, bytes), bytes });
        }
        _ => return out.unknown(to),
    }
    out.narrow(to, bytes);
}

/// `inc` and `dec`.
fn add_constant(decoded: &iced_x86::Instruction, out: &mut Out<'_>, by: i64) -> bool {
    match operand(decoded, 0) {
        Simple::Register(to, bytes) => combine(Mnemonic::Add, to, Operand::Constant(by), bytes, out),
        Simple::Memory(place) if matches!(memory_bytes(decoded), 4 | 8) => {
            let bytes = memory_bytes(decoded);
            out.push(Operation::Load { to: Register::SCRATCH, from: place, bytes });
            combine(Mnemonic::Add, Register::SCRATCH, Operand::Constant(by), bytes, out);
            out.push(Operation::Store { to: place, from: Operand::Register(Register::SCRATCH), bytes });
        }
        _ => return false,
    }
    true
}

fn zero_extend(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    match (operand(decoded, 0), operand(decoded, 1)) {
        (Simple::Register(to, _), Simple::Low(a, bytes)) => {
            let mask = Operand::Constant(if bytes == 1 { 0xff } else { 0xffff });
            out.push(Operation::And { to, a, mask });
        }
        (Simple::Register(to, _), Simple::Memory(from)) => {
            out.push(Operation::Load { to, from, bytes: memory_bytes(decoded) });
        }
        _ => return false,
    }
    true
}

fn shift_left(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let (Simple::Register(to, bytes), Simple::Constant(by)) = (operand(decoded, 0), operand(decoded, 1)) else {
        return false;
    };
    let bits = (by & if bytes == 8 { 63 } else { 31 }) as u8;
    out.push(Operation::ShiftLeft { to, a: to, bits });
    out.narrow(to, bytes);
    true
}

/// `imul` of a value by a number; the other forms are unknown values.
fn multiply(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let (Simple::Register(to, bytes), Simple::Constant(by)) = (operand(decoded, 0), operand(decoded, 2)) else {
        return false;
    };
    let Some(Operand::Register(a)) = second(decoded, out, bytes) else { return false };
    if by > 0 && by.count_ones() == 1 {
        out.push(Operation::ShiftLeft { to, a, bits: by.trailing_zeros() as u8 });
    } else {
        out.push(Operation::Multiply { to, a, by });
    }
    out.narrow(to, bytes);
    true
}

fn exchange(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    match (operand(decoded, 0), operand(decoded, 1)) {
        // `xchg %ax, %ax` and its kin are padding.
        (Simple::Register(a, 8) | Simple::Low(a, 2), Simple::Register(b, 8) | Simple::Low(b, 2)) if a == b => {}
        (Simple::Register(a, bytes), Simple::Register(b, _)) => {
            out.push(Operation::Copy { to: Register::SCRATCH, from: Operand::Register(a), bytes });
            out.push(Operation::Copy { to: a, from: Operand::Register(b), bytes });
            out.push(Operation::Copy { to: b, from: Operand::Register(Register::SCRATCH), bytes });
        }
        (Simple::Memory(place), Simple::Register(register, bytes))
        | (Simple::Register(register, bytes), Simple::Memory(place)) => {
            out.push(Operation::Load { to: Register::SCRATCH, from: place, bytes });
            out.push(Operation::Store { to: place, from: Operand::Register(register), bytes });
            out.push(Operation::Copy { to: register, from: Operand::Register(Register::SCRATCH), bytes });
        }
        _ => return false,
    }
    true
}

fn choose(decoded: &iced_x86::Instruction, out: &mut Out<'_>) -> bool {
    let Simple::Register(to, bytes) = operand(decoded, 0) else { return false };
    let Some(Operand::Register(other)) = second(decoded, out, bytes) else { return false };
    out.push(Operation::Choose { to, other });
    out.narrow(to, bytes);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RAX: Register = Register(0);
    const RBX: Register = Register(3);
    const RSI: Register = Register(4);
    const RDI: Register = Register(5);

    fn lift(code: &[u8]) -> Vec<Operation> {
        let mut out = Vec::new();
        X86::default().lift(code, 0x1000, &mut out);
        assert_eq!(out.iter().map(|instruction| usize::from(instruction.length)).sum::<usize>(), code.len());
        out.iter().map(|instruction| instruction.operation).collect()
    }

    const fn at(base: Register, displacement: i64) -> Place {
        Place { base: Some(base), index: None, displacement, per_cpu: false }
    }

    #[test]
    fn moves_keep_their_width() {
        // mov %rdi,%rbx; mov %edi,%ebx; mov 0x18(%rbx),%edi; movzbl (%rdi),%eax; mov $0xffffffff82001000,%rdi
        assert_eq!(lift(&[0x48, 0x89, 0xfb]), [Operation::Copy { to: RBX, from: Operand::Register(RDI), bytes: 8 }]);
        assert_eq!(lift(&[0x89, 0xfb]), [Operation::Copy { to: RBX, from: Operand::Register(RDI), bytes: 4 }]);
        assert_eq!(lift(&[0x8b, 0x7b, 0x18]), [Operation::Load { to: RDI, from: at(RBX, 0x18), bytes: 4 }]);
        assert_eq!(lift(&[0x0f, 0xb6, 0x07]), [Operation::Load { to: RAX, from: at(RDI, 0), bytes: 1 }]);
        let from = Operand::Constant(0xffff_ffff_8200_1000_u64.cast_signed());
        assert_eq!(lift(&[0x48, 0xc7, 0xc7, 0, 0x10, 0, 0x82]), [Operation::Copy { to: RDI, from, bytes: 8 }]);
    }

    #[test]
    fn addresses_are_sums_and_per_cpu_places_say_so() {
        // lea 0x18(%rbx),%rdi; lea 0x10(%rip),%rdi; add %gs:0x1fbc0,%rax
        assert_eq!(lift(&[0x48, 0x8d, 0x7b, 0x18]), [Operation::Add { to: RDI, a: RBX, b: Operand::Constant(0x18) }]);
        assert_eq!(
            lift(&[0x48, 0x8d, 0x3d, 0x10, 0, 0, 0]),
            [Operation::Copy { to: RDI, from: Operand::Constant(0x1017), bytes: 8 }]
        );
        let from = Place { base: None, index: None, displacement: 0x1fbc0, per_cpu: true };
        assert_eq!(
            lift(&[0x65, 0x48, 0x03, 0x04, 0x25, 0xc0, 0xfb, 0x01, 0]),
            [
                Operation::Load { to: Register::SCRATCH, from, bytes: 8 },
                Operation::Add { to: RAX, a: RAX, b: Operand::Register(Register::SCRATCH) },
            ]
        );
    }

    #[test]
    fn narrow_arithmetic_clears_the_upper_half() {
        // xor %eax,%eax; add $1,%edi; sub $8,%rdi; imul $0x78,%rdi,%rdi
        assert_eq!(lift(&[0x31, 0xc0]), [Operation::Copy { to: RAX, from: Operand::Constant(0), bytes: 4 }]);
        assert_eq!(
            lift(&[0x83, 0xc7, 0x01]),
            [
                Operation::Add { to: RDI, a: RDI, b: Operand::Constant(1) },
                Operation::Copy { to: RDI, from: Operand::Register(RDI), bytes: 4 },
            ]
        );
        assert_eq!(lift(&[0x48, 0x83, 0xef, 0x08]), [Operation::Add { to: RDI, a: RDI, b: Operand::Constant(-8) }]);
        assert_eq!(lift(&[0x48, 0x6b, 0xff, 0x78]), [Operation::Multiply { to: RDI, a: RDI, by: 0x78 }]);
    }

    #[test]
    fn what_is_not_followed_says_what_it_writes() {
        // lock cmpxchg %rbx,(%rdi); rep stos %rax,(%rdi); lock xadd %eax,(%rdi); sete %al
        let unknown = |registers: &[Register], memory| Operation::Other { writes: Registers::of(registers), memory };
        let stored = |bytes| Operation::Store { to: at(RDI, 0), from: Operand::Register(Register::SCRATCH), bytes };
        assert_eq!(
            lift(&[0xf0, 0x48, 0x0f, 0xb1, 0x1f]),
            [unknown(&[Register::SCRATCH], false), stored(8), unknown(&[RAX], false)]
        );
        assert_eq!(lift(&[0xf3, 0x48, 0xab]), [unknown(&[Register(2), RDI], true)]);
        assert_eq!(
            lift(&[0xf0, 0x0f, 0xc1, 0x07]),
            [unknown(&[Register::SCRATCH], false), stored(4), unknown(&[RAX], false)]
        );
        assert_eq!(lift(&[0x0f, 0x94, 0xc0]), [unknown(&[RAX], false)]);
    }

    #[test]
    fn transfers() {
        // call +0; jmp *%rax; call *8(%rsi); je +0; ret; ud2; int3; an invalid byte
        assert_eq!(lift(&[0xe8, 0, 0, 0, 0]), [Operation::Call(Target::Direct(0x1005))]);
        assert_eq!(lift(&[0xff, 0xe0]), [Operation::Jump(Target::Indirect(RAX))]);
        assert_eq!(
            lift(&[0xff, 0x56, 0x08]),
            [
                Operation::Load { to: Register::SCRATCH, from: at(RSI, 8), bytes: 8 },
                Operation::Call(Target::Indirect(Register::SCRATCH)),
            ]
        );
        assert_eq!(lift(&[0x74, 0]), [Operation::Branch { address: 0x1002 }]);
        assert_eq!(lift(&[0xc3]), [Operation::Return]);
        assert_eq!(lift(&[0x0f, 0x0b]), [Operation::Trap]);
        assert_eq!(lift(&[0xcc]), [Operation::Trap]);
        assert_eq!(lift(&[0x06]), [Operation::Trap]);
    }

    #[test]
    fn a_branch_on_a_result() {
        let outcome = |code: &[u8]| X86::default().outcome(code, 0x1000);
        // test %eax,%eax; je +16
        assert_eq!(outcome(&[0x85, 0xc0, 0x74, 0x10]), Some(Outcome { branch: 0x1002, zero: 0x1014, other: 0x1004 }));
        // mov %eax,%ebx; test %ebx,%ebx; jne +16
        assert_eq!(
            outcome(&[0x89, 0xc3, 0x85, 0xdb, 0x75, 0x10]),
            Some(Outcome { branch: 0x1004, zero: 0x1006, other: 0x1016 })
        );
        // mov %ecx,%eax; test %eax,%eax; je: something else is tested
        assert_eq!(outcome(&[0x89, 0xc8, 0x85, 0xc0, 0x74, 0x10]), None);
    }

    #[test]
    fn the_stack() {
        // push %rbx; pop %rbx
        let top = at(STACK_POINTER, 0);
        let moved = |by| Operation::Add { to: STACK_POINTER, a: STACK_POINTER, b: Operand::Constant(by) };
        assert_eq!(lift(&[0x53]), [moved(-8), Operation::Store { to: top, from: Operand::Register(RBX), bytes: 8 }]);
        assert_eq!(lift(&[0x5b]), [Operation::Load { to: RBX, from: top, bytes: 8 }, moved(8)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_apart_without_a_gap(code in proptest::collection::vec(any::<u8>(), 0..200), at: u64) {
            let (mut all, mut one) = (Vec::new(), Vec::new());
            let mut x86 = X86::default();
            x86.lift(&code, at, &mut all);
            let mut next = 0;
            while next < code.len() {
                let length = x86.lift_one(&code[next..], at.wrapping_add(next as u64), &mut one);
                prop_assert!(length > 0);
                next += length;
            }
            prop_assert_eq!(&all, &one);
            let mut expected = at;
            for instruction in &all {
                prop_assert_eq!(instruction.address, expected);
                expected = instruction.next();
            }
        }
    }
}
