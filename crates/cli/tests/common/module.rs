//! The test kernel module in a guest: what it is told to do, and what it says it did.

use super::{LIMA, lima, shown, skipped};
use lima_lab::guest::Cache;
use lima_lab::module::Answer;
use std::fs;
use std::path::Path;
use std::process::Output;

/// The module's files in a guest.
pub const FILES: &str = "/sys/kernel/debug/lima_locks";

/// The kernel that every machine with the tests has (`scripts/fetch-kernel.sh`).
const ALWAYS: &str = "6.1";

/// Whether guests can be started and the module be built for a kernel; if not, the test is noted as skipped, unless it is
/// for want of a kernel that nobody need have. A module that does not build is a failure.
pub fn can_drive(kernel: &str) -> bool {
    let program = |names: &[&str]| names.iter().any(|name| Path::new(name).exists());
    let missing = if !program(&["/usr/bin/qemu-system-x86_64"]) {
        "QEMU"
    } else if !program(&["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"]) {
        "virtiofsd"
    } else if !program(&["/bin/busybox"]) {
        "busybox"
    } else if Cache::of_user().is_ok_and(|cache| cache.find(kernel).is_none()) {
        if kernel != ALWAYS {
            println!("left out: the kernel {kernel} is not cached");
            return false;
        }
        "a cached kernel 6.1 (scripts/fetch-kernel.sh)"
    } else {
        let built = lima(["lab", "module", "build", "--kernel", kernel]).output().unwrap();
        assert!(built.status.success(), "{}", shown(&built.stderr));
        return true;
    };
    skipped(&format!("a guest needs {missing}"));
    false
}

/// Runs a script of the shell in a guest, with `$LIMA` as the program under test, `$LIMA_OUT` as `out`, and in
/// `$LIMA_OUT/tell` a script that tells the module all `commands` and keeps its answers.
pub fn drive(kernel: &str, out: &Path, commands: &[&str], script: &str) -> Output {
    // Without a process of ours for each: there may be many.
    let tell: String = commands
        .iter()
        .enumerate()
        .map(|(number, command)| {
            format!("echo '{command}' >{FILES}/run && cat {FILES}/result >{number}.json || exit 1\n")
        })
        .collect();
    let tell = format!("cd \"$LIMA_OUT\"\n{tell}");
    fs::write(out.join("tell"), tell).unwrap();
    let script = format!("$LIMA lab module load; {script}; $LIMA lab module unload");
    // Tracing changes code that all processors run. Emulated side by side they may run what was there before, upon which
    // a kernel falls over or hangs; one after the other they do not.
    in_guest(kernel, out, &["--accel", "tcg-single", "--timeout", "280s"], &script)
}

/// Runs a script of the shell in a guest, with `$LIMA` as the program under test and `$LIMA_OUT` as `out`.
pub fn in_guest(kernel: &str, out: &Path, options: &[&str], script: &str) -> Output {
    let script = format!("set -e; export LIMA='{LIMA}'; {script}");
    let mut command = lima(["lab", "run", "--cpus", "2", "--kernel", kernel]);
    if !options.contains(&"--memory") {
        command.args(["--memory", "2G"]);
    }
    command.args(options).arg("--out").arg(out).args(["--", "sh", "-c", &script]).output().unwrap()
}

/// The module's answers to the commands.
pub fn answers(out: &Path, commands: &[&str]) -> Vec<Answer> {
    let read = |number| {
        let text = fs::read(out.join(format!("{number}.json"))).unwrap();
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", commands[number]))
    };
    (0..commands.len()).map(read).collect()
}

/// The value of a key of a command; none is 1.
pub fn asked(command: &str, key: &str) -> u64 {
    let value = command.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    value.map_or(1, |value| value.parse().unwrap())
}
