//! All of it in order: what is known of each use of a lock, the answer, and the tables.

use crate::Error;
use crate::evidence::layouts::Layouts;
use crate::evidence::sites::{Site, Sites};
use crate::evidence::slab::{self, Slot};
use crate::evidence::variables::{Variable, Variables};
use crate::evidence::{Claim, inits, kin};
use crate::names::{Name, Names, owner};
use crate::naming::Naming;
use crate::rules::{Answer, Known, decide};
use crate::running::Running;
use crate::seen::{Init, Seen, Use};
use crate::words;
use lima_index::store::Index;
use lima_model::LockType;
use lima_model::machinery::{Part, base, part};
use lima_model::words::{Operation, SiteMethod};
use lima_trace::Trace;
use rustc_hash::FxHashMap;

/// A trace and an index, joined: ready to answer for each use of a lock.
#[derive(Debug)]
pub struct Resolver {
    /// The texts.
    pub names: Names,
    /// The locks of the trace.
    pub seen: Seen,
    /// Where the kernel lay.
    pub running: Running,
    layouts: Layouts,
    variables: Variables,
    sites: Sites,
    /// What is known of the places in slab objects, by [`Seen::slots`] and type.
    slabs: FxHashMap<(u32, LockType), Slab>,
    /// What the places say that took a lock, by lock, life and slot, each once.
    by_lock: FxHashMap<LockKey, Vec<Claim>>,
    /// What the functions of stacks take in other kernels, when the index has no code.
    kin: FxHashMap<(u64, LockType), Claim>,
    naming: Naming,
}

type LockKey = (u64, u32, Option<u32>, LockType);

/// What is known of a place in the objects of a slab cache.
#[derive(Debug, Default)]
struct Slab {
    /// What the cache's type has there, when that is believed.
    claim: Option<Claim>,
    /// What places say that took locks there, each once.
    class: Vec<Claim>,
}

/// The pieces of evidence on one use of a lock.
#[derive(Debug, Default)]
pub struct Pieces<'a> {
    /// The variable that it lies in.
    pub variable: Option<&'a Variable>,
    /// The CPU of a per-CPU one.
    pub cpu: Option<u32>,
    /// The place that took it.
    pub site: Option<&'a Site>,
    /// The place that initialised it.
    pub init: Option<(&'a Init, Option<Claim>)>,
    /// Where in a slab object it lies.
    pub slot: Option<&'a Slot>,
    /// What the cache's type has there.
    pub slab: Option<&'a Claim>,
    /// Whether it lies on a kernel stack.
    pub is_on_stack: bool,
    /// What other places say; nothing where memory is another lock's with each call.
    pub others: Vec<&'a Claim>,
    /// What is known of other locks there.
    pub class: Vec<&'a Claim>,
    /// What the function takes in other kernels.
    pub kin: Option<&'a Claim>,
}

impl Pieces<'_> {
    /// The answer that they give.
    pub fn answer(&self) -> Answer {
        decide(&Known {
            variable: self.variable,
            site: self.site,
            init: self.init.as_ref().and_then(|(_, claim)| claim.as_ref()),
            slab: self.slab,
            others: &self.others,
            class: &self.class,
            kin: self.kin,
        })
    }
}

impl Resolver {
    /// Joins a trace and an index.
    ///
    /// # Errors
    /// When either cannot be read, or they are of different kernels.
    pub fn of(trace: &Trace, index: &Index) -> Result<Self, Error> {
        let (wanted, found) = (&trace.manifest().kernel.build_id, &index.manifest().build_id);
        if wanted != found {
            let (index, trace) = (index.folder().to_owned(), trace.folder().to_owned());
            return Err(Error::OtherKernel { index, found: found.clone(), trace, wanted: wanted.clone() });
        }
        let mut names = Names::default();
        let layouts = Layouts::of(index, &mut names)?;
        let variables = Variables::of(index, &layouts, &mut names)?;
        let sites = Sites::of(index, &variables, &mut names)?;
        let running = Running::of(trace, index)?;
        let seen = Seen::of(trace)?;
        let (slabs, by_lock, kin, naming) = Default::default();
        let mut resolver = Self { names, seen, running, layouts, variables, sites, slabs, by_lock, kin, naming };
        resolver.gather();
        Ok(resolver)
    }

