//! Which locks are held where in a function.
//!
//! A lock is held from the site that takes it, on the branch where that succeeded, until a site that lets the same
//! object go. What the functions called take and let go for this one counts too, one call deep.

use crate::code::{Graph, Instruction, Operation, Outcome, Target};
use crate::flow::Object;
use lima_model::LockType;
use lima_model::primitive::Success;

/// A lock, as far as one can be told from another.
#[derive(Clone, Copy, Debug)]
pub struct Lock<'a> {
    /// Its type.
    pub lock_type: LockType,
    /// What is locked.
    pub object: &'a Object,
}

impl Lock<'_> {
    fn is_known(&self) -> bool {
        !matches!(self.object, Object::Unknown(_))
    }

    /// Whether letting go of the other one may let go of this one. What is not known may be anything of its family:
    /// rather no hint than a wrong one.
    pub fn ends_with(&self, released: &Self) -> bool {
        self.lock_type.family() == released.lock_type.family()
            && (self.object == released.object || !self.is_known() || !released.is_known())
    }
}

/// What happens to locks at an instruction.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A lock is taken; the number is the taker's.
    Take {
        /// Which of the function's takers it is.
        taker: u32,
        /// With which result the lock is held.
        success: Success,
        /// Where the function goes with which result, when it looks at that at once.
        outcome: Option<Outcome>,
    },
    /// A lock is let go, by the releaser with this number.
    Release(u32, Lock<'a>),
    /// A function is called, by its number in some list.
    Call(u32),
}

/// A set of takers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takers(Vec<u64>);

impl Takers {
    fn none(takers: usize) -> Self {
        Self(vec![0; takers.div_ceil(64)])
    }

    fn all(takers: usize) -> Self {
        let mut all = Self::none(takers);
        (0..takers as u32).for_each(|taker| all.insert(taker));
        all
    }

    fn insert(&mut self, taker: u32) {
        self.0[taker as usize / 64] |= 1 << (taker % 64);
    }

    fn remove(&mut self, taker: u32) {
        self.0[taker as usize / 64] &= !(1 << (taker % 64));
    }

    /// Who is in it, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let bits =
            |(i, &word): (usize, &u64)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| i * 64 + bit);
        self.0.iter().enumerate().flat_map(bits)
    }

    /// Meets another set: both, or what is in both. Whether this changed anything.
    fn meet(&mut self, other: &Self, must: bool) -> bool {
        let mut changed = false;
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            let met = if must { *mine & theirs } else { *mine | theirs };
            changed |= met != *mine;
            *mine = met;
        }
        changed
    }
}

/// A function, and what happens to locks in it.
#[derive(Debug)]
pub struct Body<'s, 'a> {
    /// Its graph.
    pub graph: &'s Graph,
    /// The locks that are taken, by their takers' numbers.
    pub locks: Vec<Lock<'a>>,
    /// What happens where, ascending by instruction: its address, and what happens. Several things at one address
    /// happen in their order.
    pub events: &'s [(u64, Event<'a>)],
}

impl<'a> Body<'_, 'a> {
    /// Follows the locks and tells of each event which takers hold their locks just before it, and at the end (`None`)
    /// who does when the function comes back. With `must` these are the locks that are held whichever way the function
    /// went, else those that may be.
    pub fn follow(&self, must: bool, mut each: impl FnMut(Option<&Event<'a>>, &Takers)) {
        let blocks = self.graph.blocks.len();
        let takers = self.locks.len();
        let start = if must { Takers::all(takers) } else { Takers::none(takers) };
        let mut before = vec![start; blocks];
        if let Some(first) = before.first_mut() {
            *first = Takers::none(takers);
        }
        // Each round carries a lock at least one loop further; loops nest no deeper than that.
        const ROUNDS: usize = 32;
        for _ in 0..ROUNDS {
            let mut changed = false;
            for &block in self.graph.order() {
                let after = self.through(block, before[block as usize].clone(), &mut |_, _| {});
                for &next in self.graph.successors(block) {
                    let along = self.along(block, next, &after);
                    changed |= before[next as usize].meet(&along, must);
                }
            }
            if !changed {
                break;
            }
        }
        let mut at_return: Option<Takers> = None;
        for &block in self.graph.order() {
            let after =
                self.through(block, before[block as usize].clone(), &mut |event, takers| each(Some(event), takers));
            if self.comes_back(block) {
                match &mut at_return {
                    Some(others) => _ = others.meet(&after, must),
                    None => at_return = Some(after),
                }
            }
        }
        if let Some(takers) = at_return {
            each(None, &takers);
        }
    }

    /// What is held after a block.
    fn through(&self, block: u32, mut held: Takers, each: &mut dyn FnMut(&Event<'a>, &Takers)) -> Takers {
        for event in self.events_of(block) {
            each(event, &held);
            match event {
                Event::Take { taker, .. } => held.insert(*taker),
                Event::Release(_, released) => {
                    for (taker, lock) in (0..).zip(&self.locks) {
                        if lock.ends_with(released) {
                            held.remove(taker);
                        }
                    }
                }
                Event::Call(_) => {}
            }
        }
        held
    }

    /// What of that is held when another block follows: not what was tried there without success.
    fn along(&self, block: u32, next: u32, after: &Takers) -> Takers {
        let mut held = after.clone();
        let end = self.graph.operations(block).last().map(|last| last.address);
        let start = self.graph.blocks[next as usize].range.start;
        for event in self.events_of(block) {
            if let Event::Take { taker, success, outcome: Some(outcome) } = *event
                && end == Some(outcome.branch)
            {
                let failed = match success {
                    Success::Always | Success::Varies => false,
                    Success::Zero => start == outcome.other,
                    Success::Other => start == outcome.zero,
                };
                if failed {
                    held.remove(taker);
                }
            }
        }
        held
    }

    fn events_of(&self, block: u32) -> impl Iterator<Item = &Event<'a>> {
        let range = &self.graph.blocks[block as usize].range;
        let start = self.events.partition_point(|(address, _)| *address < range.start);
        self.events[start..].iter().take_while(|(address, _)| *address < range.end).map(|(_, event)| event)
    }

    /// Whether the function ends with a block by coming back to its caller.
    fn comes_back(&self, block: u32) -> bool {
        match self.graph.operations(block).last() {
            Some(Instruction { operation: Operation::Return, .. }) => true,
            Some(Instruction { operation: Operation::Jump(Target::Direct(_) | Target::Indirect(_)), .. }) => {
                self.graph.successors(block).is_empty()
            }
            Some(&Instruction { operation: Operation::Branch { address }, .. }) => !self
                .graph
                .successors(block)
                .iter()
                .any(|&next| self.graph.blocks[next as usize].range.start == address),
            _ => false,
        }
    }
}
