//! A page that the kernel has to wait for.
//!
//! A page is registered with userfaultfd(2) and left missing. A system call that copies from it, or to it, stops
//! there, with every lock that it has taken so far still held, until [`Page::serve`] provides the page. So a lock is
//! held from user space for exactly as long as wanted, on any kernel, without a module.

use super::clock::now_ns;
use anyhow::{Context, Result, bail};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

// linux/userfaultfd.h. libc has none of it.
const API: u64 = 0xAA;
const FEATURE_THREAD_ID: u64 = 1 << 8;
const REGISTER_MODE_MISSING: u64 = 1;
const EVENT_PAGEFAULT: u8 = 0x12;

#[repr(C)]
struct ApiArgument {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct RegisterArgument {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct CopyArgument {
    to: u64,
    from: u64,
    len: u64,
    mode: u64,
    copied: i64,
}

/// `struct uffd_msg` as far as a page fault fills it.
#[repr(C)]
#[derive(Default)]
struct Message {
    event: u8,
    reserved: [u8; 7],
    flags: u64,
    address: u64,
    thread: u32,
    padding: u32,
}

/// `_IOWR(0xAA, number, T)`: the size of the argument is part of the number, so a wrong struct is refused.
const fn read_write<T>(number: u64) -> libc::c_ulong {
    (3 << 30) | ((size_of::<T>() as u64) << 16) | (API << 8) | number
}

const _: () = {
    assert!(read_write::<ApiArgument>(0x3F) == 0xC018_AA3F);
    assert!(read_write::<RegisterArgument>(0x00) == 0xC020_AA00);
    assert!(read_write::<CopyArgument>(0x03) == 0xC028_AA03);
    assert!(size_of::<Message>() == 32);
};

/// A page fault that waits to be served.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// When it was seen.
    pub seen_ns: u64,
    /// The thread that stopped.
    pub tid: u32,
}

/// The page.
#[derive(Debug)]
pub struct Page {
    /// As a number, so that the threads that fault and the thread that serves can share it.
    address: usize,
    size: usize,
    fd: OwnedFd,
}

impl Page {
    /// A page that is missing.
    pub fn missing() -> Result<Self> {
        let fd = open().context(
            "userfaultfd(2) is refused; faults inside the kernel need CAP_SYS_PTRACE, \
             or sysctl vm.unprivileged_userfaultfd=1, and a kernel with CONFIG_USERFAULTFD",
        )?;
        let mut api = ApiArgument { api: API, features: FEATURE_THREAD_ID, ioctls: 0 };
        control(&fd, 0x3F, &mut api).context("userfaultfd does not speak the known protocol")?;

        // SAFETY: sysconf has no memory effects.
        let size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) })?;
        // SAFETY: a new private mapping at an address of the kernel's choice touches no memory of ours.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("no memory for a page");
        }
        let page = Self { address: address.addr(), size, fd };
        let mut register =
            RegisterArgument { start: page.address as u64, len: size as u64, mode: REGISTER_MODE_MISSING, ioctls: 0 };
        control(&page.fd, 0x00, &mut register).context("userfaultfd does not take the page")?;
        Ok(page)
    }

    /// Where it lies. To be given to system calls only: a fault in user space would be served just as late.
    pub fn pointer(&self) -> *mut libc::c_void {
        std::ptr::with_exposed_provenance_mut(self.address)
    }

    /// Its size.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Waits until somebody has stopped at the page.
    pub fn wait(&self) -> Result<Fault> {
        loop {
            let mut message = Message::default();
            // SAFETY: the buffer is as large as the length given, and any bytes make a valid `Message`.
            let read = unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut message).cast(), size_of::<Message>()) };
            let seen_ns = now_ns();
            match read {
                -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                -1 => return Err(io::Error::last_os_error()).context("cannot read from userfaultfd"),
                32 if message.event == EVENT_PAGEFAULT => return Ok(Fault { seen_ns, tid: message.thread }),
                _ => bail!("userfaultfd sent {read} bytes of event {:#x}, not a page fault", message.event),
            }
        }
    }

    /// Provides the page, full of `byte`: whoever stopped there goes on.
    pub fn serve(&self, byte: u8) -> Result<()> {
        let from = vec![byte; self.size];
        loop {
            let mut copy = CopyArgument {
                to: self.address as u64,
                from: from.as_ptr().addr() as u64,
                len: self.size as u64,
                mode: 0,
                copied: 0,
            };
            match control(&self.fd, 0x03, &mut copy) {
                Ok(()) => return Ok(()),
                // The address space is changing under the kernel's hands: to be tried again, says the manual.
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
                Err(error) => return Err(error).context("cannot provide the page"),
            }
        }
    }

    /// Takes the page away again, so that the next access stops.
    pub fn take_away(&self) -> Result<()> {
        // SAFETY: the page is ours, nothing in Rust refers into it, and its content does not matter.
        if unsafe { libc::madvise(self.pointer(), self.size, libc::MADV_DONTNEED) } != 0 {
            return Err(io::Error::last_os_error()).context("cannot take the page away");
        }
        Ok(())
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing refers into it any more.
        unsafe { libc::munmap(self.pointer(), self.size) };
    }
}

fn open() -> io::Result<OwnedFd> {
    // SAFETY: the system call takes flags only. UFFD_USER_MODE_ONLY is left out on purpose.
    let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn control<T>(fd: &OwnedFd, number: u64, argument: &mut T) -> io::Result<()> {
    // SAFETY: the argument is a valid struct of the size that is part of the request's number.
    if unsafe { libc::ioctl(fd.as_raw_fd(), read_write::<T>(number) as _, &raw mut *argument) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_write_from_the_page_stops_until_it_is_served() {
        let page = match Page::missing() {
            Ok(page) => page,
            Err(error) => return eprintln!("skipped: {error:#}"),
        };
        let (mut reader, writer) = io::pipe().unwrap();
        for byte in [b'a', b'b'] {
            std::thread::scope(|scope| {
                let (page, writer) = (&page, &writer);
                // SAFETY: the page has that many bytes; the kernel reads them.
                let write = scope.spawn(move || unsafe { libc::write(writer.as_raw_fd(), page.pointer(), 16) });
                let fault = page.wait().unwrap();
                assert!(!write.is_finished());
                assert!(fault.tid > 0);
                page.serve(byte).unwrap();
                assert_eq!(write.join().unwrap(), 16);
            });
            let mut got = [0; 16];
            reader.read_exact(&mut got).unwrap();
            assert_eq!(got, [byte; 16]);
            page.take_away().unwrap();
        }
    }
}
