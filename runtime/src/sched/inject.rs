//! The global queue: goroutines made ready outside any P, what overflows a ring, and those that were preempted.
//!
//! Lists linked through the goroutines themselves under a lock, not crossbeam-queue: that one allocates as it grows,
//! and inside the runtime nothing may (a preempted goroutine can hold malloc's lock, and only the runtime can resume
//! it). It also takes a whole batch in one step.
//!
//! Preempted goroutines have a list of their own, which is served after the other: they have had a slice, and
//! whoever was just made ready is not to wait behind all of them. Now and then it is served first.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::g::G;
use crate::lock::Lock;
use crate::p::P;

struct List {
    first: *const G,
    last: *const G,
}

struct Lists {
    ready: List,
    preempted: List,
    /// Counts takes.
    turn: u32,
}

/// Every so many takes the preempted are served first.
const PREEMPTED_FIRST: u32 = 4;

// SAFETY: it holds goroutines that are handed over to it; used under the lock.
unsafe impl Send for Lists {}

static LISTS: Lock<Lists> = Lock::new(Lists { ready: List::new(), preempted: List::new(), turn: 0 });
/// The length of both, for looks without the lock; written under it.
static LEN: AtomicUsize = AtomicUsize::new(0);

impl List {
    const fn new() -> List {
        List { first: ptr::null(), last: ptr::null() }
    }

    /// Adds a chain at the end.
    fn append(&mut self, first: *const G, last: *const G) {
        if self.first.is_null() {
            self.first = first;
        } else {
            // SAFETY: the last goroutine of the list is the list's.
            unsafe { (*self.last).next.set(first) };
        }
        self.last = last;
    }

    fn pop(&mut self) -> Option<*const G> {
        // SAFETY: the goroutines of the list are the list's.
        let first = unsafe { self.first.as_ref() }?;
        self.first = first.next.replace(ptr::null());
        Some(first)
    }
}

/// How many wait here.
#[inline(always)]
pub(crate) fn len() -> usize {
    LEN.load(Ordering::Relaxed)
}

/// Adds goroutines at the end, in order. The caller hands them over, and calls a worker where that is needed.
pub(crate) fn put_batch(batch: &[*mut G]) {
    let Some((&first, rest)) = batch.split_first() else { return };
    let mut last: *const G = first;
    // SAFETY: the goroutines are the caller's to hand over; their links are ours now.
    unsafe {
        for &g in rest {
            (*last).next.set(g);
            last = g;
        }
        (*last).next.set(ptr::null());
    }
    let mut lists = LISTS.lock();
    lists.ready.append(first, last);
    LEN.store(LEN.load(Ordering::Relaxed) + batch.len(), Ordering::Relaxed);
}

/// Adds a goroutine that has had its slice.
pub(crate) fn put_preempted(g: &G) {
    g.next.set(ptr::null());
    let mut lists = LISTS.lock();
    lists.preempted.append(g, g);
    LEN.store(LEN.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Takes a fair share for `p`: one is returned, the others go to its ring.
///
/// # Safety
///
/// The caller has the private part of `p`.
pub(crate) unsafe fn take(p: &P, procs: usize, most: usize) -> Option<*const G> {
    if len() == 0 {
        return None;
    }
    let mut lists = LISTS.lock();
    let left = LEN.load(Ordering::Relaxed);
    // The ring may be full: that overflow would come back to this list, whose lock we hold; so ask for room first.
    let room = crate::p::RING - p.ring.len();
    let share = (left / procs.max(1) + 1).min(most).min(crate::p::RING / 2).min(room + 1);
    lists.turn = lists.turn.wrapping_add(1);
    let first = if lists.turn.is_multiple_of(PREEMPTED_FIRST) { lists.preempted.pop() } else { None };
    let answer = first.or_else(|| lists.ready.pop()).or_else(|| lists.preempted.pop())?;
    let mut taken = 1;
    // Preempted ones are taken one by one: in a ring they would be in front of who comes later.
    while taken < share
        && let Some(g) = lists.ready.pop()
    {
        // SAFETY: by contract; there is room.
        unsafe { p.put(g) };
        taken += 1;
    }
    LEN.store(left - taken, Ordering::Relaxed);
    Some(answer)
}
