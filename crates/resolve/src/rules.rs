//! How evidence becomes an answer.
//!
//! 1. **The variable** that the lock lies in is certain. A place that takes another lock than it contradicts it; where the
//!    variable's type is not known, the place says which lock in it this is.
//! 2. **The place that took the lock** says what it took there and then; where memory is used again, only it says which of
//!    several objects it was. It is contradicted by the place that initialised this very lock, and by the slab cache.
//! 3. **The place that initialised it**, when the place that took it does not say.
//! 4. **The slab cache**, when its objects have one lock of this type at the offset.
//! 5. **Other kernels**, when the index has no code: what the same function takes in the kernels that LIMA has learned from.
//! 6. **Other places** that took the same lock, when they all say the same; not of locks on stacks of the kernel, where each call
//!    has another one at the same address.
//! 7. **Other locks** at the same offset in objects of the same cache, when all that are known are the same.
//! 8. **A pointer**: the place loaded the lock's address from a field, and nothing says what it points to.
//!
//! What rules 3 to 7 find must be among what the place could take, when the index has narrowed that down. Where evidence
//! contradicts itself the answer is `conflict`, and without evidence `unknown`; there is no guess.

use crate::evidence::Claim;
use crate::evidence::sites::Site;
use crate::evidence::variables::Variable;
use crate::names::Name;
use lima_model::words::{Evidence, SiteMethod};

/// All that is known of one use of a lock.
#[derive(Clone, Debug, Default)]
pub struct Known<'a> {
    /// The variable that it lies in.
    pub variable: Option<&'a Variable>,
    /// The place that took it.
    pub site: Option<&'a Site>,
    /// The place that initialised it.
    pub init: Option<&'a Claim>,
    /// The slab cache and offset.
    pub slab: Option<&'a Claim>,
    /// What other places say that took it, each once.
    pub others: &'a [&'a Claim],
    /// What the function takes in other kernels.
    pub kin: Option<&'a Claim>,
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
    if let Some(variable) = known.variable {
        return in_variable(variable, site);
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
    if let Some(kin) = known.kin {
        return Answer::known(kin, Evidence::Kin, "inferred");
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

/// The answer for a lock in a variable.
fn in_variable(variable: &Variable, site: Option<&Claim>) -> Answer {
    let Variable { claim, is_per_cpu, is_typed, .. } = variable;
    let evidence = if *is_per_cpu { Evidence::PerCpu } else { Evidence::Symbol };
    match site {
        Some(site) if !is_typed && site.instance.is_none() => {
            let mut answer = Answer::known(site, evidence, "certain");
            if let Some(claim) = &mut answer.claim {
                claim.instance = variable.claim.instance;
            }
            answer
        }
        Some(site) if !site.agrees(claim) => Answer::conflict(claim, site),
        _ => Answer::known(claim, evidence, "certain"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Names;
    use lima_model::LockType;
    use lima_model::words::Operation;

    fn claim(names: &mut Names, object: &str, containers: &[&str]) -> Claim {
        let containers = containers.iter().map(|text| names.keep(text)).collect();
        Claim { object: names.keep(object), containers, instance: None }
    }

    fn site(method: SiteMethod, claim: Option<&Claim>, candidates: Vec<Name>) -> Site {
        let claim = claim.cloned();
        Site { operation: Operation::Acquire, lock_type: LockType::Mutex, method, claim, candidates }
    }

    #[test]
    fn a_variable_is_certain_unless_another_lock_is_taken_there() {
        let mut names = Names::default();
        let (rtnl, other) = (claim(&mut names, "rtnl_mutex", &[]), claim(&mut names, "inode.i_rwsem", &[]));
        let agreeing = site(SiteMethod::Flow, Some(&rtnl), vec![]);
        let mut variable = Variable::new(LockType::Mutex, rtnl.clone());
        let answer = decide(&Known { variable: Some(&variable), site: Some(&agreeing), ..Known::default() });
        assert_eq!((answer.evidence, answer.confidence), (Evidence::Symbol, "certain"));
        let contradicting = site(SiteMethod::Variable, Some(&other), vec![]);
        let answer = decide(&Known { variable: Some(&variable), site: Some(&contradicting), ..Known::default() });
        assert_eq!((answer.claim, answer.evidence), (None, Evidence::Conflict));
        assert_eq!(answer.candidates, [rtnl.object, other.object]);
        variable.is_typed = false;
        let answer = decide(&Known { variable: Some(&variable), site: Some(&contradicting), ..Known::default() });
        assert_eq!(answer.claim.map(|claim| claim.object), Some(other.object));
    }

    #[test]
    fn agreement_raises_confidence() {
        let mut names = Names::default();
        let place = claim(&mut names, "inode.i_rwsem", &[]);
        let slab = claim(&mut names, "inode.i_rwsem", &["ext4_inode_info.vfs_inode.i_rwsem"]);
        let site = site(SiteMethod::Flow, Some(&place), vec![]);
        assert_eq!(decide(&Known { site: Some(&site), ..Known::default() }).confidence, "strong");
        let answer = decide(&Known { site: Some(&site), slab: Some(&slab), ..Known::default() });
        assert_eq!(answer.confidence, "certain");
        assert_eq!(answer.claim.map(|claim| claim.containers), Some(slab.containers));
    }

    #[test]
    fn a_place_that_does_not_say_leaves_it_to_other_evidence_in_order() {
        let mut names = Names::default();
        let [init, slab, other, kin] =
            ["a.init", "a.slab", "a.other", "a.kin"].map(|object| claim(&mut names, object, &[]));
        let (pointer, relative) = (claim(&mut names, "b.pointer", &[]), claim(&mut names, "a.relative", &[]));
        let unsaid = site(SiteMethod::Pointer, Some(&pointer), vec![]);
        let (others, class) = ([&other], [&kin]);
        let mut known = Known {
            site: Some(&unsaid),
            init: Some(&init),
            slab: Some(&slab),
            others: &others,
            class: &class,
            variable: None,
            kin: Some(&relative),
        };
        let decided = |known: &Known<'_>| (decide(known).claim, decide(known).evidence);
        assert_eq!(decided(&known), (Some(init.clone()), Evidence::Init));
        known.init = None;
        assert_eq!(decided(&known), (Some(slab.clone()), Evidence::Slab));
        known.slab = None;
        assert_eq!(decided(&known), (Some(relative.clone()), Evidence::Kin));
        known.kin = None;
        assert_eq!(decided(&known), (Some(other.clone()), Evidence::OtherSites));
        known.others = &[];
        assert_eq!(decided(&known), (Some(kin.clone()), Evidence::Class));
        known.class = &[];
        assert_eq!(decided(&known), (Some(pointer.clone()), Evidence::Pointer));
        known.site = None;
        assert_eq!(decided(&known), (None, Evidence::Unknown));
    }

    #[test]
    fn what_other_places_say_must_be_possible_here() {
        let mut names = Names::default();
        let (other, third) = (claim(&mut names, "a.lock", &[]), claim(&mut names, "c.lock", &[]));
        let narrowed = site(SiteMethod::Unknown, None, vec![third.object]);
        let others = [&other];
        let answer = decide(&Known { site: Some(&narrowed), others: &others, ..Known::default() });
        assert_eq!((answer.claim, answer.candidates), (None, vec![third.object]));
        let two = [&other, &third];
        assert_eq!(decide(&Known { others: &two, ..Known::default() }).evidence, Evidence::Unknown);
    }
}
