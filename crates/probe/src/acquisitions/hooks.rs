//! Which lock functions are traced on this kernel.

use super::skeleton::{AcquisitionsSkel, AcquisitionsSkelBuilder, OpenAcquisitionsSkel};
use crate::contention::{Error, Options};
use libbpf_rs::btf::{Btf, types::Func};
use libbpf_rs::skel::{OpenSkel, Skel, SkelBuilder};
use libbpf_rs::{Link, OpenProgramMut};
use lima_model::manifest::Hook;
use lima_model::words::Operation;
use lima_model::{LockType, Primitive, Stat};
use std::mem::MaybeUninit;

/// What the name of a program on a function begins with (`bpf/acquisitions.bpf.c`).
const PREFIX: &str = "on_";

/// The same of programs that measure slow paths.
const SLOW_PATHS: [&str; 2] = ["begin_", "end_"];

/// Leaves out the programs on functions that this kernel does not have, or that are not needed.
pub(super) fn choose(open: &mut OpenAcquisitionsSkel<'_>, options: &Options) -> Result<Vec<Hook>, Error> {
    choose_by(open, |function| is_wanted(function, options))
}

/// All lock functions that there are programs for, and whether this kernel has them.
///
/// # Errors
/// When the kernel does not tell its types.
pub fn lock_functions() -> Result<Vec<Hook>, Error> {
    let mut storage = MaybeUninit::uninit();
    let mut open = AcquisitionsSkelBuilder::default().open(&mut storage).map_err(Error::load)?;
    choose_by(&mut open, |_| true)
}

fn choose_by(open: &mut OpenAcquisitionsSkel<'_>, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<Hook>, Error> {
    let btf = Btf::from_vmlinux().map_err(Error::load)?;
    let choose = |mut program: OpenProgramMut<'_>| {
        let name = program.name().to_string_lossy().into_owned();
        let Some(function) = name.strip_prefix(PREFIX) else {
            let function = slow_path(&name)?;
            program.set_autoload(btf.type_by_name::<Func<'_>>(function).is_some() && is_wanted(function));
            return None;
        };
        let there = btf.type_by_name::<Func<'_>>(function).is_some();
        let wanted = is_wanted(function);
        program.set_autoload(there && wanted);
        let state = match (there, wanted) {
            (false, _) => Hook::MISSING,
            (true, false) => Hook::NOT_ASKED,
            (true, true) => Hook::ATTACHED,
        };
        Some(hook(function, state.to_owned()))
    };
    Ok(open.open_object_mut().progs_mut().filter_map(choose).collect())
}

/// The function of a program that measures slow paths.
fn slow_path(name: &str) -> Option<&str> {
    SLOW_PATHS.iter().find_map(|prefix| name.strip_prefix(prefix))
}

/// The lock types whose initialisations are seen, a bit for each as the programs know it.
pub(super) fn born_types(hooks: &[Hook]) -> u32 {
    let born = hooks.iter().filter(|hook| hook.operation == Operation::Init.name() && hook.state == Hook::ATTACHED);
    let types = born.filter_map(|hook| LockType::from_name(&hook.lock_type));
    types.map(LockType::family).fold(0, |types, lock_type| types | 1 << lock_type as u32)
}

/// Whether what was asked for needs a function to be traced.
fn is_wanted(function: &str, options: &Options) -> bool {
    if function == "__lock_sock" {
        return options.filters.types.contains(&LockType::SocketLock) && options.profile.measures(Stat::of_waits);
    }
    let lock_type = kind(function).0.family();
    let types = &options.filters.types;
    let ends_hold = kind(function).1 == Operation::Release;
    let usual = LockType::TRACED.contains(&lock_type);
    (if types.is_empty() { usual } else { types.contains(&lock_type) })
        && (!ends_hold || options.profile.measures(Stat::of_holds))
}

fn hook(function: &str, state: String) -> Hook {
    let (lock_type, operation) = kind(function);
    Hook {
        function: function.to_owned(),
        lock_type: lock_type.name().to_owned(),
        operation: operation.name().to_owned(),
        state,
    }
}

