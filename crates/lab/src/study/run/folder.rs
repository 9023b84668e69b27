//! The folder of a study.

use crate::study::file::File;
use anyhow::{Context, Result, ensure};
use lima_model::study::{Machine, Planned, RUN_FILE, RUNS, Run, SCHEMA, STUDY_FILE, STUDY_TOML, Study, Tool};
use rustix::fs::{FlockOperation, flock, statvfs};
use serde::Serialize;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder, for one process that makes runs.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: Option<fs::File>,
}

/// What a run's process says, in the folder of the run.
const LOG: &str = "log.txt";

impl Folder {
    /// Makes the folder, or goes on in one of the same study.
    ///
    /// # Errors
    /// When it is the folder of another study, or of something else, or another process is at work in it.
    pub fn open(path: &Path, text: &str) -> Result<Self> {
        let runs = path.join(RUNS);
        let copy = path.join(STUDY_TOML);
        if !copy.exists() {
            let empty = fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
            ensure!(empty, "{} holds something else: choose another folder with -o", path.display());
        }
        fs::create_dir_all(&runs).with_context(|| format!("cannot make {}", runs.display()))?;
        match fs::read_to_string(&copy) {
            Ok(before) => ensure!(
                before == text,
                "{} holds runs of a study that was written otherwise (compare its {STUDY_TOML}): choose another folder \
                 with -o, or remove it",
                path.display()
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => write(&copy, text.as_bytes())?,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", copy.display())),
        }
        let lock = fs::File::open(&copy).with_context(|| format!("cannot open {}", copy.display()))?;
        ensure!(
            flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
            "another process is running this study in {}",
            path.display()
        );
        Ok(Self { path: path.to_owned(), _lock: Some(lock) })
    }

    /// The folder for the process that makes one run, which the study's own process has locked.
    pub fn of_run(path: &Path) -> Self {
        Self { path: path.to_owned(), _lock: None }
    }

    /// The folder of a run.
    pub fn of(&self, id: &str) -> PathBuf {
        self.path.join(RUNS).join(id)
    }

    /// Where a run's process says what it does.
    pub(super) fn log(&self, id: &str) -> PathBuf {
        self.of(id).join(LOG)
    }

    /// A run that has been made.
    ///
    /// # Errors
    /// When its front page cannot be read.
    pub fn run(&self, id: &str) -> Result<Option<Run>> {
        let path = self.of(id).join(RUN_FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .with_context(|| format!("{} is damaged; remove it to make this run again", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Removes what a cut run has left, and makes its folder.
    pub(super) fn clear(&self, id: &str) -> Result<()> {
        let path = self.of(id);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))
    }

    /// Writes a run's front page, which makes it a run that is done.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_run(&self, run: &Run) -> Result<()> {
        write_json(&self.of(&run.id).join(RUN_FILE), run)
    }

    pub(super) fn write_study(&self, study: &Study) -> Result<()> {
        write_json(&self.path.join(STUDY_FILE), study)
    }

    /// The last line that a run's process said.
    pub(super) fn last_words(&self, id: &str) -> Option<String> {
        last_line(&self.log(id))
    }

    /// The bytes that are free on its disk.
    pub(super) fn room(&self) -> Result<u64> {
        let room =
            statvfs(&self.path).with_context(|| format!("cannot ask for the room in {}", self.path.display()))?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    /// The study's front page: that of an earlier process is kept, for its runs are.
    pub(super) fn describe(&self, file: &File, version: &str, plan: &[Planned]) -> Result<Study> {
        if let Ok(text) = fs::read(self.path.join(STUDY_FILE))
            && let Ok(study) = serde_json::from_slice::<Study>(&text)
        {
            return Ok(study);
        }
        let study = Study {
            schema: SCHEMA.to_owned(),
            lima_version: version.to_owned(),
            name: file.name.clone(),
            target: file.target.name(),
            machine: machine(),
            guest: None,
            isolation: Vec::new(),
            plan: plan.to_vec(),
            tools: Vec::new(),
        };
        self.write_study(&study)?;
        Ok(study)
    }
}

/// The last line of a file that is not empty.
pub(super) fn last_line(path: &Path) -> Option<String> {
    let text = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(4096)..]).into_owned();
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|letter| !letter.is_control()).take(500).collect())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    write(path, &text)
}

