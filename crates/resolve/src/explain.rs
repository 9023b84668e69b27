//! The evidence on one lock, for people: every piece of it, and the answer that came of it.

use crate::Error;
use crate::evidence::Claim;
use crate::lines::{Line, Lines};
use crate::names::Name;
use crate::resolve::{Pieces, Resolver};
use crate::rules::Answer;
use crate::seen::Use;
use crate::words::{Meaning, meaning};
use lima_model::LockType;
use lima_model::machinery::{Part, part};
use lima_model::source::is_of_lock;
use lima_model::words::Evidence;
use std::collections::BTreeMap;

/// One lock at an address, with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Its address.
    pub lock: u64,
    /// Which lock at the address.
    pub life: u32,
    /// Its type.
    pub lock_type: LockType,
    /// The evidence that is the same wherever it was taken: what kind, and what it says.
    pub evidence: Vec<(Evidence, String)>,
    /// Where it was taken, most often first.
    pub places: Vec<Place>,
    /// What its object is for, when that is known.
    pub meaning: Option<Meaning>,
}

/// A place that took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where, `function+offset file:line`.
    pub place: String,
    /// How often it was acquired there.
    pub acquisitions: u64,
    /// How long it was waited for there, nanoseconds.
    pub wait_ns: u64,
    /// What the index says of the place.
    pub says: String,
    /// The answer.
    pub object: String,
    /// What decided.
    pub method: &'static str,
    /// How sure it is.
    pub confidence: &'static str,
}

/// Explains the lock at an address, or the one of an object that was taken most often: one explanation for each life.
///
/// # Errors
/// When the trace has no such lock.
pub fn explain(resolver: &Resolver, lines: &Lines, wanted: &str) -> Result<Vec<Explanation>, Error> {
    let address = wanted.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let address = match address {
        Some(address) => address,
        None => most_taken(resolver, wanted)
            .ok_or_else(|| Error::NoSuchLock(format!("no lock of the trace was found to be `{wanted}`")))?,
    };
    let mut groups: BTreeMap<(u32, LockType), Vec<&Use>> = BTreeMap::new();
    for used in resolver.seen.uses.iter().filter(|used| used.lock == address) {
        groups.entry((used.life, used.lock_type)).or_default().push(used);
    }
    if groups.is_empty() {
        return Err(Error::NoSuchLock(format!("the trace has no lock at {address:#x}")));
    }
    groups
        .into_iter()
        .map(|((life, lock_type), uses)| explained(resolver, lines, address, life, lock_type, &uses))
        .collect()
}

/// The address of an object's lock that was taken, or waited for, most.
fn most_taken(resolver: &Resolver, wanted: &str) -> Option<u64> {
    let mut sums: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for used in &resolver.seen.uses {
        let answer = resolver.pieces(used).answer();
        if object(resolver, &answer) == wanted {
            let sum = sums.entry(used.lock).or_default();
            *sum = (sum.0.saturating_add(used.acquisitions), sum.1.saturating_add(used.wait_ns));
        }
    }
    sums.into_iter().max_by_key(|&(_, sum)| sum).map(|(lock, _)| lock)
}

fn explained(
    resolver: &Resolver,
    lines: &Lines,
    lock: u64,
    life: u32,
    lock_type: LockType,
    uses: &[&Use],
) -> Result<Explanation, Error> {
    let mut places: BTreeMap<(String, String, String), Place> = BTreeMap::new();
    let mut evidence = Vec::new();
    for used in uses {
        let pieces = resolver.pieces(used);
        let answer = pieces.answer();
        if evidence.is_empty() || used.slot.is_some() {
            evidence = common(resolver, &pieces);
        }
        let place = Place {
            place: place(resolver, lines, used.stack)?,
            acquisitions: 0,
            wait_ns: 0,
            says: said(resolver, &pieces),
            object: object(resolver, &answer),
            method: answer.evidence.name(),
            confidence: answer.confidence,
        };
        let key = (place.place.clone(), place.says.clone(), place.object.clone());
        let sum = places.entry(key).or_insert(place);
        sum.acquisitions = sum.acquisitions.saturating_add(used.acquisitions);
        sum.wait_ns = sum.wait_ns.saturating_add(used.wait_ns);
    }
    let mut places: Vec<_> = places.into_values().collect();
    places.sort_by_key(|place| std::cmp::Reverse((place.acquisitions, place.wait_ns)));
    let meaning = places.iter().find_map(|place| meaning(&place.object));
    Ok(Explanation { lock, life, lock_type, evidence, places, meaning })
}