    /// The place that took a lock of this type, as far as the stack and the index tell.
    pub fn site(&self, stack: u64, lock_type: LockType) -> Option<&Site> {
        let is_taking = |site: &&Site| matches!(site.operation, Operation::Acquire | Operation::Try);
        self.place(stack, lock_type, is_taking)
    }

    fn place(&self, stack: u64, lock_type: LockType, fits: impl Fn(&&Site) -> bool) -> Option<&Site> {
        for &address in self.seen.stacks.get(&stack)? {
            let code = self.running.code(address);
            let found = code.and_then(|code| self.sites.returning_to(code, lock_type)).filter(&fits);
            if found.is_some() {
                return found;
            }
            // Beyond the first function that is no part of the lock itself, another lock may be taken.
            let (symbol, _, _) = self.running.symbol(address)?;
            if part(symbol) == Part::User {
                return None;
            }
        }
        None
    }

    /// What the place says, when it is not only a pointer that it knows.
    fn said(&self, used: &Use) -> Option<&Claim> {
        match self.site(used.stack, used.lock_type) {
            Some(site) => site.claim.as_ref().filter(|_| site.method != SiteMethod::Pointer),
            None => self.kin.get(&(used.stack, used.lock_type)),
        }
    }

    /// The innermost function of a stack that is no part of the lock itself, if it is one of the kernel image.
    fn function(&self, stack: u64) -> Option<&str> {
        for &address in self.seen.stacks.get(&stack)? {
            let (symbol, _, module) = self.running.symbol(address)?;
            if part(symbol) == Part::User {
                return module.is_none().then_some(symbol);
            }
        }
        None
    }

    /// Looks up what functions take in other kernels.
    fn ask_kin(&mut self) {
        if !self.sites.is_empty() {
            return;
        }
        let mut found = FxHashMap::default();
        let mut names = std::mem::take(&mut self.names);
        for used in &self.seen.uses {
            let Some(function) = self.function(used.stack) else { continue };
            if let Some(claim) = kin::claim(base(function), used.lock_type, &self.layouts, &mut names) {
                found.insert((used.stack, used.lock_type), claim);
            }
        }
        (self.names, self.kin) = (names, found);
    }

    /// Collects what all uses say of locks and slab caches.
    fn gather(&mut self) {
        self.ask_kin();
        let mut by_lock: FxHashMap<LockKey, Vec<Claim>> = FxHashMap::default();
        let mut classes: FxHashMap<(u32, LockType), Vec<Claim>> = FxHashMap::default();
        // For and against the types that the caches' names stand for.
        let mut votes: FxHashMap<&str, (u64, u64)> = FxHashMap::default();
        for used in &self.seen.uses {
            if let Some(slot) = used.slot {
                classes.entry((slot, used.lock_type)).or_default();
            }
            let Some(said) = self.said(used) else { continue };
            add(by_lock.entry((used.lock, used.life, used.slot, used.lock_type)).or_default(), said);
            let Some(number) = used.slot else { continue };
            add(classes.entry((number, used.lock_type)).or_default(), said);
            let slot = &self.seen.slots[number as usize];
            // A lock's own parts are in no layout.
            let is_inner = words::is_lock(owner(self.names.text(said.object)));
            if !is_inner && slab::composite(&slot.cache, &self.layouts).is_some() {
                let claim = slab::claim(slot, used.lock_type, &self.layouts, &self.names);
                let (agree, against) = votes.entry(&slot.cache).or_default();
                *if claim.is_some_and(|claim| claim.agrees(said)) { agree } else { against } += 1;
            }
        }
        let slabs = classes.into_iter().map(|((number, lock_type), class)| {
            let slot = &self.seen.slots[number as usize];
            let (agree, against) = votes.get(&*slot.cache).copied().unwrap_or_default();
            // Caches that the kernel merged have objects of other types as well; one use in twenty may be a fault of the
            // index, and is a conflict then.
            let is_believed = against * 20 <= agree;
            let claim = if is_believed { slab::claim(slot, lock_type, &self.layouts, &self.names) } else { None };
            let class = if is_believed && !slab::is_general(&slot.cache) { class } else { Vec::new() };
            ((number, lock_type), Slab { claim, class })
        });
        self.slabs = slabs.collect();
        self.by_lock = by_lock;
        let of_slabs = self.slabs.values().flat_map(|slab| slab.claim.iter().chain(&slab.class));
        let claims =
            of_slabs.chain(self.by_lock.values().flatten()).chain(self.sites.claims()).chain(self.variables.claims());
        for claim in claims {
            self.naming.learn(claim, &self.layouts, &mut self.names);
        }
    }