/// Writes a file as a whole, or not at all.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    let fails = || format!("cannot write {}", path.display());
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, content).with_context(fails)?;
    fs::File::open(&new).and_then(|file| file.sync_all()).with_context(fails)?;
    fs::rename(&new, path).with_context(fails)
}

/// The machine that this process is on.
pub(super) fn machine() -> Machine {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let system = rustix::system::sysinfo();
    Machine {
        processor: processor.map_or_else(String::new, |(_, name)| name.trim().to_owned()),
        cpus: std::thread::available_parallelism().map_or(0, |number| u32::try_from(number.get()).unwrap_or(u32::MAX)),
        memory_bytes: system.totalram * u64::from(system.mem_unit),
        kernel_release: rustix::system::uname().release().to_string_lossy().into_owned(),
        kernel_build_id: build_id(&fs::read("/sys/kernel/notes").unwrap_or_default()).unwrap_or_default(),
    }
}

/// The build id among the notes of a kernel.
fn build_id(notes: &[u8]) -> Option<String> {
    const BUILD_ID: u32 = 3;
    let word = |at: usize| Some(u32::from_ne_bytes(notes.get(at..at + 4)?.try_into().ok()?));
    let mut at = 0;
    loop {
        let (name, length, kind) = (word(at)? as usize, word(at + 4)? as usize, word(at + 8)?);
        let start = at + 12 + name.next_multiple_of(4);
        let content = notes.get(start..start.checked_add(length)?)?;
        if kind == BUILD_ID && notes.get(at + 12..at + 12 + name)? == b"GNU\0" {
            return Some(lima_model::build_id::hex(content));
        }
        at = start + length.next_multiple_of(4);
    }
}

/// What programs say of their versions; one that is not there says nothing.
pub(super) fn tools<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Tool> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter_map(|name| Some(Tool { name: name.to_owned(), version: version(name)? })).collect()
}

fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().next().map(|line| line.trim().chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_study_and_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study");
        let open = Folder::open(&path, "name = 'x'").unwrap();
        assert!(format!("{:#}", Folder::open(&path, "name = 'x'").unwrap_err()).contains("another process"));
        drop(open);
        Folder::open(&path, "name = 'x'").unwrap();
        assert!(format!("{:#}", Folder::open(&path, "name = 'y'").unwrap_err()).contains("written otherwise"));
        fs::write(folder.path().join("mine"), "").unwrap();
        assert!(format!("{:#}", Folder::open(folder.path(), "").unwrap_err()).contains("something else"));
    }

    #[test]
    fn a_run_is_done_when_its_front_page_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::open(&folder.path().join("study"), "").unwrap();
        folder.clear("host.gzip.r1").unwrap();
        assert_eq!(folder.run("host.gzip.r1").unwrap(), None);
        let run = Run { id: "host.gzip.r1".into(), ..Run::default() };
        folder.write_run(&run).unwrap();
        assert_eq!(folder.run("host.gzip.r1").unwrap(), Some(run));
        fs::write(folder.of("host.gzip.r1").join(RUN_FILE), "{").unwrap();
        assert!(folder.run("host.gzip.r1").is_err());
    }

    #[test]
    fn notes_end() {
        let mut notes = Vec::new();
        for word in [4_u32, 3, 1] {
            notes.extend(word.to_ne_bytes());
        }
        notes.extend(*b"Xen\0abc\0");
        for word in [4_u32, 2, 3] {
            notes.extend(word.to_ne_bytes());
        }
        notes.extend(*b"GNU\0\x12\xab\0\0");
        assert_eq!(build_id(&notes).as_deref(), Some("12ab"));
        for cut in 0..notes.len() {
            let _ = build_id(&notes[..cut]);
        }
    }
}
