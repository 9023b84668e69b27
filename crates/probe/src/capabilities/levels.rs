//! From what is permitted to what works.

use super::{Answer, Finding, Level};

/// What no level can do without; when these are missing nothing else can be found out.
const PRIVILEGES: &[&str] = &["cap_bpf", "cap_perfmon"];

/// What the contention level cannot do without.
const CONTENTION: &[&str] = &[
    "btf",
    "lock_tracepoints",
    "contention_begin",
    "contention_end",
    "sched_waking",
    "ring_buffer",
    "task_storage",
    "task_fields",
];

/// What the acquisitions level cannot do without.
const ACQUISITIONS: &[&str] = &["btf", "fentry", "fexit", "ring_buffer", "task_storage", "task_fields"];

/// What is lost when none of these is permitted, at every level.
const LOST: &[(&[&str], &str)] = &[
    (&["stack_walk"], "stacks: callers are unknown"),
    (&["kernel_read", "rdonly_cast"], "lock words: holders are unknown"),
    (&["kmem_cache", "kcore"], "slab caches: the object that a lock lies in is told by its callers only"),
    (&["kallsyms"], "names of functions: stacks are addresses"),
    (&["data_symbols"], "names of global locks: they are told by their callers only"),
    (&["cgroups"], "names of tenants: they are numbers, unless --tenant-by says otherwise"),
];

/// The answer for a key; `Unknown` when there is none.
pub fn answer(findings: &[Finding], key: &str) -> Answer {
    findings.iter().find(|finding| finding.key == key).map_or(Answer::Unknown, |finding| finding.answer)
}

/// The levels, the cheaper first.
pub fn levels(findings: &[Finding]) -> Vec<Level> {
    vec![level("contention", CONTENTION, findings), level("acquisitions", ACQUISITIONS, findings)]
}

fn level(name: &'static str, needs: &[&str], findings: &[Finding]) -> Level {
    let refused = |key: &&&str| answer(findings, key) != Answer::Yes;
    let reason = |key: &str| {
        let finding = findings.iter().find(|finding| finding.key == key);
        finding.map_or_else(|| key.to_owned(), |finding| format!("{}: {}", finding.what, finding.found))
    };
    let reasons = |needs: &[&str]| needs.iter().filter(refused).map(|key| reason(key)).collect::<Vec<String>>();
    let why = Some(reasons(PRIVILEGES)).filter(|why| !why.is_empty()).unwrap_or_else(|| reasons(needs));
    let lost = |keys: &[&str]| keys.iter().all(|key| answer(findings, key) != Answer::Yes);
    let without = LOST.iter().filter(|(keys, _)| lost(keys)).map(|(_, what)| (*what).to_owned()).collect();
    Level { name, works: why.is_empty(), without: if why.is_empty() { without } else { Vec::new() }, why }
}

#[cfg(test)]
mod tests {
    use super::super::Group;
    use super::*;

    fn findings(refused: &[&str]) -> Vec<Finding> {
        let keys =
            PRIVILEGES.iter().chain(CONTENTION).chain(ACQUISITIONS).chain(LOST.iter().flat_map(|(keys, _)| *keys));
        let finding = |key: &&'static str| Finding {
            key,
            group: Group::Programs,
            what: key,
            answer: Answer::of(!refused.contains(key)),
            tried: String::new(),
            found: "EPERM".to_owned(),
            remedy: None,
        };
        keys.map(finding).collect()
    }

    #[test]
    fn a_locked_down_kernel_has_contention_without_some_things() {
        let levels = levels(&findings(&["fentry", "fexit", "data_symbols", "kernel_read"]));
        assert!(levels[0].works && levels[0].why.is_empty());
        assert_eq!(levels[0].without, ["names of global locks: they are told by their callers only"]);
        assert!(!levels[1].works);
        assert_eq!(levels[1].why, ["fentry: EPERM", "fexit: EPERM"]);
    }

    #[test]
    fn holders_are_lost_only_when_both_ways_to_read_are() {
        let levels = levels(&findings(&["rdonly_cast", "kernel_read"]));
        assert_eq!(levels[0].without, ["lock words: holders are unknown"]);
    }

    #[test]
    fn missing_privileges_are_the_one_reason() {
        let levels = levels(&findings(&["cap_bpf", "contention_begin", "fentry"]));
        assert!(levels.iter().all(|level| level.why == ["cap_bpf: EPERM"]));
    }

    #[test]
    fn nothing_known_means_nothing_works() {
        assert!(levels(&[]).iter().all(|level| !level.works && !level.why.is_empty()));
    }
}
