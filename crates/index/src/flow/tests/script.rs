//! The follower, the evidence and the judge on hand-made instructions: what compilers seldom do on demand.

use super::super::follow::{Callee, Event, Follower};
use super::super::values::{Node, NodeId, STACK, Value, Values, ZERO};
use super::super::{Answer, Evidence, Global, Judge, Known, Object, Own, Question, Special};
use super::HEADER;
use crate::code::{
    Function, FunctionId, Graph, Instruction, Landmarks, Lift, Memory, Operand, Operation, Place, Register, Registers,
    Surroundings, Target, Transfer,
};
use crate::types::{TypeId, Types, fixture};
use lima_model::LockType;
use lima_model::words::SiteMethod;
use std::ops::Range;

const RAX: Register = Register(0);
const RBX: Register = Register(3);
const RDI: Register = Register(5);
const RSP: Register = Register(7);
const R12: Register = Register(12);
/// Where functions start; each instruction is one byte.
const START: u64 = 0x1000;
/// `this_cpu_off`, `__per_cpu_offset`, and a variable of each CPU.
const SPECIAL: Special =
    Special { this_cpu_offset: Some(0x100), per_cpu_offsets: Some(0x9000), pages: None, fixed_pages: None };
const SHARE: u64 = 0x200;
/// A function that knows nothing of its argument.
const LOCK: u64 = 0x5000;

/// Code that "bytes" are numbers of.
struct Script(Vec<Operation>);

impl Memory for Script {
    fn bytes(&self, addresses: Range<u64>) -> Option<&[u8]> {
        static ZEROS: [u8; 64] = [0; 64];
        let inside = addresses.start >= START && addresses.end <= START + self.0.len() as u64;
        ZEROS.get(..(addresses.end - addresses.start) as usize).filter(|_| inside)
    }
}

impl Lift for Script {
    fn lift(&mut self, code: &[u8], address: u64, into: &mut Vec<Instruction>) {
        let all = (START..).zip(&self.0).map(|(address, &operation)| Instruction { address, length: 1, operation });
        into.extend(all.skip((address - START) as usize).take(code.len()));
    }

    fn lift_one(&mut self, code: &[u8], address: u64, into: &mut Vec<Instruction>) -> usize {
        self.lift(&code[..1], address, into);
        1
    }

    fn scan(&mut self, _: &[u8], _: u64, _: &mut dyn FnMut(u64, u8, Transfer)) {}

    fn outcome(&mut self, _: &[u8], _: u64) -> Option<crate::code::Outcome> {
        None
    }
}

fn place(base: Register, displacement: i64) -> Place {
    Place { base: Some(base), index: None, displacement, per_cpu: false }
}

fn fixed(displacement: u64, per_cpu: bool) -> Place {
    Place { base: None, index: None, displacement: displacement.cast_signed(), per_cpu }
}

fn copy(to: Register, from: Register) -> Operation {
    Operation::Copy { to, from: Operand::Register(from), bytes: 8 }
}

fn set(to: Register, number: i64) -> Operation {
    Operation::Copy { to, from: Operand::Constant(number), bytes: 8 }
}

fn load(to: Register, from: Place) -> Operation {
    Operation::Load { to, from, bytes: 8 }
}

fn store(to: Place, from: Register) -> Operation {
    Operation::Store { to, from: Operand::Register(from), bytes: 8 }
}

fn add(to: Register, number: i64) -> Operation {
    Operation::Add { to, a: to, b: Operand::Constant(number) }
}

fn call(to: u64) -> Operation {
    Operation::Call(Target::Direct(to))
}

/// A branch to the instruction of this number.
fn branch(to: u64) -> Operation {
    Operation::Branch { address: START + to }
}

fn graph(operations: &[Operation]) -> Graph {
    let mut script = Script(operations.to_vec());
    let range = START..START + operations.len() as u64;
    let function = Function { name: "scripted".into(), aliases: Vec::new(), range, cold: Vec::new(), global: true };
    let memory = Script(operations.to_vec());
    Graph::build(&function, Surroundings { memory: &memory, landmarks: &Landmarks::default() }, &mut script)
}

