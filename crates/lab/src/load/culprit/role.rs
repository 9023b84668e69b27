//! One player of a scene: a process that takes the lock when told to, and says when it had to wait and when it held.

use super::super::clock::{now_ns, sleep_until};
use super::super::process::say;
use super::super::userfault::Page;
use super::{Answer, Object, Order, Turn, file_in};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{self, BufRead};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

/// Bytes written at a time: enough to be copied, small enough for many to fit into a pipe.
const BYTES: usize = 64;

/// Plays one part until the orders end. Orders come in, and answers go out, as lines of JSON.
pub fn play(object: Object, stage: &Path, name: &str) -> Result<()> {
    let target = Target::open(object, stage)?;
    // Only the holder's role needs the page, but who holds is told by the order.
    let page = Page::missing()?;
    let hold = Mutex::new(Hold::default());
    rustix::thread::set_name(&std::ffi::CString::new(name)?).context("cannot take the name of the role")?;
    let tid = rustix::thread::gettid().as_raw_pid().cast_unsigned();

    thread::scope(|scope| {
        let (page, hold) = (&page, &hold);
        thread::Builder::new().name("lima-server".to_owned()).spawn_scoped(scope, move || serve(page, hold, tid))?;
        say(&mut io::stdout(), &Answer::Ready { tid })?;
        for line in io::stdin().lock().lines() {
            let order: Order = serde_json::from_str(&line?)?;
            let turn = take_turn(&target, page, hold, &order)?;
            say(&mut io::stdout(), &Answer::Done(turn))?;
        }
        // The server waits for a fault that will never come; it ends with the process.
        std::process::exit(0);
    })
}

/// What the player and its server have to tell each other about a hold.
#[derive(Debug, Default)]
struct Hold {
    wanted_ns: u64,
    begin_ns: Option<u64>,
    end_ns: Option<u64>,
}

fn take_turn(target: &Target, page: &Page, hold: &Mutex<Hold>, order: &Order) -> Result<Turn> {
    *lock(hold) = Hold { wanted_ns: order.hold_ns, ..Hold::default() };
    let file = target.name_for(order.round);
    sleep_until(order.enter_ns);
    let enter_ns = now_ns();
    let result = if order.hold_ns > 0 { target.hold(page) } else { target.touch(&file) };
    let leave_ns = now_ns();
    result.context("the system call that takes the lock failed")?;
    let hold = std::mem::take(&mut *lock(hold));
    if order.hold_ns > 0 {
        page.take_away()?;
        if hold.begin_ns.is_none() {
            bail!("the system call did not touch the page");
        }
    }
    Ok(Turn { enter_ns, hold_begin_ns: hold.begin_ns, hold_end_ns: hold.end_ns, leave_ns })
}

/// Lets every fault wait for as long as is wanted.
fn serve(page: &Page, hold: &Mutex<Hold>, player: u32) {
    let forever = || -> Result<()> {
        loop {
            let fault = page.wait()?;
            if fault.tid != player {
                bail!("thread {} stopped at the page, not the player {player}", fault.tid);
            }
            let until = {
                let mut hold = lock(hold);
                hold.begin_ns = Some(fault.seen_ns);
                fault.seen_ns + hold.wanted_ns
            };
            say(&mut io::stdout(), &Answer::Holding { since_ns: fault.seen_ns })?;
            sleep_until(until);
            lock(hold).end_ns = Some(now_ns());
            page.serve(b'.')?;
        }
    };
    if let Err(error) = forever() {
        // The player is stuck in the kernel: nobody but the end of the process can free it.
        eprintln!("lima: {error:#}");
        std::process::exit(2);
    }
}

fn lock(hold: &Mutex<Hold>) -> std::sync::MutexGuard<'_, Hold> {
    hold.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What the lock belongs to, opened by this process alone: a shared open file would add a lock of its own
/// (`file.f_pos_lock`).
#[derive(Debug)]
struct Target {
    object: Object,
    path: PathBuf,
    file: File,
}

impl Target {
    fn open(object: Object, stage: &Path) -> Result<Self> {
        let path = file_in(stage);
        let mut options = File::options();
        match object {
            // Read and write: opening does not wait for somebody at the other end. Never full, never blocks.
            Object::Pipe => options.read(true).write(true).custom_flags(libc::O_NONBLOCK),
            Object::Inode => options.write(true),
            Object::Directory => options.read(true).custom_flags(libc::O_DIRECTORY),
        };
        let file = options.open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(Self { object, path, file })
    }

    /// A name that no other player and no other round uses.
    fn name_for(&self, round: u32) -> PathBuf {
        self.path.join(format!("{}-{round}", std::process::id()))
    }

    /// Takes the lock and is held up by the page while holding it.
    fn hold(&self, page: &Page) -> io::Result<()> {
        let (fd, pointer) = (self.file.as_raw_fd(), page.pointer());
        // SAFETY: all of these read from, or write to, the page, within its size; no Rust reference points into it.
        let done = unsafe {
            match self.object {
                Object::Pipe => libc::write(fd, pointer, BYTES) as i64,
                Object::Inode => libc::pwrite(fd, pointer, BYTES, 0) as i64,
                Object::Directory => {
                    libc::lseek(fd, 0, libc::SEEK_SET);
                    libc::syscall(libc::SYS_getdents64, fd, pointer, page.size())
                }
            }
        };
        if done > 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Takes the lock and lets it go.
    fn touch(&self, new: &Path) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        match self.object {
            Object::Pipe => io::Write::write_all(&mut &self.file, &[b'v'; BYTES]),
            Object::Inode => self.file.write_all_at(&[b'v'; BYTES], 0),
            Object::Directory => File::create_new(new).map(drop),
        }
    }
}
