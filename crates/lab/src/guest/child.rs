//! Child processes that cannot outlive this one, however it ends.

use anyhow::{Context, Result};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// What a child may do to the machine's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// What this process may; nothing is changed for the child.
    AsHere,
    /// The same, and in a mount name space of its own all of them are read-only at [`VIEW`].
    ReadOnlyView,
}

/// Where a child sees all files read-only. A mount point that every machine has; virtiofsd cannot serve `/` itself, as it
/// makes what it serves its root.
pub(super) const VIEW: &str = "/tmp";

/// A child process. Killed and waited for when dropped.
#[derive(Debug)]
pub(super) struct Tied {
    child: Child,
    errors: Option<JoinHandle<String>>,
}

impl Tied {
    /// Starts the command. It inherits the descriptors in `keep` under their numbers here, and nothing else.
    ///
    /// It is killed when the *thread* that calls this ends.
    pub(super) fn start(mut command: Command, keep: &[&OwnedFd], files: Files) -> Result<Self> {
        let keep: Vec<RawFd> = keep.iter().map(|descriptor| descriptor.as_raw_fd()).collect();
        let parent = std::process::id();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // SAFETY: the closure runs between fork and exec and only makes system calls; it allocates nothing.
        unsafe {
            command.pre_exec(move || {
                checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
                if libc::getppid().cast_unsigned() != parent {
                    // This process has ended before the wish above was heard.
                    libc::_exit(1);
                }
                for &descriptor in &keep {
                    checked(libc::fcntl(descriptor, libc::F_SETFD, 0))?;
                }
                if files == Files::ReadOnlyView {
                    make_read_only_view()?;
                }
                Ok(())
            })
        };
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| match files {
            Files::AsHere => format!("cannot start {program}"),
            Files::ReadOnlyView => format!(
                "cannot start {program} with a read-only view of the machine's files (that needs CAP_SYS_ADMIN and \
                 Linux 5.12)"
            ),
        })?;
        let errors = child.stderr.take().map(|mut errors| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                // What came before an error of reading is shown all the same.
                let _ = errors.by_ref().take(64 << 10).read_to_end(&mut text);
                let _ = io::copy(&mut errors, &mut io::sink());
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        Ok(Self { child, errors })
    }

    /// Ends it, and tells what it complained about.
    pub(super) fn end(mut self) -> String {
        self.kill();
        self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default()
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Moves the calling process, a fresh child, into a mount name space of its own, with the view in it.
fn make_read_only_view() -> io::Result<()> {
    // SAFETY: unshare has no memory to break; the process has one thread.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    let (nothing, all, view) = (std::ptr::null(), c"/".as_ptr(), c"/tmp".as_ptr());
    // SAFETY: the strings end with a zero; the kernel takes null for what it does not use here.
    checked(unsafe { libc::mount(nothing, all, nothing, libc::MS_REC | libc::MS_PRIVATE, std::ptr::null()) })?;
    // SAFETY: as above.
    checked(unsafe { libc::mount(all, view, nothing, libc::MS_REC | libc::MS_BIND, std::ptr::null()) })?;
    let mut wish = MountAttributes { set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, user: 0 };
    let (size, flags) = (size_of::<MountAttributes>(), libc::AT_RECURSIVE.cast_unsigned());
    // SAFETY: the structure is the kernel's struct mount_attr, and lives until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, view, flags, &raw mut wish, size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const MOUNT_ATTR_RDONLY: u64 = 1;

/// The kernel's `struct mount_attr`.
#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user: u64,
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
