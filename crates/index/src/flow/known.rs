//! What is known outside of the function that is looked at: prototypes, variables, what calls do.

use super::follow::ARGUMENTS;
use super::learn::{Key, Learned};
use super::values::Special;
use crate::code::FunctionId;
use crate::types::{Prototype, Type, TypeId, Types};
use lima_model::LockType;
use rustc_hash::FxHashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A variable at a fixed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Global {
    /// Its address; of a per-CPU one its place in the image.
    pub address: u64,
    /// Its size, bytes.
    pub bytes: u64,
    /// Its type.
    pub of: TypeId,
}

/// What is known outside of the function that is looked at.
#[derive(Debug, Default)]
pub struct Known {
    /// The same of the kernel, of a module.
    pub base: Option<Arc<Known>>,
    /// What functions return, and where in `parameters` what they take is, by their addresses.
    prototypes: FxHashMap<u64, (TypeId, Range<u32>)>,
    parameters: Vec<TypeId>,
    /// Variables, ascending by address.
    pub globals: Vec<Global>,
    /// Per-CPU variables, ascending by address. Their addresses may be small numbers.
    pub per_cpu: Vec<Global>,
    /// Addresses that mean something.
    pub special: Special,
    /// Where data lies: addresses of variables are in one of these, ascending.
    pub data: Vec<(u64, u64)>,
    /// The same of per-CPU variables.
    pub per_cpu_data: Vec<(u64, u64)>,
    /// What an element of the array of all pages is: `struct page`, and what lies over it (`struct ptdesc`, since 6.5).
    pub pages: Vec<TypeId>,
    /// What the code says beyond declarations.
    pub learned: Learned,
    /// Named structs by the offsets of their locks.
    holders: OnceLock<FxHashMap<u32, Vec<TypeId>>>,
}

impl Known {
    /// Nothing yet, but what is known of the kernel.
    pub fn on(base: Option<Arc<Self>>) -> Self {
        Self { base, ..Self::default() }
    }

    /// Notes what a function takes and returns.
    pub fn add_prototype(&mut self, address: u64, returns: TypeId, parameters: &[TypeId]) {
        let start = self.parameters.len() as u32;
        self.parameters.extend_from_slice(parameters);
        self.prototypes.insert(address, (returns, start..self.parameters.len() as u32));
    }

    /// What the function at an address takes and returns.
    pub fn prototype(&self, address: u64) -> Option<Prototype<'_>> {
        let Some((returns, range)) = self.prototypes.get(&address) else {
            return self.base.as_ref()?.prototype(address);
        };
        let parameters = self.parameters.get(range.start as usize..range.end as usize)?;
        Some(Prototype { returns: *returns, parameters })
    }

    /// The named structs that have a lock at an offset.
    pub fn holders(&self, types: &Types, offset: u32) -> &[TypeId] {
        let holders = self.holders.get_or_init(|| {
            let mut holders: FxHashMap<u32, Vec<TypeId>> = FxHashMap::default();
            for outer in (0..types.end().0).map(TypeId) {
                if !matches!(types.get(outer), Type::Composite(_)) || !types.holds_lock(outer) || !types.is_named(outer)
                {
                    continue;
                }
                locks_in(types, outer, 0, &mut |at| holders.entry(at).or_default().push(outer));
            }
            holders
        });
        holders.get(&offset).map_or(&[], Vec::as_slice)
    }

    /// The variable that an address is in, and how far in.
    pub fn variable_at(&self, address: u64, per_cpu: bool) -> Option<(TypeId, u32)> {
        let list = if per_cpu { &self.per_cpu } else { &self.globals };
        let at = list.partition_point(|global| global.address <= address).checked_sub(1);
        let found = at.and_then(|at| {
            let rest = address - list[at].address;
            (rest < list[at].bytes).then(|| Some((list[at].of, u32::try_from(rest).ok()?)))?
        });
        found.or_else(|| self.base.as_ref()?.variable_at(address, per_cpu))
    }

    /// Whether a variable may lie there.
    pub fn is_data(&self, address: u64, per_cpu: bool) -> bool {
        let list = if per_cpu { &self.per_cpu_data } else { &self.data };
        let at = list.partition_point(|&(start, _)| start <= address);
        at.checked_sub(1).is_some_and(|at| address < list[at].1)
            || self.base.as_ref().is_some_and(|base| base.is_data(address, per_cpu))
    }

    /// What was observed in the image itself of something, as seen from a function of it.
    pub fn about_here(&self, key: Key, from: FunctionId, each: &mut impl FnMut(TypeId, i32)) {
        self.learned.about(key, Some(from), each);
    }

    /// What was observed of something, as seen from a function of the image.
    pub fn about(&self, key: Key, from: FunctionId, each: &mut impl FnMut(TypeId, i32)) {
        self.about_here(key, from, each);
        if let Some(base) = &self.base {
            base.learned.about(key, None, each);
        }
    }
}

/// Where the locks of a type are; of arrays the first element's.
fn locks_in(types: &Types, of: TypeId, start: u32, found: &mut impl FnMut(u32)) {
    for member in types.members(of) {
        if !types.holds_lock(member.of) {
            continue;
        }
        let at = start.saturating_add(member.offset());
        let mut inner = types.resolve(member.of);
        let mut lock = types.lock_type(member.of);
        while let Some((element, _)) = types.element(inner) {
            lock = lock.or(types.lock_type(element));
            inner = element;
        }
        match lock {
            None | Some(LockType::Seqlock) => locks_in_dyn(types, inner, at, found),
            Some(compound) if compound.is_compound() => {
                found(at);
                locks_in_dyn(types, inner, at, found);
            }
            Some(_) => found(at),
        }
    }
}

fn locks_in_dyn(types: &Types, of: TypeId, start: u32, mut found: &mut dyn FnMut(u32)) {
    locks_in(types, of, start, &mut found);
}

/// The parameters that arrive in registers: which register (its place in [`ARGUMENTS`]), and the type.
pub fn in_registers<'a>(types: &'a Types, parameters: &'a [TypeId]) -> impl Iterator<Item = (usize, TypeId)> + 'a {
    let mut next = 0;
    parameters.iter().filter_map(move |&of| {
        let words = match types.bytes(of) {
            0..=8 => 1,
            9..=16 => 2,
            _ => return None,
        };
        if next + words > ARGUMENTS.len() {
            return None;
        }
        next += words;
        Some((next - words, of))
    })
}