/// The evidence that is the same wherever a lock was taken.
fn common(resolver: &Resolver, pieces: &Pieces<'_>) -> Vec<(Evidence, String)> {
    let mut out = Vec::new();
    let spell = |claim: &Claim| spelled(resolver, claim);
    if let Some(variable) = pieces.variable {
        let cpu = pieces.cpu.map_or(String::new(), |cpu| format!(", the share of CPU {cpu}"));
        let evidence = if variable.is_per_cpu { Evidence::PerCpu } else { Evidence::Symbol };
        out.push((evidence, format!("it lies in a variable: {}{cpu}", spell(&variable.claim))));
    }
    if let Some((init, claim)) = &pieces.init {
        let says = claim.as_ref().map_or_else(|| "which the index does not know".to_owned(), spell);
        out.push((Evidence::Init, format!("it was initialised as `{}`: {says}", init.name)));
    }
    if let Some(slot) = pieces.slot {
        let says = pieces.slab.map_or_else(|| "whose objects' type is not known".to_owned(), spell);
        out.push((Evidence::Slab, format!("it lies in the slab cache {} at +{:#x}: {says}", slot.cache, slot.offset)));
    }
    if pieces.is_on_stack {
        let why =
            "it lies on a kernel stack, where each call has another lock: other places say nothing of it".to_owned();
        out.push((Evidence::Stack, why));
    }
    for (claims, evidence, what) in [
        (&pieces.others, Evidence::OtherSites, "places that took it say"),
        (&pieces.class, Evidence::Class, "locks there in other objects of the cache are"),
    ] {
        if !claims.is_empty() {
            let all: Vec<_> = claims.iter().map(|claim| spell(claim)).collect();
            out.push((evidence, format!("{what} {}", all.join(" | "))));
        }
    }
    out
}

/// What the index says of the place that took a lock.
fn said(resolver: &Resolver, pieces: &Pieces<'_>) -> String {
    let Some(site) = pieces.site else {
        let kin = pieces
            .kin
            .map(|claim| format!("nothing; in other kernels the function takes {}", spelled(resolver, claim)));
        return kin.unwrap_or_else(|| "nothing".to_owned());
    };
    match &site.claim {
        Some(claim) => {
            let method = site.method;
            format!("{} ({}, {})", spelled(resolver, claim), method.name(), method.confidence())
        }
        None if site.candidates.is_empty() => "a site whose object is not known".to_owned(),
        None => format!("one of {}", joined(resolver, &site.candidates)),
    }
}

fn spelled(resolver: &Resolver, claim: &Claim) -> String {
    let shown = resolver.shown(claim);
    let mut out = resolver.names.text(claim.object).to_string();
    let others = std::iter::once(&shown).chain(&claim.containers).filter(|&&name| name != claim.object);
    let mut others: Vec<_> = others.map(|&name| &**resolver.names.text(name)).collect();
    others.dedup();
    if !others.is_empty() {
        out.push_str(&format!(" (in {})", others.join(", ")));
    }
    out
}

fn object(resolver: &Resolver, answer: &Answer) -> String {
    match &answer.claim {
        Some(claim) => resolver.names.text(resolver.shown(claim)).to_string(),
        None if answer.candidates.is_empty() => answer.evidence.name().to_owned(),
        None => format!("{}: {}", answer.evidence.name(), joined(resolver, &answer.candidates)),
    }
}

fn joined(resolver: &Resolver, names: &[Name]) -> String {
    names.iter().map(|&name| &**resolver.names.text(name)).collect::<Vec<_>>().join(" | ")
}

/// Where a stack takes its lock: the innermost function that is no part of it.
fn place(resolver: &Resolver, lines: &Lines, stack: u64) -> Result<String, Error> {
    for &address in resolver.seen.stacks.get(&stack).map_or(&[][..], Vec::as_slice) {
        let Some((symbol, offset, module)) = resolver.running.symbol(address) else {
            return Ok(format!("{address:#x}"));
        };
        if part(symbol) != Part::User {
            continue;
        }
        let mut out = format!("{symbol}+{offset:#x}");
        if let Some(module) = module {
            out.push_str(&format!(" [{module}]"));
        }
        if let Some(code) = resolver.running.code(address) {
            let chain: Vec<Line<'_>> = lines.returning_to(code)?.collect();
            let outside = chain.iter().find(|line| !is_of_lock(line.function, line.file)).or(chain.last());
            if let Some(line) = outside {
                out.push_str(&format!(" {}:{}", line.file, line.line));
            }
        }
        return Ok(out);
    }
    Ok("[stack missing]".to_owned())
}
