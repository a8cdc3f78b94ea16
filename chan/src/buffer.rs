//! Where values wait: a ring of fixed size, or a chain of blocks that grows and shrinks.
//!
//! A buffer does not count its values: the channel does (`Channel::len`), where it can be read without the lock,
//! and says the count with each call. So a buffer that is dropped frees memory only; the values are dropped by
//! the [`Rest`] that [`Buffer::take_all`] takes out.

#![allow(unsafe_code, reason = "slots are raw memory: which of them hold values is known from head and count")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    Done,
    /// There is no room, and there will be none until a pop.
    Full,
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
    /// If so many cannot be addressed.
    #[track_caller]
    pub(crate) fn bounded(capacity: usize) -> Buffer<T> {
        let Ok(layout) = Layout::array::<T>(capacity) else {
            panic!(
                "makechan: size out of range: a capacity of {capacity} values of {} bytes each is more than the limit of {} bytes",
                size_of::<T>(),
                isize::MAX
            );
        };
        let slots = if layout.size() == 0 { NonNull::dangling() } else { allocate(layout).cast() };
        Buffer::Ring(Ring { slots, capacity, head: 0 })
    }

    /// A chain; for values without a size a ring, which then needs no memory either.
    pub(crate) fn unbounded() -> Buffer<T> {
        if size_of::<T>() == 0 {
            return Buffer::Ring(Ring { slots: NonNull::dangling(), capacity: usize::MAX, head: 0 });
        }
        let none = ptr::null_mut();
        Buffer::Chain(Box::new(Chain { head: none, head_at: 0, tail: none, tail_at: 0, spare: none }))
    }

    /// Moves `*value` to the end, if there is room.
    ///
    /// # Safety
    ///
    /// The buffer holds `len` values. `*value` is valid, and no longer the caller's if this answers `Done`.
    #[inline(always)]
    pub(crate) unsafe fn push(&mut self, len: usize, value: *const T) -> Push {
        // SAFETY: by contract.
        unsafe {
            match self {
                Buffer::Ring(ring) => ring.push(len, value),
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
    pub(crate) unsafe fn pop(&mut self, len: usize, place: *mut T) -> Option<Block<T>> {
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
    unsafe fn advance(&mut self, len: usize) -> (*mut T, Option<Block<T>>) {
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
    pub(crate) fn supply(&mut self, block: Block<T>) -> Option<Block<T>> {
        match self {
            Buffer::Chain(chain) if chain.spare.is_null() && chain.is_full() => {
                chain.spare = block.into_raw();
                None
            }
            _ => Some(block),
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
    #[inline(always)]
    unsafe fn push(&mut self, len: usize, value: *const T) -> Push {
        if len >= self.capacity {
            return Push::Full;
        }
        // `head` and `len` are below the capacity: to subtract first cannot wrap where to add could.
        let until_end = self.capacity - self.head;
        let tail = if len < until_end { self.head + len } else { len - until_end };
        // SAFETY: `tail` is below the capacity, and free since it is the first after the last value.
        unsafe { ptr::copy_nonoverlapping(value, self.slots.as_ptr().add(tail), 1) };
        Push::Done
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

/// A chain of blocks: values from `head_at` in the first block to `tail_at` in the last.
///
/// ```text
///   head ─► [ . . v v ] ─► [ v v v v ] ─► [ v . . . ] ◄─ tail          spare ─► [ . . . . ]
///                 ^ head_at                   ^ tail_at
/// ```
#[derive(Debug)]
pub(crate) struct Chain<T> {
    head: *mut Header,
    head_at: usize,
    tail: *mut Header,
    tail_at: usize,
    /// An empty block, so that a queue that keeps its length keeps its memory.
    spare: *mut Header,
    _values: PhantomData<T>,
}

// SAFETY: a chain owns its blocks and the values in them.
unsafe impl<T: Send> Send for Chain<T> {}

/// What stands before the slots of a block.
#[derive(Debug)]
struct Header {
    next: *mut Header,
}

impl<T> Chain<T> {
    #[inline(always)]
    fn is_full(&self) -> bool {
        self.tail.is_null() || self.tail_at == Block::<T>::SLOTS
    }

    #[inline(always)]
    unsafe fn push(&mut self, value: *const T) -> Push {
        if self.is_full() && !self.extend() {
            return Push::NeedsBlock;
        }
        // SAFETY: the last block has a free slot at `tail_at`.
        unsafe { ptr::copy_nonoverlapping(value, Block::slot(self.tail, self.tail_at), 1) };
        self.tail_at += 1;
        Push::Done
    }

    /// Links the spare block at the end.
    #[cold]
    fn extend(&mut self) -> bool {
        let block = std::mem::replace(&mut self.spare, ptr::null_mut());
        if block.is_null() {
            return false;
        }
        if self.tail.is_null() {
            self.head = block;
            self.head_at = 0;
        } else {
            // SAFETY: the chain's blocks are alive.
            unsafe { (*self.tail).next = block };
        }
        self.tail = block;
        self.tail_at = 0;
        true
    }

    /// The place of the first value, which is the caller's until the next call; and a block to free.
    #[inline(always)]
    unsafe fn advance(&mut self, len: usize) -> (*mut T, Option<Block<T>>) {
        let freed = if self.head_at == Block::<T>::SLOTS { self.unlink() } else { None };
        // SAFETY: there is a value by the caller's contract, so the first is at `head_at`.
        let first = unsafe { Block::slot(self.head, self.head_at) };
        if len == 1 {
            // Empty now: both ends are in this block. Begin again at its front.
            self.head_at = 0;
            self.tail_at = 0;
        } else {
            self.head_at += 1;
        }
        (first, freed)
    }

    /// Takes out the first block, whose values are all gone; there is one behind it, with the next value.
    #[cold]
    fn unlink(&mut self) -> Option<Block<T>> {
        let block = self.head;
        // SAFETY: the chain's blocks are alive, and this one leaves it.
        unsafe {
            self.head = std::mem::replace(&mut (*block).next, ptr::null_mut());
            self.head_at = 0;
            if self.spare.is_null() {
                self.spare = block;
                return None;
            }
            Some(Block::from_raw(block))
        }
    }
}

impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        for mut block in [self.head, self.spare] {
            while !block.is_null() {
                // SAFETY: the chain's blocks are alive and linked up to null; each is freed after its link is read.
                block = unsafe {
                    let next = (*block).next;
                    drop(Block::<T>::from_raw(block));
                    next
                };
            }
        }
    }
}

/// A block outside of any chain: memory for some values.
#[derive(Debug)]
pub(crate) struct Block<T> {
    header: NonNull<Header>,
    _values: PhantomData<T>,
}

impl<T> Block<T> {
    /// About two KiB, but some values in any case.
    const SLOTS: usize = match size_of::<T>() {
        0 => 1,
        size if size > 256 => 8,
        size if size < 8 => 255,
        size => 2040 / size,
    };

    /// The layout of a block, and where its slots begin.
    const LAYOUT: (Layout, usize) = {
        let Ok(slots) = Layout::array::<T>(Self::SLOTS) else { panic!("the type is too large for a channel") };
        match Layout::new::<Header>().extend(slots) {
            Ok(layout) => layout,
            Err(_) => panic!("the type is too large for a channel"),
        }
    };

    /// A new block.
    #[cold]
    pub(crate) fn new() -> Block<T> {
        let header = allocate(Self::LAYOUT.0).cast::<Header>();
        // SAFETY: just allocated, with room for it.
        unsafe { header.write(Header { next: ptr::null_mut() }) };
        Block { header, _values: PhantomData }
    }

    fn into_raw(self) -> *mut Header {
        std::mem::ManuallyDrop::new(self).header.as_ptr()
    }

    /// # Safety
    ///
    /// From [`into_raw`](Self::into_raw), once.
    unsafe fn from_raw(block: *mut Header) -> Block<T> {
        // SAFETY: by contract it was not null.
        Block { header: unsafe { NonNull::new_unchecked(block) }, _values: PhantomData }
    }

    /// # Safety
    ///
    /// `block` is alive and a `T`'s; `at` is at most `SLOTS`.
    #[inline(always)]
    unsafe fn slot(block: *mut Header, at: usize) -> *mut T {
        // SAFETY: within the allocation by contract.
        unsafe { block.byte_add(Self::LAYOUT.1).cast::<T>().add(at) }
    }
}

impl<T> Drop for Block<T> {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout; whoever has a `Block` is the only one.
        unsafe { dealloc(self.header.as_ptr().cast(), Self::LAYOUT.0) };
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: the layouts here are not empty.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
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
            // SAFETY: the buffer holds so many values; each is dropped in its place, where nobody will look again.
            let dropped = unsafe {
                let (value, freed) = self.buffer.advance(self.len);
                self.len -= 1;
                let dropped = catch_unwind(AssertUnwindSafe(|| ptr::drop_in_place(value)));
                drop(freed);
                dropped
            };
            if let Err(payload) = dropped {
                panic.get_or_insert(payload);
            }
        }
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}
