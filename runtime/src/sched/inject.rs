//! The global queue: goroutines made ready outside any P, what overflows a ring, and those that were preempted.
//!
//! Lists that lie in the goroutines themselves, under a lock, not crossbeam-queue: that one allocates as it grows,
//! and inside the runtime nothing may (a preempted goroutine can hold malloc's lock, and only the runtime can resume
//! it). It also takes a whole batch in one step.
//!
//! Goroutines that are bound to a thread in the middle of user code have lists of their own. Those that were *preempted*
//! have had a slice, and whoever was just made ready is not to wait behind all of them: they are served last, but now
//! and then first. Those that *return* from a call in which they lost their P take turns with those that were readied.

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
    returning: List,
    ready: List,
    preempted: List,
    /// Counts takes, and those of them that were not preempted.
    takes: u32,
    turn: u32,
}

/// Every so many takes the preempted are served first.
const PREEMPTED_FIRST: u32 = 4;

// SAFETY: it holds goroutines that are handed over to it; used under the lock.
unsafe impl Send for Lists {}

static LISTS: Lock<Lists> =
    Lock::new(Lists { returning: List::new(), ready: List::new(), preempted: List::new(), takes: 0, turn: 0 });
/// The length of all, for looks without the lock; written under it.
static LEN: AtomicUsize = AtomicUsize::new(0);
/// The length of all but the list of the preempted.
static WOKEN: AtomicUsize = AtomicUsize::new(0);

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

    /// Adds one in front of all, as the leader of what is left of the first group.
    fn push_front(&mut self, g: *const G) {
        // SAFETY: as in `push`.
        unsafe {
            let group = &(*g).group;
            for (follower, at) in (*group.followers.get()).iter_mut().zip(self.rest.clone()) {
                follower.write(self.front[at]);
            }
            group.count.set(self.rest.len());
            (*g).next.set(self.first);
        }
        if self.first.is_null() {
            self.last = g;
        }
        self.first = g;
        self.rest = 0..0;
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

impl Lists {
    fn take_woken(&mut self) -> Option<*const G> {
        // Neither is to wait for the end of the other.
        self.turn = self.turn.wrapping_add(1);
        let g = match self.turn.is_multiple_of(2) {
            true => self.ready.pop().or_else(|| self.returning.pop())?,
            false => self.returning.pop().or_else(|| self.ready.pop())?,
        };
        self.removed(1, true);
        Some(g)
    }

    fn take_preempted(&mut self) -> Option<*const G> {
        let g = self.preempted.pop()?;
        self.removed(1, false);
        Some(g)
    }

    /// Books goroutines that were added, to the preempted or to the others.
    fn added(&self, count: usize, woken: bool) {
        if woken {
            WOKEN.store(WOKEN.load(Ordering::Relaxed) + count, Ordering::Relaxed);
        }
        LEN.store(LEN.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// Books goroutines that were taken, from the preempted or from the others.
    fn removed(&self, count: usize, woken: bool) {
        if woken {
            WOKEN.store(WOKEN.load(Ordering::Relaxed) - count, Ordering::Relaxed);
        }
        LEN.store(LEN.load(Ordering::Relaxed) - count, Ordering::Relaxed);
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
    if !batch.is_empty() {
        put_all(batch.iter().map(|g| g.cast_const()));
    }
}

/// [`put_batch`] of what an iterator yields, which is called with the lock held.
pub(crate) fn put_all(batch: impl Iterator<Item = *const G>) {
    let mut lists = LISTS.lock();
    let mut count = 0;
    for g in batch {
        lists.ready.push(g);
        count += 1;
    }
    lists.added(count, true);
}

/// Adds a goroutine that has had its slice. It is bound.
pub(crate) fn put_preempted(g: &G) {
    let mut lists = LISTS.lock();
    lists.preempted.push(g);
    lists.added(1, false);
}

/// Adds a goroutine that lost its P in a call and is back from that. It is bound.
pub(crate) fn put_returning(g: &G) {
    let mut lists = LISTS.lock();
    lists.returning.push(g);
    lists.added(1, true);
}

/// Puts back what [`take_bound`] gave.
pub(crate) fn put_back(g: *const G) {
    let mut lists = LISTS.lock();
    lists.preempted.push_front(g);
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
    lists.removed(1, true);
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
    lists.takes = lists.takes.wrapping_add(1);
    let first = if lists.takes.is_multiple_of(PREEMPTED_FIRST) { lists.take_preempted() } else { None };
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
    lists.removed(taken - 1, true);
    Some(answer)
}
