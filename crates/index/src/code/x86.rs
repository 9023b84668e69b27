//! x86-64 as simple operations.

mod arithmetic;
mod operands;
#[cfg(test)]
mod tests;

use super::operation::{Instruction, Operand, Operation, Place, Register, Registers, Target};
use super::{Lift, Outcome, Transfer};
use arithmetic::{add_constant, address, arithmetic, choose, exchange, multiply, shift_left, zero_extend};
use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, InstructionInfoFactory, InstructionInfoOptions, Mnemonic, OpAccess,
    OpKind,
};
use operands::{Simple, constant, general, memory_bytes, operand, place};

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