    /// All evidence on a use of a lock.
    pub fn pieces(&self, used: &Use) -> Pieces<'_> {
        let place = if used.slot.is_none() { self.running.data(used.lock) } else { None };
        let variable = match self.running.symbol(used.lock).filter(|_| used.slot.is_none()) {
            Some((symbol, offset, Some(module))) => self.variables.of_module(module, symbol, offset, used.lock_type),
            // A per-CPU variable's address in the image is no CPU's.
            _ => place.and_then(|place| {
                let found = self.variables.at(place.address, used.lock_type)?;
                (found.is_per_cpu == place.cpu.is_some()).then_some(found)
            }),
        };
        let init = self.seen.inits.get(&(used.lock, used.life)).filter(|init| init.lock_type == used.lock_type);
        let init = init.map(|init| {
            let place = self.place(init.stack, init.lock_type, |site| site.operation == Operation::Init);
            let claim = place.and_then(|site| site.claim.clone());
            (init, claim.or_else(|| inits::claim(init, &self.layouts, &self.names)))
        });
        let slab = used.slot.and_then(|slot| self.slabs.get(&(slot, used.lock_type)));
        let is_on_stack = self.seen.on_stack.contains(&(used.lock, used.life));
        let others = self.by_lock.get(&(used.lock, used.life, used.slot, used.lock_type)).filter(|_| !is_on_stack);
        Pieces {
            cpu: variable.is_some().then_some(place).flatten().and_then(|place| place.cpu),
            variable,
            site: self.site(used.stack, used.lock_type),
            init,
            slot: used.slot.map(|slot| &self.seen.slots[slot as usize]),
            slab: slab.and_then(|slab| slab.claim.as_ref()),
            is_on_stack,
            others: others.map_or_else(Vec::new, |claims| claims.iter().collect()),
            class: slab.map_or_else(Vec::new, |slab| slab.class.iter().collect()),
            kin: self.kin.get(&(used.stack, used.lock_type)),
        }
    }

    /// How an object shows.
    pub fn shown(&self, claim: &Claim) -> Name {
        self.naming.shown(claim, &self.names)
    }

    /// The part of the kernel that an object belongs to: where most places are that take locks of the same struct.
    pub fn subsystem(&self, claim: &Claim) -> Option<&str> {
        let shown = self.names.text(self.shown(claim));
        self.sites.subsystem(shown).or_else(|| self.sites.subsystem(self.names.text(claim.object)))
    }
}

/// Adds a claim that is not there yet; one that is there learns what else the new one knows.
fn add(claims: &mut Vec<Claim>, claim: &Claim) {
    match claims.iter_mut().find(|known| known.agrees(claim)) {
        None => claims.push(claim.clone()),
        Some(known) if known.containers.is_empty() => known.containers.clone_from(&claim.containers),
        Some(_) => {}
    }
}
