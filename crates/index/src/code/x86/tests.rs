//! Instructions, and what they come to.

use super::{STACK_POINTER, X86};
use crate::code::{Lift, Operand, Operation, Outcome, Place, Register, Registers, Target};
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
