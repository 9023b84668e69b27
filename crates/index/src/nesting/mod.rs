//! Nesting hints: which locks are taken while others are held, and what functions are to locks.
//!
//! These are *hints*: the code has a way from the one site to the other on which the first lock is not let go. Whether
//! that way is ever taken, and whether both sites mean the same instances, it does not say.

mod held;
mod roles;
#[cfg(test)]
mod tests;

use crate::code::x86::X86;
use crate::code::{FunctionId, Graph, Lift, Memory, Outcome, Program, Site};
use crate::flow::{Answer, Object};
use crate::image::Image;
use crate::rows::NestingRow;
use held::{Body, Event, Lock};
use lima_model::LockType;
use lima_model::primitive::Success;
use lima_model::words::Operation;
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};
use rustc_hash::FxHashMap;
use std::ops::Range;

pub use roles::{Role, roles};

/// The locks of an image's functions: what each takes and lets go, for itself and for its callers.
#[derive(Debug)]
pub struct Nesting<'a> {
    image: &'a Image,
    program: &'a Program,
    answers: &'a [Answer],
    /// The sites of each function that has some, by their numbers.
    sites: FxHashMap<FunctionId, Range<usize>>,
    /// What the functions with sites do for their callers by themselves.
    by_itself: Summaries,
    /// The same when what the functions do that they call is counted too.
    with_callees: Summaries,
}

/// What a function does to locks for its callers. Sites by their numbers in the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Summary {
    /// Sites whose locks are held whenever the function comes back.
    takes: Vec<usize>,
    /// Sites whose locks may be held then.
    may_take: Vec<usize>,
    /// Sites that let go of a lock that the function did not take.
    releases: Vec<usize>,
}

/// The locks of one function, ready to be followed.
struct Scene<'a> {
    graph: Graph,
    events: Vec<(u64, Event<'a>)>,
    /// The sites that take, by the takers' numbers: the function's own first, then those of functions that it calls.
    takers: Vec<usize>,
    /// How many are its own.
    own: usize,
    /// Takers that only may have taken: not all ends of the function called have the lock. Ascending.
    unsure: Vec<usize>,
    /// The functions with sites that it calls, by the numbers in the events.
    callees: Vec<FunctionId>,
    /// The sites that let go, its own and others', by the numbers in the events.
    releases: Vec<usize>,
}

/// Of functions that do something for their callers.
type Summaries = FxHashMap<FunctionId, Summary>;

impl<'a> Nesting<'a> {
    /// Looks at all functions with sites. `answers` are those of the program's sites, in their order.
    pub fn new(image: &'a Image, program: &'a Program, answers: &'a [Answer]) -> Self {
        let count = program.sites.len().min(answers.len());
        let mut sites = FxHashMap::default();
        let mut start = 0;
        for same in program.sites[..count].chunk_by(|a, b| a.function == b.function) {
            sites.insert(same[0].function, start..start + same.len());
            start += same.len();
        }
        let (by_itself, with_callees) = (Summaries::default(), Summaries::default());
        let mut nesting = Self { image, program, answers, sites, by_itself, with_callees };
        let with_sites: Vec<_> = nesting.sites.keys().copied().collect();
        nesting.by_itself = nesting.summarize(&with_sites);
        nesting.with_callees = nesting.summarize(&with_sites);
        nesting
    }

    /// The hints, by function and address.
    pub fn rows(&self) -> Vec<NestingRow> {
        let functions: Vec<_> = self.sites.keys().copied().collect();
        let mut rows: Vec<NestingRow> = functions
            .par_iter()
            .map_init(X86::default, |lift, &function| self.rows_of(function, lift))
            .flatten_iter()
            .collect();
        rows.sort_unstable_by_key(|row| (row.function, row.outer, row.inner, row.through));
        rows.dedup();
        rows
    }

