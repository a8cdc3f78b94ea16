//! An unbounded buffer: blocks of slots, linked.
//!
//! A ring that grows would have to move all its values, under the lock. A chain grows by a block, which is made
//! without the lock and linked with it.

#![allow(unsafe_code, reason = "slots are raw memory: which of them hold values is known from head and tail")]

use std::alloc::{Layout, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use crate::buffer::{Push, allocate};

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
    /// Of the whole block.
    layout: Layout,
}

impl<T> Chain<T> {
    /// An empty chain, without any block.
    pub(crate) fn new() -> Chain<T> {
        let none = ptr::null_mut();
        Chain { head: none, head_at: 0, tail: none, tail_at: 0, spare: none, _values: PhantomData }
    }

    /// Takes `block` as a spare if it needs one; else returns it.
    pub(crate) fn supply(&mut self, block: Block) -> Option<Block> {
        if !self.spare.is_null() || !self.is_full() {
            return Some(block);
        }
        self.spare = block.into_raw();
        None
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.tail.is_null() || self.tail_at == Blocks::<T>::SLOTS
    }

    /// Moves `*value` to the end.
    ///
    /// # Safety
    ///
    /// `*value` is valid, and no longer the caller's if this answers `Done`.
    #[inline(always)]
    pub(crate) unsafe fn push(&mut self, value: *const T) -> Push {
        if self.is_full() && !self.extend() {
            return Push::NeedsBlock;
        }
        // SAFETY: the last block has a free slot at `tail_at`.
        unsafe { ptr::copy_nonoverlapping(value, Blocks::slot(self.tail, self.tail_at), 1) };
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
    ///
    /// # Safety
    ///
    /// The chain holds `len` values, at least one.
    #[inline(always)]
    pub(crate) unsafe fn advance(&mut self, len: usize) -> (*mut T, Option<Block>) {
        let freed = if self.head_at == Blocks::<T>::SLOTS { self.unlink() } else { None };
        // SAFETY: there is a value by the caller's contract, so the first is at `head_at`.
        let first = unsafe { Blocks::slot(self.head, self.head_at) };
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
    fn unlink(&mut self) -> Option<Block> {
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
                    drop(Block::from_raw(block));
                    next
                };
            }
        }
    }
}

/// A block outside of any chain: memory for some values.
#[derive(Debug)]
pub(crate) struct Block {
    header: NonNull<Header>,
}

/// The blocks of a chain of `T`.
struct Blocks<T>(PhantomData<T>);

impl<T> Blocks<T> {
    /// About two KiB, but some values in any case.
    const SLOTS: usize = match size_of::<T>() {
        0 => 1,
        size if size > 256 => 8,
        size if size < 8 => 253,
        size => 2024 / size,
    };

    /// The layout of a block, and where its slots begin.
    const LAYOUT: (Layout, usize) = {
        let Ok(slots) = Layout::array::<T>(Self::SLOTS) else { panic!("the type is too large for a channel") };
        match Layout::new::<Header>().extend(slots) {
            Ok(layout) => layout,
            Err(_) => panic!("the type is too large for a channel"),
        }
    };

    /// # Safety
    ///
    /// `block` is alive and one of these; `at` is at most `SLOTS`.
    #[inline(always)]
    unsafe fn slot(block: *mut Header, at: usize) -> *mut T {
        // SAFETY: within the allocation by contract.
        unsafe { block.byte_add(Self::LAYOUT.1).cast::<T>().add(at) }
    }
}

impl Block {
    /// A new block for a chain of `T`.
    #[cold]
    pub(crate) fn new<T>() -> Block {
        let layout = Blocks::<T>::LAYOUT.0;
        let header = allocate(layout).unwrap_or_else(|| handle_alloc_error(layout)).cast::<Header>();
        // SAFETY: just allocated, with room for it.
        unsafe { header.write(Header { next: ptr::null_mut(), layout }) };
        Block { header }
    }

    fn into_raw(self) -> *mut Header {
        ManuallyDrop::new(self).header.as_ptr()
    }

    /// # Safety
    ///
    /// From [`into_raw`](Self::into_raw), once.
    unsafe fn from_raw(block: *mut Header) -> Block {
        // SAFETY: by contract it was not null.
        Block { header: unsafe { NonNull::new_unchecked(block) } }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout; whoever has a `Block` is the only one.
        unsafe { dealloc(self.header.as_ptr().cast(), self.header.as_ref().layout) };
    }
}
