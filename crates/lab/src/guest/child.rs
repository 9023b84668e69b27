//! Child processes that cannot outlive this one, however it ends.

use anyhow::{Context, Result};
use std::ffi::CStr;
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
    /// Mount and serve them as root of a name space; a user who is not root is root there over their own files.
    Served,
    /// The same, and all of the machine's files are read-only at [`VIEW`].
    ServedReadOnly,
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
        let identity = Identity::here();
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
                if files != Files::AsHere {
                    identity.enter_name_space(files == Files::ServedReadOnly)?;
                }
                Ok(())
            })
        };
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| match files {
            Files::AsHere => format!("cannot start {program}"),
            _ => format!(
                "cannot start {program} in name spaces of its own (as root that needs CAP_SYS_ADMIN, otherwise user \
                 name spaces; a read-only view of the files needs Linux 5.12)"
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

/// Who this process is, said in the way a new user name space wants it.
struct Identity {
    root: bool,
    users: String,
    groups: String,
}

impl Identity {
    fn here() -> Self {
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        Self {
            root: user.is_root(),
            users: format!("0 {} 1", user.as_raw()),
            groups: format!("0 {} 1", group.as_raw()),
        }
    }

    /// Moves the calling process, a fresh child, into a mount name space of its own.
    fn enter_name_space(&self, read_only: bool) -> io::Result<()> {
        let user = if self.root { 0 } else { libc::CLONE_NEWUSER };
        // SAFETY: unshare has no memory to break; the process has one thread.
        checked(unsafe { libc::unshare(libc::CLONE_NEWNS | user) })?;
        if !self.root {
            write(c"/proc/self/setgroups", b"deny")?;
            write(c"/proc/self/uid_map", self.users.as_bytes())?;
            write(c"/proc/self/gid_map", self.groups.as_bytes())?;
        }
        let (nothing, root) = (std::ptr::null(), c"/".as_ptr());
        // SAFETY: the strings end with a zero; the kernel takes null for what it does not use here.
        checked(unsafe { libc::mount(nothing, root, nothing, libc::MS_REC | libc::MS_PRIVATE, std::ptr::null()) })?;
        if read_only {
            let (all, view) = (c"/".as_ptr(), c"/tmp".as_ptr());
            // SAFETY: as above.
            checked(unsafe { libc::mount(all, view, nothing, libc::MS_BIND | libc::MS_REC, std::ptr::null()) })?;
            let mut wish = MountAttributes { set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, user: 0 };
            let size = size_of::<MountAttributes>();
            let flags = libc::AT_RECURSIVE.cast_unsigned();
            // SAFETY: the structure is the kernel's struct mount_attr, and lives until the call returns.
            let result =
                unsafe { libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, view, flags, &raw mut wish, size) };
            if result != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
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

fn write(path: &CStr, text: &[u8]) -> io::Result<()> {
    let file = rustix::fs::open(path, rustix::fs::OFlags::WRONLY, rustix::fs::Mode::empty())?;
    rustix::io::write(&file, text)?;
    Ok(())
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
