//! The module in the running kernel: loading it, telling it what to do, unloading it.

use super::answer::{Answer, Listing};
use super::source::NAME;
use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::system::{delete_module, finit_module};
use serde_json::Value;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

const FOLDER: &str = "/sys/kernel/debug/lima_locks";

/// Whether it is in the running kernel.
pub fn is_loaded() -> bool {
    Path::new("/sys/module").join(NAME).exists()
}

/// Loads it from a file.
pub fn load(file: &Path) -> Result<()> {
    let module = File::open(file).with_context(|| format!("cannot open the module {}", file.display()))?;
    match finit_module(&module, c"", 0) {
        Ok(()) => {}
        Err(Errno::EXIST) => bail!("{NAME} is loaded already: `lima lab module unload` unloads it"),
        Err(Errno::NOSYS) => bail!("this kernel takes no modules: a guest does (`lima lab run`)"),
        Err(Errno::PERM) => bail!("loading a module needs CAP_SYS_MODULE, and a kernel that is not locked down"),
        Err(Errno::NOEXEC) => bail!(
            "{} was not built for this kernel ({}): `lima lab module build` builds one",
            file.display(),
            rustix::system::uname().release().to_string_lossy()
        ),
        Err(error) => return Err(error).with_context(|| format!("the kernel does not take {}", file.display())),
    }
    ensure!(
        Path::new(FOLDER).exists(),
        "{NAME} is loaded, but there is no {FOLDER}: mount -t debugfs debugfs /sys/kernel/debug"
    );
    Ok(())
}

/// Unloads it.
pub fn unload() -> Result<()> {
    let name = CString::new(NAME)?;
    // As rmmod does it.
    match delete_module(&name, libc::O_NONBLOCK) {
        Ok(()) => Ok(()),
        Err(Errno::NOENT | Errno::NOSYS) => bail!("{NAME} is not loaded"),
        Err(Errno::AGAIN | Errno::BUSY) => bail!("{NAME} is in use: a command is running"),
        Err(error) => Err(error).context("the kernel does not let it go"),
    }
}

/// Runs a command and returns what the module says, one JSON object.
pub fn run_text(command: &str) -> Result<String> {
    let folder = Path::new(FOLDER);
    let path = folder.join("run");
    let mut file = File::options().write(true).open(&path).with_context(|| {
        format!("cannot open {}: is the module loaded (`lima lab module load`) and is this root?", path.display())
    })?;
    // The result is that of the newest command, whoever gave it.
    flock(&file, FlockOperation::LockExclusive).with_context(|| format!("cannot lock {}", path.display()))?;
    match file.write(command.as_bytes()) {
        // Why the module refuses it stands in the result.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOMEM)) => {}
        written => drop(written.with_context(|| format!("{NAME} does not take '{command}'"))?),
    }
    let text = fs::read_to_string(folder.join("result")).context("cannot read the result")?;
    match error_in(&text)? {
        Some(why) => bail!("{NAME} refuses '{command}': {why}"),
        None => Ok(text),
    }
}

fn error_in(text: &str) -> Result<Option<String>> {
    let value: Value = serde_json::from_str(text).context("the module's result is no JSON")?;
    Ok(value.get("error").map(|error| error.as_str().unwrap_or("an error").to_owned()))
}

/// Runs a command that does something.
pub fn run(command: &str) -> Result<Answer> {
    serde_json::from_str(&run_text(command)?).with_context(|| format!("'{command}' has an answer of another kind"))
}

/// All locks, and the ways to take them.
pub fn list() -> Result<Listing> {
    serde_json::from_str(&run_text("list")?).context("'list' has an answer of another kind")
}
