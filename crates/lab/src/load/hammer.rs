//! Threads that hammer one directory, one file and one named pipe.
//!
//! Two of these on the same folder, in two tenants, contend with each other for the `i_rwsem` of the directory and of
//! the file and for the mutex of the pipe.

use super::clock::now_ns;
use super::process::{Part, Stop};
use crate::Tenant;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// How hard, where and how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The folder: everybody who uses the same one contends.
    pub folder: PathBuf,
    /// How many threads; they take turns at directory, file and pipe.
    pub threads: u32,
    /// How long.
    pub length: Duration,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `hammer`.
    pub load: String,
    /// The process.
    pub pid: u32,
    /// Its tenant, when it was given one; bytes that are no UTF-8 are replaced.
    pub tenant: Option<String>,
    /// How long it took.
    pub elapsed_ns: u64,
    /// What was done to what.
    pub operations: Operations,
}

/// Operations done: each takes the object's lock once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operations {
    /// Files created, renamed and removed.
    pub directory: u64,
    /// Writes to the file.
    pub file: u64,
    /// Writes to and reads from the pipe.
    pub pipe: u64,
}

/// Hammers in one process for each tenant, all at the same time. `lima` is the program whose `lab hammer` command
/// does the work.
pub fn run_tenants(plan: &Plan, names: &[PathBuf], lima: &Path) -> Result<Vec<Report>> {
    let stop = Stop::on_signals()?;
    let tenants = names.iter().map(Tenant::create).collect::<Result<Vec<_>>>()?;
    let arguments: Vec<OsString> = vec![
        "lab".into(),
        "load".into(),
        "hammer".into(),
        "--dir".into(),
        plan.folder.clone().into(),
        "--threads".into(),
        plan.threads.to_string().into(),
        "--seconds".into(),
        plan.length.as_secs_f64().to_string().into(),
    ];
    let mut parts = tenants
        .iter()
        .map(|tenant| Part::start("hammer", lima, &arguments, Some(tenant)))
        .collect::<Result<Vec<_>>>()?;

    let mut reports: Vec<Report> = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let answer = match parts[number].answer_or_stop(&stop)? {
            Some(answer) => answer,
            None => {
                parts.iter().for_each(Part::terminate);
                parts[number].answer()?
            }
        };
        reports.push(Report { tenant: Some(name.to_string_lossy().into_owned()), ..answer });
    }
    for part in parts {
        part.end()?;
    }
    Ok(reports)
}

/// Hammers in this process.
pub fn run(plan: &Plan) -> Result<Report> {
    if plan.threads == 0 {
        bail!("at least one thread is needed");
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let begin = now_ns();
    let end = begin.saturating_add(u64::try_from(plan.length.as_nanos()).unwrap_or(u64::MAX));
    let targets = Targets::open(&plan.folder)?;
    let go_on = || now_ns() < end && !stop.load(Ordering::Relaxed);

    let operations = thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads)
            .map(|number| {
                let (targets, go_on) = (&targets, &go_on);
                thread::Builder::new()
                    .name(format!("hammer-{number}"))
                    .spawn_scoped(scope, move || targets.hammer(number, go_on))
            })
            .collect::<io::Result<_>>()?;
        let mut sum = Operations::default();
        for thread in threads {
            let done = thread.join().map_err(|_| io::Error::other("a thread panicked"))??;
            sum.directory += done.directory;
            sum.file += done.file;
            sum.pipe += done.pipe;
        }
        io::Result::Ok(sum)
    })
    .with_context(|| format!("the load in {} failed", plan.folder.display()))?;
    Ok(Report {
        load: "hammer".to_owned(),
        pid: std::process::id(),
        tenant: None,
        elapsed_ns: now_ns() - begin,
        operations,
    })
}

/// The file and the pipe, and the folder around them. The files are removed when dropped; another process that has
/// them open goes on.
#[derive(Debug)]
struct Targets {
    folder: PathBuf,
    file: File,
    pipe: File,
}

const FILE: &str = "lima-hammer.file";
const PIPE: &str = "lima-hammer.pipe";

impl Targets {
    fn open(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&file)
            .with_context(|| format!("cannot make the file {}", file.display()))?;
        let pipe = folder.join(PIPE);
        match rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot make the pipe {}", pipe.display())),
        }
        let pipe = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&pipe)
            .with_context(|| format!("cannot open the pipe {}", pipe.display()))?;
        Ok(Self { folder: folder.to_owned(), file, pipe })
    }

    fn hammer(&self, number: u32, go_on: &impl Fn() -> bool) -> io::Result<Operations> {
        let mut done = Operations::default();
        match number % 3 {
            0 => {
                let name = |end| self.folder.join(format!("lima-hammer-{}-{number}-{end}", std::process::id()));
                let (first, second) = (name("a"), name("b"));
                while go_on() {
                    File::create(&first)?;
                    fs::rename(&first, &second)?;
                    fs::remove_file(&second)?;
                    done.directory += 3;
                }
            }
            1 => {
                let bytes = [0; 8192];
                while go_on() {
                    self.file.write_all_at(&bytes, 0)?;
                    done.file += 1;
                }
            }
            _ => {
                let mut bytes = [0; 512];
                while go_on() {
                    // Full or empty, because of the others: the lock was taken all the same.
                    not_ready((&self.pipe).write(&bytes))?;
                    not_ready((&self.pipe).read(&mut bytes))?;
                    done.pipe += 2;
                }
            }
        }
        Ok(done)
    }
}

fn not_ready(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        for name in [FILE, PIPE] {
            // The other process may have been here first.
            let _ = fs::remove_file(self.folder.join(name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_work_and_cleans_up() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan { folder: folder.path().to_owned(), threads: 3, length: Duration::from_millis(50) };
        let report = run(&plan).unwrap();
        let Operations { directory, file, pipe } = report.operations;
        assert!(directory > 0 && file > 0 && pipe > 0, "{report:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let plan = Plan { folder: "/nowhere/at/all".into(), threads: 1, length: Duration::from_millis(1) };
        assert!(format!("{:#}", run(&plan).unwrap_err()).contains("/nowhere/at/all"));
    }
}
