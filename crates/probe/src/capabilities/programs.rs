//! Trying out programs: each is loaded alone, some are attached for a moment, and dropped.

use super::machine::Config;
use super::privileges::Privileges;
use super::{Answer, Finding, Group, settings};
use libbpf_rs::skel::{OpenSkel, Skel, SkelBuilder};
use libbpf_rs::{PrintLevel, set_print};
use skeleton::CapabilitiesSkelBuilder;
use std::error::Error;
use std::mem::MaybeUninit;
use std::sync::Mutex;

#[allow(missing_docs, missing_debug_implementations, clippy::all, clippy::pedantic, clippy::ptr_as_ptr)]
#[allow(clippy::undocumented_unsafe_blocks, clippy::wildcard_imports, clippy::clone_on_ref_ptr, unused_qualifications)]
mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/capabilities.skel.rs"));
}

/// One program of `capabilities.bpf.c`.
struct Trial {
    /// Its name there, and the finding's key.
    key: &'static str,
    group: Group,
    what: &'static str,
    /// Whether it is attached as well as loaded.
    attach: bool,
    /// What the kernel must have been built with.
    config: &'static [&'static str],
    /// The kernel that brought it.
    since: &'static str,
}

const PROBES: &[&str] = &["CONFIG_KPROBES", "CONFIG_KPROBE_EVENTS"];
const FTRACE: &[&str] = &["CONFIG_FUNCTION_TRACER", "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS", "CONFIG_BPF_JIT"];

const TRIALS: &[Trial] = &[
    trial("contention_begin", Group::Programs, "BTF tracepoint lock:contention_begin", true, &[], "5.19"),
    trial("contention_end", Group::Programs, "BTF tracepoint lock:contention_end", true, &[], "5.19"),
    trial("sched_waking", Group::Programs, "BTF tracepoint sched:sched_waking", true, &[], "5.5"),
    trial("ring_buffer", Group::Programs, "ring buffer", false, &[], "5.8"),
    trial("task_storage", Group::Programs, "storage by task", false, &[], "5.11"),
    trial("fentry", Group::Programs, "fentry on lock functions", true, FTRACE, "5.5"),
    trial("fexit", Group::Programs, "fexit on lock functions", true, FTRACE, "5.5"),
    trial("kprobe", Group::Programs, "kprobe on lock functions", true, PROBES, "4.1"),
    trial("kprobe_multi", Group::Programs, "kprobe.multi on lock functions", true, &["CONFIG_FPROBE"], "5.18"),
    trial("stack_walk", Group::Reads, "kernel stacks", false, &["CONFIG_PERF_EVENTS"], "4.18"),
    trial("task_fields", Group::Reads, "fields of the running task", false, &[], "5.11"),
    trial("kernel_read", Group::Reads, "kernel memory (bpf_probe_read_kernel)", false, &[], "5.5"),
    trial("rdonly_cast", Group::Reads, "lock words as types (kfunc bpf_rdonly_cast)", false, &[], "6.2"),
    trial("kmem_cache", Group::Reads, "slab cache of a lock (kfunc bpf_get_kmem_cache)", false, &[], "6.13"),
];

const fn trial(
    key: &'static str,
    group: Group,
    what: &'static str,
    attach: bool,
    config: &'static [&'static str],
    since: &'static str,
) -> Trial {
    Trial { key, group, what, attach, config, since }
}

/// What libbpf says while a program is tried: the verifier's words are in it.
static SAID: Mutex<String> = Mutex::new(String::new());

/// The findings.
pub fn findings(privileges: &Privileges, config: &Config) -> Vec<Finding> {
    let before = set_print(Some((PrintLevel::Warn, |_, text| {
        if let Ok(mut said) = SAID.lock() {
            said.push_str(&text);
        }
    })));
    let findings = TRIALS.iter().map(|trial| finding(trial, privileges, config)).collect();
    set_print(before);
    findings
}