fn followed(operations: &[Operation]) -> Follower {
    let mut follower = Follower::default();
    follower.follow(&graph(operations), &[], SPECIAL);
    follower
}

/// What the last call is given.
fn argument(follower: &Follower) -> Value {
    let calls = follower.events.iter().rev();
    let mut first = calls.filter_map(|event| match event {
        Event::Call { arguments, callee: Callee::Direct(_), .. } => Some(arguments[0]),
        _ => None,
    });
    first.next().expect("a call")
}

fn entry(values: &Values, register: Register) -> NodeId {
    values.find(Node::Entry(register)).expect("the entry")
}

/// The values that a join is of.
fn joined(values: &Values, join: NodeId) -> Vec<Value> {
    assert!(matches!(values.node(join), Node::Join(_)), "{:?}", values.node(join));
    values.operands().iter().filter(|(id, _)| *id == join).map(|(_, value)| *value).collect()
}

#[test]
fn a_sum_needs_no_node() {
    let follower =
        followed(&[copy(RBX, RDI), add(RBX, 24), copy(RDI, RBX), add(RDI, -8), call(LOCK), Operation::Return]);
    assert_eq!(argument(&follower), Value { node: entry(&follower.values, RDI), offset: 16 });
}

#[test]
fn a_call_keeps_what_the_convention_says() {
    let follower = followed(&[copy(RBX, RDI), call(LOCK), copy(RDI, RBX), call(LOCK), Operation::Return]);
    assert_eq!(argument(&follower), Value::of(entry(&follower.values, RDI)));
    let follower = followed(&[copy(RBX, RDI), call(LOCK), copy(RDI, RAX), call(LOCK), Operation::Return]);
    assert_eq!(follower.values.node(argument(&follower).node), Node::Result(1));
}

#[test]
fn ways_that_meet_are_joined_only_where_they_differ() {
    // if (...) rdi += 8; rbx stays.
    let code = [copy(RBX, RDI), branch(3), add(RDI, 8), call(LOCK), copy(RDI, RBX), call(LOCK), Operation::Return];
    let follower = followed(&code);
    let of = entry(&follower.values, RDI);
    assert_eq!(argument(&follower), Value::of(of));
    let Some(Event::Call { arguments, .. }) = follower.events.first() else { panic!("no call") };
    let mut values: Vec<i64> = joined(&follower.values, arguments[0].node)
        .iter()
        .map(|value| {
            assert_eq!(value.node, of);
            value.offset
        })
        .collect();
    values.sort_unstable();
    assert_eq!(values, [0, 8]);
}

#[test]
fn a_loop_changes_only_what_it_changes() {
    // do { rdi = rdi->next } while (...): rbx stays what it was.
    let code = [copy(RBX, RDI), load(RDI, place(RDI, 16)), branch(1), copy(R12, RDI), copy(RDI, RBX), call(LOCK)];
    let follower = followed(&[&code[..], &[copy(RDI, R12), call(LOCK), Operation::Return]].concat());
    let values = &follower.values;
    let Some(Event::Call { arguments, .. }) = follower.events.first() else { panic!("no call") };
    assert_eq!(arguments[0], Value::of(entry(values, RDI)));
    let Node::Load { address, .. } = values.node(argument(&follower).node) else { panic!("no load") };
    let operands = joined(values, address.node);
    assert!(operands.contains(&Value::of(entry(values, RDI))), "{operands:?}");
    assert!(operands.contains(&Value::of(argument(&follower).node)), "{operands:?}");
}

