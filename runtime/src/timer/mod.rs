//! Timers: one heap per P, so that arming one contends with nobody.
//!
//! A timer stays in the heap it was armed in, also when its P is taken out of service. Due timers are run by the
//! P's worker between goroutines, by any worker that looks for work, and by the worker that sleeps until the
//! earliest (see `sched/README.md`). What is to be done at a moment for which nobody waits is a [`Call`].

pub(crate) mod call;
mod heap;
mod wake;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::lock::Lock;
use heap::Heap;

pub use call::{Call, is_ringing};
pub use wake::WakeAt;

/// Nanoseconds on the monotonic clock.
#[inline]
pub fn now() -> u64 {
    let mut at = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes our local; this clock always exists.
    unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut at);
    }
    at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64
}

/// The moment `timeout` from now, or the end of time.
pub fn deadline_after(timeout: Duration) -> u64 {
    now().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX))
}

/// A moment of the standard library's clock on ours.
pub fn deadline_at(instant: Instant) -> u64 {
    deadline_after(instant.saturating_duration_since(Instant::now()))
}

/// A timer: a node that its owner keeps in place while it is armed.
#[derive(Debug)]
pub struct Timer {
    when: u64,
    fire: unsafe fn(*mut Timer),
    /// The timers it is armed in; null when it is not. Written under that heap's lock.
    home: *const Timers,
    left: *mut Timer,
    right: *mut Timer,
    above: *mut Timer,
    rank: u32,
}

impl Timer {
    /// A timer that is not armed. `fire` is called when it is due, on a worker, with the heap's lock held: it may
    /// ready a goroutine and must not block, allocate, or arm a timer.
    pub const fn new(fire: unsafe fn(*mut Timer)) -> Timer {
        use std::ptr::null_mut;
        let none = null_mut();
        Timer { when: 0, fire, home: std::ptr::null(), left: none, right: none, above: none, rank: 0 }
    }
}

/// The timers of one P.
#[derive(Debug)]
pub(crate) struct Timers {
    heap: Lock<Heap>,
    /// When the earliest is due, for looks without the lock. Written under it.
    earliest: AtomicU64,
}

impl Timers {
    pub(crate) const fn new() -> Timers {
        Timers { heap: Lock::new(Heap::new()), earliest: AtomicU64::new(u64::MAX) }
    }

    /// When the earliest is due; `u64::MAX` if there is none.
    #[inline(always)]
    pub(crate) fn earliest(&self) -> u64 {
        self.earliest.load(Ordering::Relaxed)
    }

    /// How many are armed.
    pub(crate) fn len(&self) -> usize {
        self.heap.lock().len()
    }

    /// Arms `timer` for `when`, and calls `publish` before it can fire; if that returns false the timer is not armed
    /// after all. Returns whether it is now the earliest here.
    ///
    /// `publish` may let the timer's owner go on: the owner cannot get past [`disarm`] before this has returned.
    ///
    /// # Safety
    ///
    /// `timer` is not armed; it stays in place until it has fired or [`disarm`] has returned.
    pub(crate) unsafe fn arm(&self, timer: *mut Timer, when: u64, publish: impl FnOnce() -> bool) -> bool {
        let mut heap = self.heap.lock();
        // SAFETY: by contract nobody else touches an unarmed timer; and a published one waits for our lock.
        unsafe {
            (*timer).when = when;
            (*timer).home = self;
            heap.insert(timer);
            if !publish() {
                (*timer).home = std::ptr::null();
                heap.remove(timer);
            }
        }
        let earliest = heap.earliest();
        let first = earliest < self.earliest.load(Ordering::Relaxed);
        self.earliest.store(earliest, Ordering::Relaxed);
        first
    }

    /// Fires what is due at `now`. Returns how many fired.
    pub(crate) fn run_due(&self, now: u64) -> usize {
        /// So many fire before the lock is let go once: a million due at one moment must not shut others out.
        const BATCH: usize = 64;
        let mut fired = 0;
        while self.earliest() <= now {
            let mut heap = self.heap.lock();
            for _ in 0..BATCH {
                if heap.earliest() > now {
                    break;
                }
                let Some(timer) = heap.pop() else { break };
                // SAFETY: it was in the heap, so it is alive; and `disarm` cannot return before we let go of the
                // lock, so it stays alive until `fire` has marked its end (which may end its owner's wait).
                unsafe {
                    (*timer).home = std::ptr::null();
                    ((*timer).fire)(timer);
                }
                fired += 1;
            }
            self.earliest.store(heap.earliest(), Ordering::Relaxed);
        }
        fired
    }
}

/// Takes back a timer. When this returns the timer is not armed and its `fire` is not running; it says whether it
/// was still armed (true: it will not fire; false: it has fired, or was never armed).
///
/// # Safety
///
/// `timer` is alive, was armed by the caller's task, and is not being armed meanwhile.
pub(crate) unsafe fn disarm(timer: *mut Timer, home: &Timers) -> bool {
    let mut heap = home.heap.lock();
    // SAFETY: `home` of a timer is written under the lock that we hold, and tells whether it is in this heap.
    unsafe {
        if (*timer).home.is_null() {
            return false;
        }
        (*timer).home = std::ptr::null();
        heap.remove(timer);
    }
    home.earliest.store(heap.earliest(), Ordering::Relaxed);
    true
}
