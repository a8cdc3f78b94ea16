//! The global queue: goroutines made ready outside any P, what overflows a ring, and those that were preempted.
//!
//! Lists that lie in the goroutines themselves, under a lock, not crossbeam-queue: that one allocates as it grows,
//! and inside the runtime nothing may (a preempted goroutine can hold malloc's lock, and only the runtime can resume
//! it). It also takes a whole batch in one step.
//!
//! Preempted goroutines have a list of their own, which is served after the other: they have had a slice, and
//! whoever was just made ready is not to wait behind all of them. Now and then it is served first.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::g::G;
use crate::lock::Lock;
use crate::p::P;

/// Goroutines in order of arrival, in groups of up to eight: the first of a group leads it and carries the others'
/// addresses. A list from goroutine to goroutine would wait for the memory at each of them when there are many: this one
/// waits once for eight.
///
/// ```text
///   front: what is left of the group that was opened last
///   first ─► leader ─next─► leader ─next─► leader ◄─ last
///            followers      followers      followers
/// ```
struct List {
    front: [*const G; FOLLOWERS],
    /// Where in `front` the rest begins and ends.
    rest: Range<usize>,
    first: *const G,
    last: *const G,
}

/// As many addresses as make a cache line with their number.
const FOLLOWERS: usize = 7;

/// What a leader carries. `[one-owner]` The list's, while the leader is in one.
pub(crate) struct Group {
    count: Cell<usize>,
    followers: UnsafeCell<[MaybeUninit<*const G>; FOLLOWERS]>,
}

impl Group {
    pub(crate) const fn new() -> Group {
        Group { count: Cell::new(0), followers: UnsafeCell::new([MaybeUninit::uninit(); FOLLOWERS]) }
    }
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
        List { front: [ptr::null(); FOLLOWERS], rest: 0..0, first: ptr::null(), last: ptr::null() }
    }

    /// Adds one at the end: to the last group, or as the leader of a new one.
    fn push(&mut self, g: *const G) {
        // SAFETY: g is handed over, and what is in the list is the list's; used under its lock.
        unsafe {
            if !self.first.is_null() {
                let group = &(*self.last).group;
                let count = group.count.get();
                if count < FOLLOWERS {
                    (*group.followers.get())[count].write(g);
                    group.count.set(count + 1);
                    return;
                }
                (*self.last).next.set(g);
            } else {
                self.first = g;
            }
            (*g).group.count.set(0);
            (*g).next.set(ptr::null());
        }
        self.last = g;
    }

    fn pop(&mut self) -> Option<*const G> {
        if let Some(at) = self.rest.next() {
            return Some(self.front[at]);
        }
        // SAFETY: the goroutines of the list are the list's.
        let leader = unsafe { self.first.as_ref() }?;
        self.first = leader.next.replace(ptr::null());
        crate::g::prefetch(self.first);
        self.rest = 0..leader.group.count.get();
        for at in self.rest.clone() {
            // SAFETY: the first `count` were written.
            self.front[at] = unsafe { (*leader.group.followers.get())[at].assume_init() };
        }
        Some(leader)
    }
}

/// How many wait here.
#[inline(always)]
pub(crate) fn len() -> usize {
    LEN.load(Ordering::Relaxed)
}

/// Adds goroutines at the end, in order. The caller hands them over, and calls a worker where that is needed.
pub(crate) fn put_batch(batch: &[*mut G]) {
    if batch.is_empty() {
        return;
    }
    let mut lists = LISTS.lock();
    for &g in batch {
        lists.ready.push(g);
    }
    LEN.store(LEN.load(Ordering::Relaxed) + batch.len(), Ordering::Relaxed);
}

/// Adds a goroutine that has had its slice.
pub(crate) fn put_preempted(g: &G) {
    let mut lists = LISTS.lock();
    lists.preempted.push(g);
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