#[test]
fn a_stack_slot_keeps_its_value_until_others_know_of_it() {
    let kept =
        [add(RSP, -32), store(place(RSP, 8), RDI), set(RDI, 0), call(LOCK), load(RDI, place(RSP, 8)), call(LOCK)];
    let follower = followed(&[&kept[..], &[add(RSP, 32), Operation::Return]].concat());
    assert_eq!(argument(&follower), Value::of(entry(&follower.values, RDI)));
    // The address is handed out: the callee may write there.
    let mut known = kept;
    known[2] = Operation::Address { to: RDI, of: place(RSP, 8) };
    let follower = followed(&[&known[..], &[add(RSP, 32), Operation::Return]].concat());
    assert!(matches!(follower.values.node(argument(&follower).node), Node::Stale { slot: -24, .. }));
    let became = follower.events.iter().any(|event| matches!(event, Event::Became { .. }));
    assert!(became, "a clue of the value before is one of the value after, if a weak one");
}

#[test]
fn what_nobody_knows_is_opaque() {
    let code = [Operation::Other { writes: Registers::of(&[RDI]), memory: false }, call(LOCK), Operation::Return];
    let follower = followed(&code);
    assert!(matches!(follower.values.node(argument(&follower).node), Node::Opaque(_, RDI)));
}

/// The answer for the last call.
fn answer(operations: &[Operation], known: &Known, types: &Types, lock_type: LockType) -> Answer {
    let graph = graph(operations);
    let mut follower = Follower::default();
    follower.follow(&graph, &[], known.special);
    let own = Own { function: FunctionId(0), address: START, prototype: known.prototype(START), bindings: &[] };
    let mut evidence = Evidence::default();
    evidence.gather(&follower, own, known, types);
    let seen = evidence.all().map(|clue| clue.of).collect();
    let function = FunctionId(0);
    let judge =
        Judge { function, follower: &follower, evidence: &evidence, known, types, seen: &seen, complete: false };
    let last = operations.iter().rposition(|operation| matches!(operation, Operation::Call(_))).expect("a call");
    let question = Question::handed(START + last as u64, 0, lock_type);
    let value = judge.value(&question, |number| graph.instructions[number as usize].address).expect("a value");
    judge.answer(value, lock_type)
}

const CODE: &str = r"
struct share { long count; spinlock_t lock; struct inode *current; };
struct share shares;
int scripted(struct inode *i, struct table *t) { return i->number + t->size; }

";

/// The types, what a scripted function takes, and a variable of each CPU.
fn scene() -> Option<(Types, Known)> {
    let types = fixture::types(&format!("{HEADER}\n{CODE}"))?;
    let mut known = Known::on(None);
    known.special = SPECIAL;
    let prototype = types.prototype("scripted").expect("a prototype");
    known.add_prototype(START, prototype.returns, prototype.parameters);
    let of = fixture::of(&types, "share");
    known.per_cpu.push(Global { address: SHARE, bytes: types.bytes(of).into(), of });
    known.per_cpu_data.push((0, 0x1000));
    known.data.push((0x7000, 0xa000));
    Some((types, known))
}

