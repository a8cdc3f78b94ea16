//! Where values wait: a ring of fixed size, or a chain of blocks that grows and shrinks.
//!
//! A buffer does not count its values: the channel does (`Channel::len`), where it can be read without the lock,
//! and says the count with each call. So a buffer that is dropped frees memory only; the values are dropped by
//! the [`Rest`] that [`Buffer::take_all`] takes out.

#![allow(unsafe_code, reason = "slots are raw memory: which of them hold values is known from head and count")]

use std::alloc::{Layout, alloc, dealloc};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

use crate::chain::{Block, Chain};

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    Done,
    /// There is no room until [`Buffer::supply`].
    NeedsBlock,
}

/// A buffer of one channel.
#[derive(Debug)]
pub(crate) enum Buffer<T> {
    Ring(Ring<T>),
    Chain(Box<Chain<T>>),
}

impl<T> Buffer<T> {
    /// A ring for `capacity` values.
    ///
    /// # Panics
    ///
    /// If there is no memory for so many.
    #[track_caller]
    pub(crate) fn bounded(capacity: usize) -> Buffer<T> {
        let slots = match Layout::array::<T>(capacity) {
            Ok(layout) if layout.size() == 0 => Some(NonNull::dangling()),
            Ok(layout) => allocate(layout).map(NonNull::cast),
            Err(_) => None,
        };
        let Some(slots) = slots else {
            panic!(
                "makechan: size out of range: no memory for a capacity of {capacity} values of {} bytes each",
                size_of::<T>()
            );
        };
        Buffer::Ring(Ring { slots, capacity, head: 0 })
    }

    /// A chain; for values without a size a ring, which then needs no memory either.
    pub(crate) fn unbounded() -> Buffer<T> {
        if size_of::<T>() == 0 {
            return Buffer::Ring(Ring { slots: NonNull::dangling(), capacity: usize::MAX, head: 0 });
        }
        Buffer::Chain(Box::new(Chain::new()))
    }

    /// Moves `*value` to the end.
    ///
    /// # Safety
    ///
    /// The buffer holds `len` values, less than its capacity. `*value` is valid, and no longer the caller's if this
    /// answers `Done`.
    #[inline(always)]
    pub(crate) unsafe fn push(&mut self, len: usize, value: *const T) -> Push {
        // SAFETY: by contract.
        unsafe {
            match self {
                Buffer::Ring(ring) => {
                    ring.push(len, value);
                    Push::Done
                }
                Buffer::Chain(chain) => chain.push(value),
            }
        }
    }

    /// Moves the first value to `place`. A block that is no longer needed comes back, to be freed without the lock.
    ///
    /// # Safety
    ///
    /// The buffer holds `len` values, at least one. `place` is free.
    #[inline(always)]
    pub(crate) unsafe fn pop(&mut self, len: usize, place: *mut T) -> Option<Block> {
        // SAFETY: by contract.
        unsafe {
            let (first, freed) = self.advance(len);
            ptr::copy_nonoverlapping(first, place, 1);
            freed
        }
    }

    /// The place of the first value, which is the caller's until the next call; and a block to free.
    ///
    /// # Safety
    ///
    /// The buffer holds `len` values, at least one.
    #[inline(always)]
    unsafe fn advance(&mut self, len: usize) -> (*mut T, Option<Block>) {
        // SAFETY: by contract.
        unsafe {
            match self {
                Buffer::Ring(ring) => (ring.advance(), None),
                Buffer::Chain(chain) => chain.advance(len),
            }
        }
    }

    /// Gives the buffer a block to grow by; returns it if there is room meanwhile.
    #[cold]
    pub(crate) fn supply(&mut self, block: Block) -> Option<Block> {
        match self {
            Buffer::Chain(chain) => chain.supply(block),
            Buffer::Ring(_) => Some(block),
        }
    }

    /// Takes all values out, with the memory. What is left holds nothing and has room for nothing.
    ///
    /// # Safety
    ///
    /// The buffer holds `len` values.
    pub(crate) unsafe fn take_all(&mut self, len: usize) -> Rest<T> {
        let none = Buffer::Ring(Ring { slots: NonNull::dangling(), capacity: 0, head: 0 });
        Rest { buffer: std::mem::replace(self, none), len }
    }
}

/// A ring of slots: `len` values from `head` on, wrapping.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    slots: NonNull<T>,
    capacity: usize,
    head: usize,
}

impl<T> Ring<T> {
    /// Moves `*value` behind the last.
    ///
    /// # Safety
    ///
    /// As [`Buffer::push`].
    #[inline(always)]
    unsafe fn push(&mut self, len: usize, value: *const T) {
        // `head` and `len` are below the capacity: to subtract first cannot wrap where to add could.
        let until_end = self.capacity - self.head;
        let tail = if len < until_end { self.head + len } else { len - until_end };
        // SAFETY: `tail` is below the capacity, and free since it is the first after the last value.
        unsafe { ptr::copy_nonoverlapping(value, self.slots.as_ptr().add(tail), 1) };
    }

    /// The place of the first value, which is the caller's from now on.
    #[inline(always)]
    unsafe fn advance(&mut self) -> *mut T {
        // SAFETY: `head` is below the capacity, since there is a value by the caller's contract.
        let first = unsafe { self.slots.as_ptr().add(self.head) };
        self.head = if self.head + 1 == self.capacity { 0 } else { self.head + 1 };
        first
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let layout = Layout::array::<T>(self.capacity).unwrap_or(Layout::new::<()>());
        if layout.size() != 0 {
            // SAFETY: allocated in `Buffer::bounded` with this layout.
            unsafe { dealloc(self.slots.as_ptr().cast(), layout) };
        }
    }
}

/// Memory for a layout that is not empty, if there is so much.
pub(crate) fn allocate(layout: Layout) -> Option<NonNull<u8>> {
    assert!(layout.size() > 0);
    // SAFETY: the layout is not empty.
    NonNull::new(unsafe { alloc(layout) })
}

/// The values that nobody will receive: dropped with it, each once, also if one of them panics.
#[derive(Debug)]
pub(crate) struct Rest<T> {
    buffer: Buffer<T>,
    len: usize,
}

impl<T> Drop for Rest<T> {
    fn drop(&mut self) {
        if !std::mem::needs_drop::<T>() {
            return;
        }
        let mut panic = None;
        while self.len > 0 {
            // SAFETY: the buffer holds so many values.
            let (value, _freed) = unsafe { self.buffer.advance(self.len) };
            self.len -= 1;
            // SAFETY: a valid value, dropped in its place, where nobody will look again.
            let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { ptr::drop_in_place(value) }));
            if let Err(payload) = dropped {
                panic.get_or_insert(payload);
            }
        }
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}