    fn lock(&self, site: usize) -> Lock<'a> {
        let object: &'a Object = &self.answers[site].object;
        Lock { lock_type: self.program.sites[site].primitive.lock_type, object }
    }

    /// The sites of a function that count: not those inside of lock functions.
    fn counted(&self, function: FunctionId) -> impl Iterator<Item = (usize, &'a Site)> {
        let sites: &'a [Site] = &self.program.sites;
        let range = self.sites.get(&function).cloned().unwrap_or(0..0);
        range.map(|number| (number, &sites[number])).filter(|(_, site)| !site.own)
    }

    /// The same, only those that take.
    fn taking(&self, function: FunctionId) -> impl Iterator<Item = usize> {
        let takes = |site: &Site| matches!(site.operation, Operation::Acquire | Operation::Try);
        self.counted(function).filter(move |(_, site)| takes(site)).map(|(number, _)| number)
    }

    fn summarize(&self, functions: &[FunctionId]) -> Summaries {
        let summarize = |lift: &mut X86, &function: &FunctionId| (function, self.summary_of(function, lift));
        let summaries: Vec<_> = functions.par_iter().map_init(X86::default, summarize).collect();
        summaries.into_iter().filter(|(_, summary)| *summary != Summary::default()).collect()
    }

    fn summary_of(&self, function: FunctionId, lift: &mut X86) -> Summary {
        let mut summary = Summary::default();
        let Some(scene) = self.scene(function, lift) else { return summary };
        let body = self.body(&scene);
        body.follow(true, |event, held| {
            if event.is_none() {
                summary.takes = scene.sites_of(held.iter().filter(|&taker| scene.is_sure(taker)));
            }
        });
        body.follow(false, |event, held| match event {
            // Most bits are taken by inlined code: that it was not seen says nothing.
            Some(Event::Release(_, lock)) if lock.lock_type == LockType::BitLock => {}
            Some(Event::Release(release, lock)) if !held.iter().any(|taker| body.locks[taker].ends_with(lock)) => {
                summary.releases.push(scene.releases[*release as usize]);
            }
            None => summary.may_take = scene.sites_of(held.iter()),
            _ => {}
        });
        summary
    }

    fn body<'s>(&self, scene: &'s Scene<'a>) -> Body<'s, 'a> {
        let locks = scene.takers.iter().map(|&taker| self.lock(taker)).collect();
        Body { graph: &scene.graph, locks, events: &scene.events }
    }

    /// What happens in a function; `None` when nothing does.
    fn scene(&self, function: FunctionId, lift: &mut X86) -> Option<Scene<'a>> {
        let (mut events, mut takers, mut callees, mut releases) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, site) in self.counted(function) {
            match site.operation {
                Operation::Acquire | Operation::Try if self.is_held_visibly(site) => {
                    let (success, outcome) = (site.primitive.success(), self.outcome(site, lift));
                    events.push((site.address, Event::Take { taker: takers.len() as u32, success, outcome }));
                    takers.push(number);
                }
                Operation::Release => {
                    events.push((site.address, Event::Release(releases.len() as u32, self.lock(number))));
                    releases.push(number);
                }
                _ => {}
            }
        }
        let own = takers.len();
        let mut unsure = Vec::new();
        for call in self.program.calls.from(function) {
            let Some(callee) = call.callee.and_then(|callee| self.program.functions.starting(callee)) else { continue };
            if callee == function || !self.sites.contains_key(&callee) {
                continue;
            }
            events.push((call.address, Event::Call(callees.len() as u32)));
            callees.push(callee);
            let Some(summary) = self.by_itself.get(&callee) else { continue };
            for &site in &summary.releases {
                events.push((call.address, Event::Release(releases.len() as u32, self.lock(site))));
                releases.push(site);
            }
            for &site in &summary.may_take {
                let (taker, success) = (takers.len() as u32, Success::Always);
                events.push((call.address, Event::Take { taker, success, outcome: None }));
                takers.push(site);
                if !summary.takes.contains(&site) {
                    unsure.push(taker as usize);
                }
            }
        }
        if events.is_empty() {
            return None;
        }
        events.sort_by_key(|(address, _)| *address);
        let graph = self.program.graph(self.image, &self.program.functions[function], lift);
        Some(Scene { graph, events, takers, own, unsure, callees, releases })
    }

    fn outcome(&self, site: &Site, lift: &mut X86) -> Option<Outcome> {
        // A direct call, and what may stand between it and the branch.
        const CALL: u64 = 5;
        const LONGEST: u64 = 64;
        if site.tail || site.primitive.success() == Success::Always {
            return None;
        }
        let next = site.address.checked_add(CALL)?;
        let bytes = [LONGEST, 16, 8].iter().find_map(|&n| Memory::bytes(self.image, next..next.checked_add(n)?))?;
        lift.outcome(bytes, next)
    }

    /// Whether it can be seen from when to when such a lock is held: whether letting go of it is a call. Some of these
    /// are inlined on kernels without preemption.
    fn is_held_visibly(&self, site: &Site) -> bool {
        let release = match site.primitive.name {
            "_raw_spin_lock" | "_raw_spin_trylock" => "_raw_spin_unlock",
            "_raw_spin_lock_irq" => "_raw_spin_unlock_irq",
            "_raw_read_lock" | "_raw_read_trylock" => "_raw_read_unlock",
            "_raw_read_lock_irq" => "_raw_read_unlock_irq",
            "_raw_write_lock" | "_raw_write_trylock" => "_raw_write_unlock",
            "_raw_write_lock_irq" => "_raw_write_unlock_irq",
            "__percpu_down_read" => "__percpu_up_read",
            // Let go of by its spinlock, most of the time.
            "__lock_sock_fast" => return false,
            // Bits are let go of by a store.
            "out_of_line_wait_on_bit_lock" => return false,
            // Whether it has the lock is told in different ways.
            "__folio_lock_or_retry" | "__lock_page_or_retry" => return false,
            _ => return true,
        };
        self.program.primitives.has(release)
    }

    fn rows_of(&self, function: FunctionId, lift: &mut X86) -> Vec<NestingRow> {
        let mut rows = Vec::new();
        if self.taking(function).next().is_none() {
            return rows;
        }
        let Some(scene) = self.scene(function, lift) else { return rows };
        let functions = &self.program.functions;
        let mut add = |outer: usize, inner: usize, through: Option<FunctionId>| {
            let sites = &self.program.sites;
            rows.push(NestingRow {
                function: functions[function].range.start,
                outer: sites[outer].address,
                inner: sites[inner].address,
                through: through.map(|through| functions[through].range.start),
            });
        };
        let Scene { takers, own, callees, .. } = &scene;
        self.body(&scene).follow(false, |event, held| match event {
            Some(&Event::Take { taker: inner, .. }) if (inner as usize) < *own => {
                for outer in held.iter().filter(|&outer| outer != inner as usize && scene.is_sure(outer)) {
                    let through = (outer >= *own).then(|| self.program.sites[takers[outer]].function);
                    add(takers[outer], takers[inner as usize], through);
                }
            }
            Some(&Event::Call(call)) => {
                let callee = callees[call as usize];
                for outer in held.iter().filter(|outer| outer < own) {
                    self.taking(callee).for_each(|inner| add(takers[outer], inner, Some(callee)));
                }
            }
            _ => {}
        });
        rows
    }
}

impl Scene<'_> {
    fn sites_of(&self, takers: impl Iterator<Item = usize>) -> Vec<usize> {
        takers.filter_map(|taker| self.takers.get(taker).copied()).collect()
    }

    fn is_sure(&self, taker: usize) -> bool {
        self.unsure.binary_search(&taker).is_err()
    }
}
