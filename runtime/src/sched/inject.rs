//! The global queue: goroutines made ready outside any P, and what overflows a ring.
//!
//! A list linked through the goroutines themselves under a lock, not crossbeam-queue: that one allocates as it
//! grows, and inside the runtime nothing may (a preempted goroutine can hold malloc's lock, and only the runtime
//! can resume it). It also takes a whole batch in one step.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::g::G;
use crate::lock::Lock;
use crate::p::P;

struct List {
    first: *const G,
    last: *const G,
}

// SAFETY: it holds goroutines that are handed over to it; used under the lock.
unsafe impl Send for List {}

static LIST: Lock<List> = Lock::new(List { first: ptr::null(), last: ptr::null() });
/// Its length, for looks without the lock; written under it.
static LEN: AtomicUsize = AtomicUsize::new(0);

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
    let mut list = LIST.lock();
    if list.first.is_null() {
        list.first = first;
    } else {
        // SAFETY: the last goroutine of the list is the list's.
        unsafe { (*list.last).next.set(first) };
    }
    list.last = last;
    LEN.store(LEN.load(Ordering::Relaxed) + batch.len(), Ordering::Relaxed);
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
    let mut list = LIST.lock();
    let mut left = LEN.load(Ordering::Relaxed);
    let share = (left / procs.max(1) + 1).min(most).min(crate::p::RING / 2).min(left);
    let mut answer = None;
    for _ in 0..share {
        let g = list.first;
        // SAFETY: the goroutines of the list are the list's; it has at least `share` of them.
        unsafe {
            list.first = (*g).next.replace(ptr::null());
            match answer {
                None => answer = Some(g),
                // SAFETY: by contract. The ring may be full: that overflow would come back to this list, whose
                // lock we hold; so ask for room first.
                Some(_) if p.ring.len() < crate::p::RING => p.put(g),
                Some(_) => {
                    (*g).next.set(list.first);
                    list.first = g;
                    break;
                }
            }
        }
        left -= 1;
    }
    if list.first.is_null() {
        list.last = ptr::null();
    }
    LEN.store(left, Ordering::Relaxed);
    answer
}