fn spelled(types: &Types, object: &Object) -> String {
    match object {
        Object::Member { declaring, path } => format!("{}.{path}", types.name(*declaring)),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_page_at_a_fixed_address_is_one_of_the_array() {
    let Some((types, mut known)) = scene() else { return };
    const PAGES: u64 = 0xffff_ea00_0000_0000;
    known.special.fixed_pages = Some(PAGES);
    known.pages.extend(types.composites_named("inode").next());
    // rdi = &pages[...].i_lock, as if pages were inodes
    let code = [
        set(RAX, PAGES.cast_signed()),
        Operation::Address { to: RDI, of: Place { index: Some((RAX, 1)), ..place(RBX, 8) } },
        call(LOCK),
        Operation::Return,
    ];
    let found = answer(&code, &known, &types, LockType::Mutex);
    assert_eq!(spelled(&types, &found.object), "inode.i_lock");
}

#[test]
fn this_cpus_share_is_the_variable() {
    let Some((types, known)) = scene() else { return };
    // rdi = this_cpu_off + &shares.lock
    let this = [
        set(RDI, SHARE.cast_signed() + 8),
        load(RAX, fixed(0x100, true)),
        Operation::Add { to: RDI, a: RDI, b: Operand::Register(RAX) },
        call(LOCK),
        Operation::Return,
    ];
    let found = answer(&this, &known, &types, LockType::Spinlock);
    assert_eq!((found.object, found.method), (Object::Global { address: SHARE + 8 }, SiteMethod::Address));
    // rdi = __per_cpu_offset[rbx] + &shares.lock
    let other = [
        set(RDI, SHARE.cast_signed() + 8),
        load(RAX, Place { base: None, index: Some((RBX, 8)), displacement: 0x9000, per_cpu: false }),
        Operation::Add { to: RDI, a: RDI, b: Operand::Register(RAX) },
        call(LOCK),
        Operation::Return,
    ];
    let found = answer(&other, &known, &types, LockType::Spinlock);
    assert_eq!((found.object, found.method), (Object::Global { address: SHARE + 8 }, SiteMethod::Address));
}

#[test]
fn a_pointer_in_this_cpus_share_has_its_type() {
    let Some((types, known)) = scene() else { return };
    let lock = 8;
    let code = [load(RDI, fixed(SHARE + 16, true)), add(RDI, lock), call(LOCK), Operation::Return];
    let found = answer(&code, &known, &types, LockType::Mutex);
    assert_eq!((spelled(&types, &found.object).as_str(), found.method), ("inode.i_lock", SiteMethod::Flow));
}

#[test]
fn an_element_is_told_by_its_stride() {
    let Some((types, known)) = scene() else { return };
    let (table, slot): (TypeId, TypeId) = (fixture::of(&types, "table"), fixture::of(&types, "slot"));
    let first = types.members(table)[1].offset();
    let element = |stride: i64| {
        [
            copy(RDI, Register(4)),
            Operation::Multiply { to: RBX, a: RBX, by: stride },
            Operation::Add { to: RDI, a: RDI, b: Operand::Register(RBX) },
            // An index that starts at one: the place is behind the array's start, by more than an element.
            add(RDI, i64::from(first) + 8 + 3 * i64::from(types.bytes(slot))),
            call(LOCK),
            Operation::Return,
        ]
    };
    let found = answer(&element(types.bytes(slot).into()), &known, &types, LockType::Mutex);
    assert_eq!((spelled(&types, &found.object).as_str(), found.method), ("slot.lock", SiteMethod::Flow));
}

#[test]
fn a_choice_between_objects_is_none() {
    let Some((types, known)) = scene() else { return };
    let same = [copy(RBX, RDI), Operation::Choose { to: RDI, other: RBX }, add(RDI, 8), call(LOCK), Operation::Return];
    assert_eq!(spelled(&types, &answer(&same, &known, &types, LockType::Mutex).object), "inode.i_lock");
    // Of two variables nobody knows which.
    let two =
        [set(RDI, 0x7100), set(RBX, 0x7200), Operation::Choose { to: RDI, other: RBX }, call(LOCK), Operation::Return];
    let found = answer(&two, &known, &types, LockType::Mutex);
    assert!(matches!(found.object, Object::Unknown(_)), "{found:?}");
    let one =
        [set(RDI, 0x7100), set(RBX, 0x7100), Operation::Choose { to: RDI, other: RBX }, call(LOCK), Operation::Return];
    assert_eq!(answer(&one, &known, &types, LockType::Mutex).object, Object::Global { address: 0x7100 });
}

#[test]
fn the_stack_and_what_was_a_number() {
    let Some((types, known)) = scene() else { return };
    let local = [
        add(RSP, -64),
        Operation::Address { to: RDI, of: place(RSP, 16) },
        call(LOCK),
        add(RSP, 64),
        Operation::Return,
    ];
    let found = answer(&local, &known, &types, LockType::Mutex);
    assert_eq!((found.object, found.method), (Object::Local, SiteMethod::Local));
    let values = followed(&local);
    assert_eq!(argument(&values), Value { node: STACK, offset: -48 });
    // An address where no variable can be.
    let nowhere = [set(RDI, 0x10), call(LOCK), Operation::Return];
    assert_eq!(argument(&followed(&nowhere)).node, ZERO);
    assert_eq!(answer(&nowhere, &known, &types, LockType::Mutex).object, Object::Unknown("address of no variable"));
}
