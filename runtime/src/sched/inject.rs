//! The global queue: goroutines made ready outside any P, what overflows a ring, and those that were preempted.
//!
//! Lists linked through the goroutines themselves under a lock, not crossbeam-queue: that one allocates as it grows,
//! and inside the runtime nothing may (a preempted goroutine can hold malloc's lock, and only the runtime can resume
//! it). It also takes a whole batch in one step.
//!
//! Goroutines that are bound to a thread in the middle of user code have lists of their own. Those that were *preempted*
//! have had a slice, and whoever was just made ready is not to wait behind all of them: they are served last, but now
//! and then first. Those that *return*, from a call in which they lost their P, have waited and come first.

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
    returning: List,
    ready: List,
    preempted: List,
    /// Counts takes.
    turn: u32,
}

/// Every so many takes the preempted are served first.
const PREEMPTED_FIRST: u32 = 4;

// SAFETY: it holds goroutines that are handed over to it; used under the lock.
unsafe impl Send for Lists {}

static LISTS: Lock<Lists> =
    Lock::new(Lists { returning: List::new(), ready: List::new(), preempted: List::new(), turn: 0 });
/// The length of all, for looks without the lock; written under it.
static LEN: AtomicUsize = AtomicUsize::new(0);
/// The length of all but the list of the preempted.
static WOKEN: AtomicUsize = AtomicUsize::new(0);

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

impl Lists {
    fn take_woken(&mut self) -> Option<*const G> {
        let g = self.returning.pop().or_else(|| self.ready.pop())?;
        WOKEN.store(WOKEN.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        LEN.store(LEN.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        Some(g)
    }

    fn take_preempted(&mut self) -> Option<*const G> {
        let g = self.preempted.pop()?;
        LEN.store(LEN.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        Some(g)
    }

    /// Books goroutines that were added, to the preempted or to the others.
    fn added(&self, count: usize, woken: bool) {
        if woken {
            WOKEN.store(WOKEN.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        }
        LEN.store(LEN.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }
}

/// How many wait here.
#[inline(always)]
pub(crate) fn len() -> usize {
    LEN.load(Ordering::Relaxed)
}

/// How many wait here that were not preempted.
pub(crate) fn woken() -> usize {
    WOKEN.load(Ordering::Relaxed)
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
    lists.added(batch.len(), true);
}

/// Adds a goroutine that has had its slice. It is bound.
pub(crate) fn put_preempted(g: &G) {
    g.next.set(ptr::null());
    let mut lists = LISTS.lock();
    lists.preempted.append(g, g);
    lists.added(1, false);
}

/// Adds a goroutine that lost its P in a call and is back from that. It is bound.
pub(crate) fn put_returning(g: &G) {
    g.next.set(ptr::null());
    let mut lists = LISTS.lock();
    lists.returning.append(g, g);
    lists.added(1, true);
}

/// Puts back what [`take_bound`] gave.
pub(crate) fn put_back(g: *const G) {
    // SAFETY: the caller hands it over, so it is alive.
    let g = unsafe { &*g };
    let mut lists = LISTS.lock();
    g.next.set(lists.preempted.first);
    lists.preempted.first = g;
    if g.next.get().is_null() {
        lists.preempted.last = g;
    }
    lists.added(1, false);
}

/// Takes one that was not preempted.
pub(crate) fn take_woken() -> Option<*const G> {
    if woken() == 0 { None } else { LISTS.lock().take_woken() }
}

/// Takes the one that was preempted first.
pub(crate) fn take_preempted() -> Option<*const G> {
    if len() == 0 { None } else { LISTS.lock().take_preempted() }
}

/// Takes one that has a thread of its own, in the middle of user code.
pub(crate) fn take_bound() -> Option<*const G> {
    if len() == 0 {
        return None;
    }
    let mut lists = LISTS.lock();
    let Some(g) = lists.returning.pop() else { return lists.take_preempted() };
    WOKEN.store(WOKEN.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
    LEN.store(LEN.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
    Some(g)
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
    // The ring may be full: that overflow would come back to this list, whose lock we hold; so ask for room first.
    let room = crate::p::RING - p.ring.len();
    let share = (woken() / procs.max(1) + 1).min(most).min(crate::p::RING / 2).min(room + 1);
    lists.turn = lists.turn.wrapping_add(1);
    let first = if lists.turn.is_multiple_of(PREEMPTED_FIRST) { lists.take_preempted() } else { None };
    let answer = first.or_else(|| lists.take_woken()).or_else(|| lists.take_preempted())?;
    // Those that are bound are taken one by one: in a ring they would be in front of who comes later.
    let mut taken = 1;
    while taken < share
        && let Some(g) = lists.ready.pop()
    {
        // SAFETY: by contract; there is room.
        unsafe { p.put(g) };
        taken += 1;
    }
    WOKEN.store(WOKEN.load(Ordering::Relaxed) - (taken - 1), Ordering::Relaxed);
    LEN.store(LEN.load(Ordering::Relaxed) - (taken - 1), Ordering::Relaxed);
    Some(answer)
}