fn finding(trial: &Trial, privileges: &Privileges, config: &Config) -> Finding {
    if let Ok(mut said) = SAID.lock() {
        said.clear();
    }
    let outcome = try_it(trial);
    // Without privileges every program is refused, whatever the kernel could do.
    let known = outcome.is_ok() || privileges.suffice();
    let found = match &outcome {
        Err(_) if !known => "refused without the privileges above".to_owned(),
        Ok(()) if trial.attach => "loaded and attached".to_owned(),
        Ok(()) => "loaded".to_owned(),
        Err(error) => {
            let said = SAID.lock().map(|said| said.clone()).unwrap_or_default();
            verdict(&said).map_or_else(|| error.clone(), |verdict| format!("{error}: {verdict}"))
        }
    };
    Finding {
        key: trial.key,
        group: trial.group,
        what: trial.what,
        answer: if known { Answer::of(outcome.is_ok()) } else { Answer::Unknown },
        tried: format!("{} a program that uses it", if trial.attach { "loaded and attached" } else { "loaded" }),
        found,
        remedy: outcome.is_err().then(|| remedy(trial, privileges, config)),
    }
}

/// Loads the program alone, with the map of its own if it has one. Dropping the object undoes everything.
fn try_it(trial: &Trial) -> Result<(), String> {
    let mut storage = MaybeUninit::uninit();
    let say = |doing: &str, error: &libbpf_rs::Error| format!("{doing}: {}", innermost(error));
    let mut open = CapabilitiesSkelBuilder::default().open(&mut storage).map_err(|e| say("open", &e))?;
    for mut program in open.open_object_mut().progs_mut() {
        let wanted = program.name() == trial.key;
        program.set_autoload(wanted);
    }
    for mut map in open.open_object_mut().maps_mut() {
        let wanted = map.name().to_str() == Some(&format!("{}_map", trial.key));
        map.set_autocreate(wanted).map_err(|e| say("open", &e))?;
    }
    let loaded = open.load().map_err(|e| say("load", &e))?;
    if trial.attach {
        let program = loaded.object().progs_mut().find(|program| program.name() == trial.key);
        let program = program.ok_or_else(|| "the program is missing".to_owned())?;
        let _link = program.attach().map_err(|e| say("attach", &e))?;
    }
    Ok(())
}

/// The cause at the bottom of an error: the kernel's own.
fn innermost(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// The verifier's last word before its statistics.
fn verdict(said: &str) -> Option<String> {
    let log = said.split_once("-- BEGIN PROG LOAD LOG --")?.1.split_once("-- END PROG LOAD LOG --")?.0;
    let lines = log.lines().map(str::trim).take_while(|line| !line.starts_with("processed "));
    lines.filter(|line| !line.is_empty()).last().map(str::to_owned)
}

fn remedy(trial: &Trial, privileges: &Privileges, config: &Config) -> String {
    if !privileges.suffice() {
        return "get the privileges above".to_owned();
    }
    if version(&rustix::system::uname().release().to_string_lossy()) < version(trial.since) {
        return format!("use Linux {} or later", trial.since);
    }
    let lacking = config.lacks(trial.config);
    if !lacking.is_empty() {
        return format!("use a kernel built with {}; this one was not", lacking.join(", "));
    }
    match settings::lockdown_mode().as_deref() {
        Some(mode @ ("integrity" | "confidentiality")) => format!(
            "use a kernel that is not locked down (this one is, in {mode} mode): without `lockdown=` on its command line \
             and, for many, without Secure Boot"
        ),
        _ => "see whether a container, a user namespace or a security module forbids it".to_owned(),
    }
}

/// The first two numbers of a kernel's version.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_the_line_before_the_statistics() {
        let said = "libbpf: prog 'x': -- BEGIN PROG LOAD LOG --\n0: R1=ctx()\nunknown func bpf_x#1\n\
                    processed 2 insns (limit 1000000)\n-- END PROG LOAD LOG --\nlibbpf: failed\n";
        assert_eq!(verdict(said).as_deref(), Some("unknown func bpf_x#1"));
        assert_eq!(verdict("libbpf: prog 'x': failed to load: -1\n"), None);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("6.1.0-50-cloud-amd64") > version("5.19"));
        assert!(version("5.4") < version("5.19"));
        assert_eq!(version("garbage"), (0, 0));
    }

    #[test]
    fn without_privileges_the_remedy_is_to_get_them() {
        let trial = &TRIALS[0];
        assert_eq!(remedy(trial, &Privileges::default(), &Config::default()), "get the privileges above");
    }
}
