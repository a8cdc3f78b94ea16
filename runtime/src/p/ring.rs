//! The bounded queue of runnable goroutines that each P owns: one owner pushes and pops, anybody steals half.
//!
//! ```text
//!     head ──►┌───┬───┬───┬───┐◄── tail          head, tail count for ever and wrap; slot = count % N
//!             │ a │ b │ c │   │                   owner: writes tail; moves head by compare-and-swap
//!             └───┴───┴───┴───┘                   thief: moves head by compare-and-swap
//! ```
//!
//! * A slot in `head..tail` is written once before `tail` passes it and not again before `head` has passed it.
//! * Everybody who takes an item moves `head` by compare-and-swap; so each item is taken exactly once.
//! * A thief reads slots before its compare-and-swap: if `head` moved meanwhile what it read is thrown away.
//!
//! Checked under loom with a ring of four (`tests/loom_ring.rs`).

use std::ptr;

use crate::door::{AtomicPtr, AtomicU32, Ordering};

/// A ring of `N` slots (a power of two).
#[derive(Debug)]
pub struct Ring<T, const N: usize> {
    head: AtomicU32,
    tail: AtomicU32,
    slots: [AtomicPtr<T>; N],
}

impl<T, const N: usize> Default for Ring<T, N> {
    fn default() -> Ring<T, N> {
        Ring::new()
    }
}

impl<T, const N: usize> Ring<T, N> {
    /// An empty ring.
    pub fn new() -> Ring<T, N> {
        const { assert!(N.is_power_of_two() && N >= 2) };
        Ring {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    #[inline(always)]
    fn slot(&self, count: u32) -> &AtomicPtr<T> {
        &self.slots[count as usize % N]
    }

    /// How many items, as of some moment during the call.
    pub fn len(&self) -> usize {
        // Head first: a tail read later can only be larger.
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Acquire);
        (tail.wrapping_sub(head) as usize).min(N)
    }

    /// A mark behind the last item.
    pub fn mark(&self) -> u32 {
        self.tail.load(Ordering::Relaxed)
    }

    /// Whether all that was before the mark has been taken; for marks of less than 2³¹ items ago.
    pub fn has_passed(&self, mark: u32) -> bool {
        self.head.load(Ordering::Relaxed).wrapping_sub(mark) as i32 >= 0
    }

    /// Whether it was empty at some moment during the call.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire) == self.tail.load(Ordering::Acquire)
    }

    /// Adds at the end, or gives the item back if the ring is full.
    ///
    /// # Safety
    ///
    /// The caller is the owner: no other `push`, `pop` or `take_half` runs at the same time.
    #[inline(always)]
    pub unsafe fn push(&self, item: *mut T) -> Result<(), *mut T> {
        // Acquire: pairs with the thief's release of head, so that its reads of the slot are done.
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Relaxed);
        if tail.wrapping_sub(head) as usize == N {
            return Err(item);
        }
        self.slot(tail).store(item, Ordering::Relaxed);
        // Release: pairs with the thief's acquire of tail, makes the slot and the item visible.
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        Ok(())
    }

    /// Takes the oldest item.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push).
    #[inline(always)]
    pub unsafe fn pop(&self) -> Option<*mut T> {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == self.tail.load(Ordering::Relaxed) {
                return None;
            }
            let item = self.slot(head).load(Ordering::Relaxed);
            // Acquire for nothing but symmetry: the items are our own pushes, or our own thefts.
            match self.head.compare_exchange_weak(head, head.wrapping_add(1), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(item),
                Err(now) => head = now,
            }
        }
    }

    /// The oldest item or null, for a look: it may be taken, and gone, by the time this returns.
    #[inline(always)]
    pub fn peek(&self) -> *mut T {
        let head = self.head.load(Ordering::Relaxed);
        if head == self.tail.load(Ordering::Relaxed) {
            return ptr::null_mut();
        }
        self.slot(head).load(Ordering::Relaxed)
    }

    /// Takes the older half out of a full ring, to be moved elsewhere. Returns how many were written to `out`:
    /// 0 if a thief was faster, and then there is room again.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push).
    pub unsafe fn take_half(&self, out: &mut [*mut T]) -> usize {
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Relaxed);
        let count = (tail.wrapping_sub(head) / 2).min(out.len() as u32);
        for (i, out) in out.iter_mut().enumerate().take(count as usize) {
            *out = self.slot(head.wrapping_add(i as u32)).load(Ordering::Relaxed);
        }
        let moved = self.head.compare_exchange(head, head.wrapping_add(count), Ordering::AcqRel, Ordering::Relaxed);
        if moved.is_ok() { count as usize } else { 0 }
    }

    /// Moves half of the items (rounded up) to `mine` and returns one of them beside.
    ///
    /// # Safety
    ///
    /// The caller is the owner of `mine`, `mine` is empty, and it is not `self`.
    pub unsafe fn steal_into(&self, mine: &Ring<T, N>) -> Option<*mut T> {
        let to = mine.tail.load(Ordering::Relaxed);
        let count = loop {
            // Acquire: pairs with other thieves' and the owner's release of head.
            let head = self.head.load(Ordering::Acquire);
            // Acquire: pairs with the owner's release of tail.
            let tail = self.tail.load(Ordering::Acquire);
            let len = tail.wrapping_sub(head);
            let count = len - len / 2;
            if count == 0 {
                return None;
            }
            if count as usize > N / 2 {
                // Head and tail were read at different times and do not belong together.
                std::hint::spin_loop();
                continue;
            }
            for i in 0..count {
                let item = self.slot(head.wrapping_add(i)).load(Ordering::Relaxed);
                mine.slot(to.wrapping_add(i)).store(item, Ordering::Relaxed);
            }
            // Release: our reads of the slots are done before the owner may write them again.
            let moved =
                self.head.compare_exchange(head, head.wrapping_add(count), Ordering::AcqRel, Ordering::Relaxed);
            if moved.is_ok() {
                break count;
            }
        };
        let last = to.wrapping_add(count - 1);
        let item = mine.slot(last).load(Ordering::Relaxed);
        if count > 1 {
            mine.tail.store(last, Ordering::Release);
        }
        Some(item)
    }
}
