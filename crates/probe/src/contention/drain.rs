//! Reading per-CPU maps in batches: emptying a hash map, and looking at one half of an array.

use libbpf_rs::libbpf_sys;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// A record that the kernel side writes: plain bytes for which every bit pattern is valid.
///
/// # Safety
/// Only for `repr(C)` structs of integers and arrays of integers.
pub unsafe trait Plain: Copy {}

/// Reads a record from the start of some bytes; `None` when they are too few.
pub fn read_plain<T: Plain>(bytes: &[u8]) -> Option<T> {
    if bytes.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: there are enough bytes, any bit pattern is a valid T, and no alignment is assumed.
    Some(unsafe { ptr::read_unaligned(bytes.as_ptr().cast::<T>()) })
}

/// The bytes of a record, for a map.
pub fn plain<T: Plain>(record: &T) -> &[u8] {
    // SAFETY: repr(C), integers only, and every gap has a name (records.h).
    unsafe { std::slice::from_raw_parts(ptr::from_ref(record).cast::<u8>(), size_of::<T>()) }
}

/// Takes everything out of a per-CPU hash map that nobody writes to, and gives each key with its values, one a CPU,
/// to `each`.
///
/// # Errors
/// What the kernel says; what was taken out until then has been given to `each`.
pub fn drain<K: Plain, V: Plain>(map: BorrowedFd<'_>, cpus: usize, mut each: impl FnMut(&K, &[V])) -> io::Result<()> {
    const BYTES: usize = 1 << 20;
    let per_key = size_of::<K>() + size_of::<V>() * cpus;
    let mut room = (BYTES / per_key).max(64);
    let mut token: u32 = 0;
    let mut first = true;
    loop {
        let mut keys: Vec<K> = Vec::with_capacity(room);
        let mut values: Vec<V> = Vec::with_capacity(room * cpus);
        let mut count = u32::try_from(room).unwrap_or(u32::MAX);
        let token_in = if first { ptr::null_mut() } else { ptr::from_mut(&mut token).cast() };
        let mut token_out: u32 = 0;
        // SAFETY: the buffers have room for `count` keys and `count * cpus` values; sizes of K and V are multiples of
        // eight, as the kernel lays per-CPU values out, and both are those of the map (checked in layout.rs).
        let result = unsafe {
            libbpf_sys::bpf_map_lookup_and_delete_batch(
                map.as_raw_fd(),
                token_in,
                ptr::from_mut(&mut token_out).cast(),
                keys.as_mut_ptr().cast(),
                values.as_mut_ptr().cast(),
                &raw mut count,
                ptr::null(),
            )
        };
        let error = if result < 0 { Some(io::Error::from_raw_os_error(-result)) } else { None };
        let code = error.as_ref().and_then(io::Error::raw_os_error);
        if code == Some(libc::ENOSPC) {
            // One bucket of the map holds more keys than there is room for; nothing was taken out.
            room *= 2;
            continue;
        }
        if let Some(error) = error.filter(|_| code != Some(libc::ENOENT)) {
            return Err(error);
        }
        let count = count as usize;
        // SAFETY: the kernel wrote `count` keys and `count * cpus` values.
        unsafe {
            keys.set_len(count.min(room));
            values.set_len(count.min(room) * cpus);
        }
        for (key, values) in keys.iter().zip(values.chunks_exact(cpus)) {
            each(key, values);
        }
        // ENOENT: that was the last batch.
        if code == Some(libc::ENOENT) {
            return Ok(());
        }
        token = token_out;
        first = false;
    }
}

/// Gives each CPU's share of each element in one half of a per-CPU array to `each`; a half has `length` elements.
///
/// # Errors
/// What the kernel says; what was read until then has been given to `each`.
pub fn read_half<V: Plain>(
    map: BorrowedFd<'_>,
    length: u32,
    upper: bool,
    cpus: usize,
    mut each: impl FnMut(&V),
) -> io::Result<()> {
    let room = length as usize;
    let mut keys: Vec<u32> = Vec::with_capacity(room);
    let mut values: Vec<V> = Vec::with_capacity(room * cpus);
    let mut count = length;
    // The kernel goes on after this element.
    let mut after = length - 1;
    let mut token_out: u32 = 0;
    // SAFETY: the buffers have room for `count` keys and `count * cpus` values; the size of V is a multiple of eight, as
    // the kernel lays per-CPU values out, and that of the map (checked in layout.rs).
    let result = unsafe {
        libbpf_sys::bpf_map_lookup_batch(
            map.as_raw_fd(),
            if upper { ptr::from_mut(&mut after).cast() } else { ptr::null_mut() },
            ptr::from_mut(&mut token_out).cast(),
            keys.as_mut_ptr().cast(),
            values.as_mut_ptr().cast(),
            &raw mut count,
            ptr::null(),
        )
    };
    // ENOENT: the array ends here.
    if result < 0 && result != -libc::ENOENT {
        return Err(io::Error::from_raw_os_error(-result));
    }
    // SAFETY: the kernel wrote `count` keys and `count * cpus` values.
    unsafe { values.set_len((count as usize).min(room) * cpus) };
    values.iter().for_each(&mut each);
    Ok(())
}
