//! Programs on lock functions that do nothing but count: the least that tracing by such programs can cost.

use anyhow::{Context, Result, bail, ensure};
use libbpf_rs::btf::{Btf, types};
use libbpf_rs::libbpf_sys as sys;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::ptr;

/// The functions that the kinds of locks are taken and let go by, here or on a kernel with lockdep.
const ACQUIRE: [&str; 6] =
    ["mutex_lock", "mutex_lock_nested", "down_read", "down_write", "_raw_spin_lock", "_raw_spin_lock_irqsave"];
const RELEASE: [&str; 5] = ["mutex_unlock", "up_read", "up_write", "_raw_spin_unlock", "_raw_spin_unlock_irqrestore"];

/// Runs a command under such programs: `entry COMMAND...`, or `return COMMAND...` with those on functions that acquire
/// on their return.
pub fn run(words: &[OsString]) -> Result<()> {
    let [at, program, arguments @ ..] = words else { bail!("bare entry|return COMMAND...") };
    let acquired = if at == "return" { sys::BPF_TRACE_FEXIT } else { sys::BPF_TRACE_FENTRY };
    let btf = Btf::from_vmlinux().context("the kernel has no BTF")?;
    let map = map()?;
    let functions = ACQUIRE.iter().map(|name| (*name, acquired));
    let functions = functions.chain(RELEASE.iter().map(|name| (*name, sys::BPF_TRACE_FENTRY)));
    let mut attached = Vec::new();
    for (name, at) in functions {
        let Some(function) = btf.type_by_name::<types::Func<'_>>(name) else { continue };
        let id = u32::from(function.type_id());
        attached.push(attach(&map, id, at).with_context(|| format!("cannot attach to {name}"))?);
    }
    ensure!(attached.len() >= 2 * 4, "only {} of the functions are there", attached.len());
    // They stay until the descriptors are closed.
    let status = Command::new(program).args(arguments).status()?;
    ensure!(status.success(), "the command failed: {status}");
    Ok(())
}

/// What the programs count in: one number for all.
fn map() -> Result<OwnedFd> {
    // SAFETY: the name ends with a zero, and no options are given.
    let fd = unsafe { sys::bpf_map_create(sys::BPF_MAP_TYPE_ARRAY, c"count".as_ptr(), 4, 8, 1, ptr::null()) };
    owned(fd).context("cannot make a map")
}

/// Adds a program to a function of the kernel; both are there until the descriptors are closed.
fn attach(map: &OwnedFd, function: u32, at: sys::bpf_attach_type) -> Result<(OwnedFd, OwnedFd)> {
    let program = [
        // r1 = &count; r2 = 1; atomically *r1 += r2; return 0
        instruction(0x18, 1, 2, map.as_raw_fd()),
        instruction(0, 0, 0, 0),
        instruction(0xb7, 2, 0, 1),
        instruction(0xdb, 1, 2, 0),
        instruction(0xb7, 0, 0, 0),
        instruction(0x95, 0, 0, 0),
    ];
    let mut options = sys::bpf_prog_load_opts {
        sz: size_of::<sys::bpf_prog_load_opts>() as u64,
        expected_attach_type: at,
        attach_btf_id: function,
        ..Default::default()
    };
    let (name, license) = (c"count".as_ptr(), c"Dual BSD/GPL".as_ptr());
    // SAFETY: the strings end with a zero, the length is that of the program, and all of it outlives the call.
    let fd = unsafe {
        let kind = sys::BPF_PROG_TYPE_TRACING;
        sys::bpf_prog_load(kind, name, license, program.as_ptr(), program.len() as u64, &raw mut options)
    };
    let program = owned(fd).context("the kernel does not load it")?;
    // SAFETY: for programs of this kind there is no name.
    let link = owned(unsafe { sys::bpf_raw_tracepoint_open(ptr::null(), program.as_raw_fd()) })?;
    Ok((program, link))
}

fn instruction(code: u8, to: u8, from: u8, number: i32) -> sys::bpf_insn {
    sys::bpf_insn { code, _bitfield_1: sys::bpf_insn::new_bitfield_1(to, from), imm: number, ..Default::default() }
}

fn owned(fd: i32) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(-fd));
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