/// What a function does, and to what. The model has no sites of read sections of RCU, and turning a writer into a reader
/// is no operation of its own.
fn kind(function: &str) -> (LockType, Operation) {
    match (Primitive::named(function), function) {
        (Some(primitive), _) => (primitive.lock_type, primitive.operation),
        (None, "__rcu_read_lock") => (LockType::Rcu, Operation::Acquire),
        (None, "__rcu_read_unlock") => (LockType::Rcu, Operation::Release),
        (None, _) => (LockType::Rwsem, Operation::Release),
    }
}

/// Attaches the programs. One that cannot be attached is left out, and its hook says why.
pub(super) fn attach(skeleton: &AcquisitionsSkel<'_>, hooks: &mut [Hook], notes: &mut Vec<String>) -> Vec<Link> {
    let mut links = Vec::new();
    for program in skeleton.object().progs_mut().filter(|program| program.autoload()) {
        let name = program.name().to_string_lossy().into_owned();
        let Some(function) = slow_path(&name) else { continue };
        match program.attach() {
            Ok(link) => links.push(link),
            Err(error) => notes.push(format!("waits in {function} are not measured: {error}")),
        }
    }
    // Releases first: whatever is acquired while the others are being attached is then let go in sight.
    for release in [true, false] {
        for program in skeleton.object().progs_mut() {
            let name = program.name().to_string_lossy().into_owned();
            let Some(hook) = hooks.iter_mut().find(|hook| name.strip_prefix(PREFIX) == Some(&hook.function)) else {
                continue;
            };
            if hook.state != Hook::ATTACHED || (hook.operation == "release") != release {
                continue;
            }
            match program.attach() {
                Ok(link) => links.push(link),
                Err(error) => hook.state = error.to_string(),
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;
    use lima_model::LockType;
    use lima_model::primitive::Success;

    /// Each line of `lock_functions.h` as (macro, its arguments).
    fn lines() -> Vec<(&'static str, Vec<&'static str>)> {
        let header = include_str!("../bpf/lock_functions.h");
        let lines = header.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
        let parts = lines.filter_map(|line| line.strip_suffix(')')?.split_once('('));
        parts.map(|(word, arguments)| (word, arguments.split(", ").collect())).collect()
    }

    #[test]
    fn the_traced_functions_are_those_of_the_model() {
        let lines = lines();
        assert!(lines.len() > 80, "{} lines", lines.len());
        for (word, arguments) in lines {
            let primitive = Primitive::named(arguments[0]).unwrap_or_else(|| panic!("{} is unknown", arguments[0]));
            let expected = match (primitive.operation, primitive.success()) {
                (Operation::Release, _) => "RELEASE",
                (Operation::Init, _) => "INIT",
                _ if ["__percpu_down_read", "out_of_line_wait_on_bit_lock"].contains(&primitive.name) => "UNSEEN",
                _ if primitive.name == "__lock_sock_fast" => "FAST",
                (_, Success::Always) => "ACQUIRE",
                (_, Success::Zero) => "ZERO",
                (_, Success::Other) => "OTHER",
                (_, Success::Varies) => "none",
            };
            assert_eq!(word, expected, "{}", primitive.name);
            let lock_type = primitive.lock_type.name().to_uppercase().replace("RAW_", "");
            assert_eq!(arguments[1], lock_type, "{}", primitive.name);
            if word != "INIT" {
                assert_eq!(arguments[2], primitive.mode.name().to_uppercase(), "{}", primitive.name);
            }
            assert_eq!(primitive.lock, 0, "{}: the programs take the first argument", primitive.name);
        }
    }

    #[test]
    fn every_family_is_traced() {
        let traced: Vec<&str> = lines().iter().map(|(_, arguments)| arguments[0]).collect();
        for &lock_type in
            LockType::ALL.iter().filter(|&&it| Primitive::all().any(|primitive| primitive.lock_type == it))
        {
            // The functions of spinlocks are those of raw spinlocks.
            let family = |lock_type: LockType| lock_type.name().trim_start_matches("raw_");
            let is_traced = |primitive: Primitive| {
                family(primitive.lock_type) == family(lock_type) && traced.contains(&primitive.name)
            };
            assert!(Primitive::all().any(is_traced), "no function of {lock_type:?} is traced");
        }
    }
}
