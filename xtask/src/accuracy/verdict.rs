//! Whether an answer is what the source says.

use super::rows::Site;
use crate::source::places::{Place, Root};
use crate::source::truth::{Lock, Oracle, Truth};

/// How an answer stands to the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It says the same.
    Right,
    /// It says the same place by a struct around the one that declares the lock.
    Wider,
    /// It names a variable and an offset in it, as BTF knows no types of variables: the variable is not another one than
    /// the source's, where that names one.
    Variable,
    /// The source says only which pointer leads to the lock; it says more.
    Beyond,
    /// It says something else.
    Wrong,
    /// It says nothing.
    Silent,
}

/// What the source says, as an answer would be written.
pub fn written(truth: &Truth) -> String {
    let one = |lock: &Lock| match lock {
        Lock::At(place) => name(place),
        Lock::Pointer(place) => format!("*{}", name(place)),
    };
    truth.locks.iter().map(one).collect::<Vec<_>>().join(" | ")
}

fn name(place: &Place) -> String {
    match (&place.root, place.declaring) {
        (Root::Global { name, .. }, _) => dotted(name, &place.full),
        (_, Some(declaring)) => dotted(declaring, &place.path),
        (Root::Local(local), None) => format!("{} (local)", dotted(local, &place.full)),
        (Root::Pointed, None) => place.path.clone(),
    }
}

fn dotted(name: &str, path: &str) -> String {
    if path.is_empty() || path.starts_with('[') { format!("{name}{path}") } else { format!("{name}.{path}") }
}

/// The verdict on a site's answer. `file`: the file that was compiled.
pub fn verdict(site: &Site, truth: &Truth, oracle: &mut Oracle, file: &str) -> Verdict {
    if !site.resolved() {
        return Verdict::Silent;
    }
    truth.locks.iter().map(|lock| one(site, lock, truth.in_seqlock, oracle, file)).min().unwrap_or(Verdict::Wrong)
}

fn one(site: &Site, lock: &Lock, in_seqlock: bool, oracle: &mut Oracle, file: &str) -> Verdict {
    let answer = normal(&site.object);
    // The seqlock, or the spinlock in it: both are said of it.
    let inner = answer.strip_suffix(".lock").filter(|_| in_seqlock);
    let verdicts = [Some(answer.as_str()), inner].into_iter().flatten();
    verdicts.map(|answer| judge(answer, site, lock, oracle, file)).min().unwrap_or(Verdict::Wrong)
}

fn judge(answer: &str, site: &Site, lock: &Lock, oracle: &mut Oracle, file: &str) -> Verdict {
    let (place, pointer) = match lock {
        Lock::At(place) => (place, false),
        Lock::Pointer(place) => (place, true),
    };
    let member = is_member(place, answer);
    let right = match &place.root {
        // The type of a variable says less than its name, but nothing wrong.
        Root::Global { name, .. } => answer == normal(&dotted(name, &place.full)) || member,
        Root::Local(_) => member || site.method == "local",
        Root::Pointed => member,
    };
    if right {
        return Verdict::Right;
    }
    if pointer && site.method != "pointer" {
        return Verdict::Beyond;
    }
    // The text has a pointer, the code has the variable that it points to: the variable's type must fit.
    if site.lock_address.as_ref().is_some_and(|address| !address.is_null())
        && let Some(variable) = oracle.variable(&site.object.replace(".[", "["), file)
        && variable.declaring.is_some_and(|declaring| is_member(place, &normal(&dotted(declaring, &variable.path))))
    {
        return Verdict::Right;
    }
    // `symbol+0x10`, or a variable that is more than a lock: a symbol has no part that begins with a dot.
    let symbol = site.object.split('+').next().unwrap_or("");
    if site.method == "address"
        && !normal(symbol).contains('.')
        && (!place.path.is_empty() || site.object.contains('+'))
    {
        match &place.root {
            Root::Global { name, .. } if *name != normal(symbol) => {}
            _ => return Verdict::Variable,
        }
    }
    let full = normal(&place.full);
    let wider = full.contains('.') && answer.split_once('.').is_some_and(|(_, path)| path == full);
    if wider { Verdict::Wider } else { Verdict::Wrong }
}

/// Whether a name is that of the member at a place.
fn is_member(place: &Place, name: &str) -> bool {
    place.declaring.is_some_and(|declaring| name == normal(&dotted(declaring, &place.path)))
        || place.by_typedef.as_ref().is_some_and(|alias| name == normal(alias))
}

/// A name without what does not tell locks apart: indexes, the numbers of static variables of functions, and the parts
/// of which locks are made.
fn normal(name: &str) -> String {
    let mut out = String::new();
    for part in name.split('.') {
        let part = part.split('[').next().unwrap_or("");
        if part.is_empty() || part.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(part);
    }
    let mut bare = out.as_str();
    // `spinlock_t` and `seqlock_t`, `struct ww_mutex` have the lock that the functions take inside.
    for end in [".rlock", ".base"] {
        bare = bare.strip_suffix(end).unwrap_or(bare);
    }
    bare.to_owned()
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn names_are_the_same_without_what_does_not_tell_locks_apart() {
        assert_eq!(normal("lock.5"), "lock");
        assert_eq!(normal("thing.locks[].lock"), "thing.locks.lock");
        assert_eq!(normal("thing.locks[3].lock.rlock"), "thing.locks.lock");
        assert_eq!(normal("dma_resv.lock.base"), "dma_resv.lock");
    }
}
