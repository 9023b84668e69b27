//! The place that took a lock: what the index says of the call there.

use super::variables::Variables;
use super::{Claim, family_named};
use crate::Error;
use crate::names::{Name, Names, owner};
use crate::words;
use lima_index::store::Index;
use lima_model::words::{Operation, SiteMethod};
use lima_model::{IndexTable, LockType};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A direct call is this long on x86-64: a return address lies so far behind it.
pub const CALL_BYTES: u64 = 5;

/// What the index says of a site.
#[derive(Clone, Debug)]
pub struct Site {
    /// What it does.
    pub operation: Operation,
    /// The type of its lock, as the tracing side tells types apart.
    pub lock_type: LockType,
    /// How the index found the object.
    pub method: SiteMethod,
    /// What it locks; `None` when that is not known.
    pub claim: Option<Claim>,
    /// When it is not known: what it could be.
    pub candidates: Vec<Name>,
}

/// All sites.
#[derive(Debug, Default)]
pub struct Sites {
    sites: Vec<Site>,
    by_address: FxHashMap<u64, u32>,
    /// Sites that are jumps to the lock function, by the function that they are in: its caller's return address is all
    /// that a stack shows.
    jumps: FxHashMap<u64, Vec<u32>>,
    /// Calls of functions with such jumps: address of the call to the function.
    callees: FxHashMap<u64, u64>,
    /// The part of the kernel that most places are in which take locks of a struct, or of a variable.
    subsystems: FxHashMap<String, Arc<str>>,
}

impl Sites {
    /// Reads them.
    pub fn of(index: &Index, variables: &Variables, names: &mut Names) -> Result<Self, Error> {
        let columns = [
            "address",
            "function_address",
            "operation",
            "lock_type",
            "object",
            "lock_address",
            "alternatives",
            "method",
            "frame_files",
        ];
        let table = index.read(IndexTable::Sites, &columns)?;
        let (addresses, functions) = (table.numbers("address")?, table.numbers("function_address")?);
        let (operations, types) = (table.texts("operation")?, table.texts("lock_type")?);
        let (objects, methods) = (table.texts("object")?, table.texts("method")?);
        let (locks, alternatives) = (table.numbers("lock_address")?, table.text_lists("alternatives")?);
        let files = table.text_lists("frame_files")?;
        let mut all = Self::default();
        let mut parts: FxHashMap<String, BTreeMap<&str, u32>> = FxHashMap::default();
        let mut function_of = FxHashMap::default();
        for row in 0..table.len() {
            let Some(lock_type) = family_named(types.get(row)) else { continue };
            let Some(operation) = Operation::from_name(operations.get(row)) else { continue };
            let method = SiteMethod::from_name(methods.get(row)).unwrap_or(SiteMethod::Unknown);
            let others = alternatives.get(row).map(|text| names.keep(text)).collect();
            let is_known = method != SiteMethod::Unknown;
            let variable = locks
                .maybe(row)
                .and_then(|address| variables.at(address, lock_type))
                .map(|variable| variable.claim.clone());
            let said = Claim { object: names.keep(objects.get(row)), containers: others, instance: None };
            // `spinlock.` is any lock of the type: nothing is narrowed down then.
            let is_open = is_known || said.containers.iter().any(|&name| names.text(name).ends_with('.'));
            let candidates = if is_open { Vec::new() } else { said.containers.clone() };
            let claim = is_known.then(|| variable.unwrap_or(said));
            if let (Some(claim), Some(part)) = (&claim, files.get(row).last().and_then(words::subsystem)) {
                let mut structs: Vec<_> =
                    claim.containers.iter().chain([&claim.object]).map(|&it| owner(names.text(it))).collect();
                structs.dedup();
                for owner in structs {
                    *parts.entry(owner.to_owned()).or_default().entry(part).or_default() += 1;
                }
            }
            let number = u32::try_from(all.sites.len()).unwrap_or(u32::MAX);
            all.sites.push(Site { operation, lock_type, method, claim, candidates });
            all.by_address.insert(addresses.get(row), number);
            function_of.insert(addresses.get(row), functions.get(row));
        }
        all.add_jumps(index, &function_of)?;
        let most =
            |parts: BTreeMap<&str, u32>| parts.into_iter().max_by_key(|&(_, count)| count).map(|(part, _)| part.into());
        all.subsystems = parts.into_iter().filter_map(|(object, parts)| Some((object, most(parts)?))).collect();
        Ok(all)
    }

    fn add_jumps(&mut self, index: &Index, function_of: &FxHashMap<u64, u64>) -> Result<(), Error> {
        let calls = index.read(IndexTable::Calls, &["address", "callee", "kind"])?;
        let (addresses, callees, kinds) = (calls.numbers("address")?, calls.numbers("callee")?, calls.texts("kind")?);
        for row in 0..calls.len() {
            let address = addresses.get(row);
            if kinds.get(row) == "tail"
                && let (Some(&site), Some(&function)) = (self.by_address.get(&address), function_of.get(&address))
            {
                self.jumps.entry(function).or_default().push(site);
            }
        }
        for row in 0..calls.len() {
            if let Some(callee) = callees.maybe(row)
                && self.jumps.contains_key(&callee)
                && kinds.get(row) == "direct"
            {
                self.callees.insert(addresses.get(row), callee);
            }
        }
        Ok(())
    }

    /// The part of the kernel that most places are in which take locks of the struct, or the variable, that an object's
    /// name begins with.
    pub fn subsystem(&self, object: &str) -> Option<&str> {
        let owner = owner(object);
        self.subsystems.get(owner).map(|part| &**part).or_else(|| words::subsystem_of(owner))
    }

    /// Whether the index has none: it was made without the kernel's code.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// What all sites say.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.sites.iter().filter_map(|site| site.claim.as_ref())
    }

    /// The site whose call returns to this address of the index, if it can be one of locks of this type.
    pub fn returning_to(&self, address: u64, lock_type: LockType) -> Option<&Site> {
        let call = address.wrapping_sub(CALL_BYTES);
        let fits = |&&number: &&u32| self.sites[number as usize].lock_type == lock_type;
        if let Some(number) = self.by_address.get(&call).filter(fits) {
            return Some(&self.sites[*number as usize]);
        }
        // A function that ends in a jump to the lock function: all of its jumps must say the same.
        let mut jumps =
            self.jumps.get(self.callees.get(&call)?)?.iter().filter(fits).map(|&it| &self.sites[it as usize]);
        let first = jumps.next()?;
        jumps.all(|jump| jump.claim == first.claim).then_some(first)
    }
}
