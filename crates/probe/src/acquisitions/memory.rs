//! The memory of an array map, shared with the kernel.

use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use crate::contention::Plain;

/// The elements of a map that was made with `BPF_F_MMAPABLE`.
#[derive(Debug)]
pub struct Memory<T> {
    start: NonNull<T>,
    length: usize,
    marker: PhantomData<T>,
}

impl<T: Plain> Memory<T> {
    /// Maps the first `length` elements.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn of(map: BorrowedFd<'_>, length: usize) -> io::Result<Self> {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        const { assert!(size_of::<T>().is_multiple_of(8), "the kernel lays elements out at multiples of eight bytes") };
        // SAFETY: a new mapping wherever the kernel likes.
        let start =
            unsafe { mmap(ptr::null_mut(), length * size_of::<T>(), ProtFlags::READ, MapFlags::SHARED, map, 0)? };
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(Self { start, length, marker: PhantomData })
    }

    /// A copy of an element. Programs may be writing to it: the caller knows when they are not.
    pub fn get(&self, index: usize) -> Option<T> {
        if index >= self.length {
            return None;
        }
        // SAFETY: inside the mapping, aligned, and any bit pattern is a valid T.
        Some(unsafe { ptr::read_volatile(self.start.as_ptr().add(index)) })
    }

    /// The four bytes that lie `offset` bytes into an element.
    pub fn peek(&self, index: usize, offset: usize) -> Option<u32> {
        if index >= self.length || !offset.is_multiple_of(4) || offset + 4 > size_of::<T>() {
            return None;
        }
        // SAFETY: inside the element, which is inside the mapping, and aligned.
        Some(unsafe { ptr::read_volatile(self.start.as_ptr().add(index).cast::<u8>().add(offset).cast::<u32>()) })
    }
}

impl<T> Drop for Memory<T> {
    fn drop(&mut self) {
        // SAFETY: what `of` mapped, and nothing refers to it any more.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.length * size_of::<T>()) };
    }
}
