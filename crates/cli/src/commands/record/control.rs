//! How a recording under way is told something: a socket for each, in one folder. A request is a line, the phase's name;
//! the answer is `ok` when the phase has begun.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of the sockets; a file is called by the recorder's process.
const FOLDER: &str = "/run/lima";
/// Nobody keeps the recorder waiting for longer.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a recorder may take to end a time bucket.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest name of a phase, bytes.
const LONGEST: u64 = 200;

/// The recorder's end.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Opens the socket.
    ///
    /// # Errors
    /// When the folder or the socket cannot be made.
    pub fn open() -> Result<Self> {
        let folder = Path::new(FOLDER);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot make {FOLDER}"))?;
        let path = folder.join(std::process::id().to_string());
        // Of a process that was killed and had the same number.
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let control = Self { listener, path };
        fs::set_permissions(&control.path, fs::Permissions::from_mode(0o600)).context("cannot protect the socket")?;
        control.listener.set_nonblocking(true).context("cannot prepare the socket")?;
        Ok(control)
    }

    /// Answers whoever is waiting.
    ///
    /// # Errors
    /// What `begin` says; the one who asked is told as well.
    pub fn serve(&self, mut begin: impl FnMut(&str) -> Result<()>) -> Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("cannot take a request"),
            };
            match phase(&stream) {
                Ok(name) => {
                    let result = begin(&name);
                    let answer = result.as_ref().map_or_else(|error| format!("{error:#}"), |()| "ok".to_owned());
                    // Whoever asked may be gone.
                    let _ = writeln!(&stream, "{answer}");
                    result?;
                }
                Err(error) => {
                    let _ = writeln!(&stream, "{error:#}");
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The name that is asked for.
fn phase(stream: &UnixStream) -> Result<String> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut name = String::new();
    BufReader::new(stream.take(LONGEST + 1)).read_line(&mut name).context("the name of the phase did not come")?;
    let name = name.trim();
    ensure!(!name.is_empty(), "a phase needs a name");
    ensure!(name.len() as u64 <= LONGEST, "the name of a phase has at most {LONGEST} bytes");
    Ok(name.to_owned())
}

/// Tells a recording to begin a phase: that of a process, or the only one there is.
///
/// # Errors
/// When there is no recording, when there are several to choose from, or when the recorder says no.
pub fn begin_phase(process: Option<u32>, name: &str) -> Result<()> {
    let path = match process {
        Some(process) => Path::new(FOLDER).join(process.to_string()),
        None => only_recording()?,
    };
    let mut stream = UnixStream::connect(&path)
        .with_context(|| format!("there is no recording that listens at {}", path.display()))?;
    stream.set_read_timeout(Some(ANSWER))?;
    writeln!(stream, "{name}").context("cannot ask the recorder")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).context("the recorder did not answer")?;
    match answer.trim() {
        "ok" => Ok(()),
        "" => bail!("the recorder ended without an answer"),
        other => bail!("the recorder said: {}", lima_model::escape::terminal(other)),
    }
}

fn only_recording() -> Result<PathBuf> {
    let entries = fs::read_dir(FOLDER).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut live: Vec<_> = entries.filter(|path| UnixStream::connect(path).is_ok()).collect();
    live.sort();
    let names = || live.iter().filter_map(|path| path.file_name()?.to_str()).collect::<Vec<_>>().join(", ");
    match live.as_slice() {
        [] => bail!("no recording is under way here: start one with `lima record`"),
        [one] => Ok(one.clone()),
        _ => bail!("several recordings are under way: name one by its process with --pid (there are {})", names()),
    }
}
