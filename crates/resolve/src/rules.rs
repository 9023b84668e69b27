//! How evidence becomes an answer.
//!
//! 1. **The variable** that the lock lies in is certain. A place that takes another lock than it contradicts it.
//! 2. **The place that took the lock** says what it took there and then; where memory is used again, only it says which of
//!    several objects it was. It is contradicted by the place that initialised this very lock, and by the slab cache.
//! 3. **The place that initialised it**, when the place that took it does not say.
//! 4. **The slab cache**, when its objects have one lock of this type at the offset.
//! 5. **Other places** that took the same lock, when they all say the same.
//! 6. **Other locks** at the same offset in objects of the same cache, when all that are known are the same.
//! 7. **A pointer**: the place loaded the lock's address from a field, and nothing says what it points to.
//!
//! What rules 3 to 6 find must be among what the place could take, when the index has narrowed that down. Where evidence
//! contradicts itself the answer is `conflict`, and without evidence `unknown`; there is no guess.

use crate::evidence::Claim;
use crate::evidence::sites::Site;
use crate::names::Name;
use lima_model::words::{Evidence, SiteMethod};

/// All that is known of one use of a lock.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// The variable that it lies in, and whether that is a per-CPU one.
    pub variable: Option<(&'a Claim, bool)>,
    /// The place that took it.
    pub site: Option<&'a Site>,
    /// The place that initialised it.
    pub init: Option<&'a Claim>,
    /// The slab cache and offset.
    pub slab: Option<&'a Claim>,
    /// What other places say that took it, each once.
    pub others: &'a [&'a Claim],
    /// What is known of other locks at the same place in objects of its slab cache, each once.
    pub class: &'a [&'a Claim],
}

/// What a lock protects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The object, or none.
    pub claim: Option<Claim>,
    /// What decided.
    pub evidence: Evidence,
    /// How sure it is, in one word.
    pub confidence: &'static str,
    /// Answers that contradict each other, or what it could be.
    pub candidates: Vec<Name>,
}

impl Answer {
    fn known(claim: &Claim, evidence: Evidence, confidence: &'static str) -> Self {
        Self { claim: Some(claim.clone()), evidence, confidence, candidates: Vec::new() }
    }

    fn conflict(one: &Claim, other: &Claim) -> Self {
        let candidates = vec![one.object, other.object];
        Self { claim: None, evidence: Evidence::Conflict, confidence: "none", candidates }
    }

    fn unknown(candidates: Vec<Name>) -> Self {
        Self { claim: None, evidence: Evidence::Unknown, confidence: "none", candidates }
    }
}

/// The answer that the evidence gives.
pub fn decide(known: &Known<'_>) -> Answer {
    let site = known.site.filter(|site| site.method != SiteMethod::Pointer).and_then(|site| site.claim.as_ref());
    if let Some((variable, is_per_cpu)) = known.variable {
        if let Some(site) = site.filter(|site| !site.agrees(variable)) {
            return Answer::conflict(variable, site);
        }
        let evidence = if is_per_cpu { Evidence::PerCpu } else { Evidence::Symbol };
        return Answer::known(variable, evidence, "certain");
    }
    if let Some(site) = site {
        return taken(site, known);
    }
    let pointer = known.site.and_then(|site| site.claim.as_ref());
    let candidates = known.site.map_or(&[][..], |site| &site.candidates);
    let possible = |claim: &Claim| {
        candidates.is_empty()
            || candidates.contains(&claim.object)
            || claim.containers.iter().any(|container| candidates.contains(container))
    };
    if let Some(init) = known.init.filter(|claim| possible(claim)) {
        return Answer::known(init, Evidence::Init, "strong");
    }
    if let Some(slab) = known.slab.filter(|claim| possible(claim)) {
        return Answer::known(slab, Evidence::Slab, "strong");
    }
    for (claims, evidence) in [(known.others, Evidence::OtherSites), (known.class, Evidence::Class)] {
        if let [only] = claims
            && possible(only)
        {
            return Answer::known(only, evidence, "inferred");
        }
    }
    match pointer {
        Some(pointer) => Answer::known(pointer, Evidence::Pointer, "inferred"),
        None => Answer::unknown(candidates.to_vec()),
    }
}

/// The answer where the place that took the lock is known.
fn taken(site: &Claim, known: &Known<'_>) -> Answer {
    let method = known.site.map_or(SiteMethod::Unknown, |site| site.method);
    for other in [known.init, known.slab].into_iter().flatten() {
        if !site.agrees(other) {
            return Answer::conflict(site, other);
        }
    }
    let supported = known.init.or(known.slab);
    let confidence = if supported.is_some() { "certain" } else { method.confidence() };
    let mut answer = Answer::known(site, Evidence::Site, confidence);
    if let Some(claim) = &mut answer.claim {
        // The slab's type is the widest there is, and no guess among several.
        let wider = known.slab.filter(|slab| slab.object == site.object);
        let others = || match known.others {
            [other] if site.containers.is_empty() && other.object == site.object => Some(*other),
            _ => None,
        };
        if let Some(wider) = wider.or_else(others) {
            claim.containers.clone_from(&wider.containers);
            claim.instance = claim.instance.or(wider.instance);
        }
    }
    answer
}
