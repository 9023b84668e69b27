//! A rename storm: what following one lock costs a load that takes it all the time.

use crate::guest;
use anyhow::{Context, Result, ensure};
use std::arch::asm;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Renames of a short and of a long run: what a run costs once is in both.
const SHORT: u64 = 1_000;
const LONG: u64 = 6_000;
/// Each is done this often, and the least of them counts.
const REPEATS: usize = 3;

/// The lock of all renames from one folder to another, and what follows it.
const ROWS: [(&str, &str); 6] = [
    ("no tracing", ""),
    ("--lock super_block.s_vfs_rename_mutex --stats count", "--lock super_block.s_vfs_rename_mutex --stats count"),
    ("--lock super_block.s_vfs_rename_mutex", "--lock super_block.s_vfs_rename_mutex"),
    ("--lock rtnl_mutex --stats count: another mutex", "--lock rtnl_mutex --stats count"),
    ("--type mutex", "--type mutex"),
    ("every lock", "--stats count,wait,hold,hold-hist"),
];

/// In the guest: renames a file from one folder to another and back, `count` times in all, between two marks.
pub fn rename(count: u64) -> Result<()> {
    let folder = tempfile::tempdir_in("/dev/shm")?;
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    for side in [&here, &there] {
        fs::create_dir(side)?;
    }
    let (from, to) = (here.join("file"), there.join("file"));
    fs::write(&from, "")?;
    let back_and_forth = |count: u64| -> Result<()> {
        for _ in 0..count / 2 {
            fs::rename(&from, &to)?;
            fs::rename(&to, &from)?;
        }
        Ok(())
    };
    // Whatever has to be learned once.
    back_and_forth(SHORT)?;
    // SAFETY: an instruction that does nothing, with a mark in its operand (docs/lab.md).
    unsafe { asm!(".byte 0x66, 0x0f, 0x1f, 0x84, 0x00, 'L', 'I', 'M', 'B'") };
    let done = back_and_forth(count);
    // SAFETY: as above.
    unsafe { asm!(".byte 0x66, 0x0f, 0x1f, 0x84, 0x00, 'L', 'I', 'M', 'E'") };
    done
}

/// A table of kernel instructions a rename.
pub fn table(lima: &Path) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let results = folder.path().join("counts");
    let mut command = Command::new(lima);
    command.args(["lab", "run", "--memory", "1G", "--timeout", "20m", "--kernel", "6.1", "--count"]);
    command.arg(&results).args(["--", "sh", "-c", &script(lima)?]);
    let output = command.output().context("cannot run lima")?;
    ensure!(output.status.success(), "the guest fails:\n{}", String::from_utf8_lossy(&output.stderr));
    let counts = fs::read_to_string(&results)?;
    let counts = guest::stretches(&counts)?;
    ensure!(counts.len() == ROWS.len() * 2 * REPEATS, "{} stretches were counted", counts.len());
    let each: Vec<f64> = counts.chunks(2 * REPEATS).map(|runs| guest::each(runs, SHORT, LONG)).collect();
    let mut text = format!("{:<56}{:>20}{:>10}\n", "kernel instructions per rename", "", "more");
    for ((name, _), count) in ROWS.iter().zip(&each) {
        let more = 100.0 * (count / each[0] - 1.0);
        let _ = writeln!(text, "{name:<56}{count:>20.0}{more:>8.1} %");
    }
    Ok(text)
}

fn script(lima: &Path) -> Result<String> {
    let mut runs = String::from("set -e;");
    for count in [SHORT, LONG] {
        for _ in 0..REPEATS {
            let _ = write!(runs, " \"$SELF\" storm {count};");
        }
    }
    let mut script = format!(
        "set -e; export LIMA='{}' SELF='{}'; storm=$(mktemp); echo '{runs}' >$storm\n",
        lima.display(),
        std::env::current_exe()?.display()
    );
    for (_, options) in ROWS {
        let record = match options {
            "" => String::new(),
            options => format!("\"$LIMA\" record --level acquisitions {options} -o $(mktemp -d)/t.lima -- "),
        };
        let _ = writeln!(script, "{record}sh $storm");
    }
    Ok(script)
}
