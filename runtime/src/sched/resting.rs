//! Which Ps and Ms have nothing to do, who of them keeps the clock for the timers, and who sleeps in the poller: the list.

use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::{SPIN, inject, procs};
use crate::lock::Lock;
use crate::m::M;
use crate::p::P;
use crate::poll;

/// Who rests.
pub(super) struct Resting {
    ps: *const P,
    ms: *const M,
    /// The resting worker that wakes for the earliest timer, or null.
    pub(super) keeper: *const M,
    /// The resting worker that sleeps in the poller, or null. There is none while every P is busy: then the busy ones
    /// look, and would wake it for nothing.
    pub(super) poller: *const M,
    /// A worker is in the poller, or on its way out: called already, so it is not `poller` any more. A second one must
    /// not go in before it is out, for it could take its call.
    pub(super) polled: bool,
    /// sysmon sleeps without an end, because everybody rests.
    pub(super) sysmon_asleep: bool,
}

// SAFETY: it points to Ps and Ms, which are shared and never freed; used under the lock.
unsafe impl Send for Resting {}

pub(super) static RESTING: Lock<Resting> = Lock::new(Resting {
    ps: ptr::null(),
    ms: ptr::null(),
    keeper: ptr::null(),
    poller: ptr::null(),
    polled: false,
    sysmon_asleep: false,
});

/// When the keeper wakes; `u64::MAX` without one. Written under the lock.
pub(super) static KEPT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Resting workers, for the janitor.
static SPARE: AtomicUsize = AtomicUsize::new(0);

/// When the resting worker that minds the timers wakes.
pub(crate) fn kept() -> u64 {
    KEPT.load(Ordering::Relaxed)
}

/// How many workers rest.
pub(crate) fn spare() -> usize {
    SPARE.load(Ordering::Relaxed)
}

impl Resting {
    pub(super) fn push_p(&mut self, p: &P) {
        debug_assert!(!p.is_idle.get());
        p.is_idle.set(true);
        p.idle_next.set(self.ps);
        self.ps = p;
        SPIN.rest();
    }

    /// Takes a P into service. The caller is told whether sysmon must be woken for it.
    pub(super) fn pop_p(&mut self) -> Option<(&'static P, bool)> {
        // SAFETY: Ps are never freed.
        let p = unsafe { self.ps.as_ref() }?;
        self.ps = p.idle_next.get();
        p.is_idle.set(false);
        SPIN.resume();
        Some((p, std::mem::take(&mut self.sysmon_asleep)))
    }

    pub(super) fn remove_p(&mut self, p: &P) {
        let mut at: *const P = ptr::null();
        let mut here = self.ps;
        while !ptr::eq(here, p) {
            at = here;
            // SAFETY: Ps are never freed, and p is in the list.
            here = unsafe { (*here).idle_next.get() };
        }
        if at.is_null() {
            self.ps = p.idle_next.get();
        } else {
            // SAFETY: likewise.
            unsafe { (*at).idle_next.set(p.idle_next.get()) };
        }
        p.is_idle.set(false);
        SPIN.resume();
    }

    pub(super) fn push_m(&mut self, m: &M) {
        m.is_idle.set(true);
        m.idle_prev.set(ptr::null());
        m.idle_next.set(self.ms);
        // SAFETY: Ms are never freed.
        if let Some(first) = unsafe { self.ms.as_ref() } {
            first.idle_prev.set(m);
        }
        self.ms = m;
        SPARE.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_m(&mut self, m: &M) {
        // SAFETY: Ms are never freed; all links are under the lock we hold.
        unsafe {
            match m.idle_prev.get().as_ref() {
                Some(prev) => prev.idle_next.set(m.idle_next.get()),
                None => self.ms = m.idle_next.get(),
            }
            if let Some(next) = m.idle_next.get().as_ref() {
                next.idle_prev.set(m.idle_prev.get());
            }
        }
        m.is_idle.set(false);
        if ptr::eq(self.keeper, m) {
            self.keeper = ptr::null();
            KEPT.store(u64::MAX, Ordering::Relaxed);
        }
        if ptr::eq(self.poller, m) {
            self.poller = ptr::null();
        }
        SPARE.fetch_sub(1, Ordering::Relaxed);
    }

    /// The first resting worker that neither keeps the clock nor sleeps in the poller.
    pub(super) fn without_duty(&self) -> Option<&'static M> {
        let mut at = self.ms;
        // SAFETY: as in `pop_m`. At most two have a duty.
        while let Some(m) = unsafe { at.as_ref() } {
            if !ptr::eq(m, self.keeper) && !ptr::eq(m, self.poller) {
                return Some(m);
            }
            at = m.idle_next.get();
        }
        None
    }

    /// Takes a resting worker: for the last resting P the one that sleeps in the poller, else one that has no duty, if
    /// there is one. With it comes the moment that nobody keeps now.
    pub(super) fn pop_m(&mut self) -> Option<(&'static M, u64)> {
        // SAFETY: Ms are never freed; their links are under the lock we hold.
        let (first, poller) = unsafe { (self.ms.as_ref()?, self.poller.as_ref()) };
        let m = match poller {
            Some(poller) if self.ps.is_null() => poller,
            _ => self.without_duty().unwrap_or(first),
        };
        let unkept = if ptr::eq(m, self.keeper) { kept() } else { u64::MAX };
        self.remove_m(m);
        Some((m, unkept))
    }

    /// Descriptors are waited for, and nobody sleeps in the poller.
    pub(super) fn is_unpolled(&self) -> bool {
        !self.polled && poll::is_wanted()
    }
}

/// sysmon asks whether it may sleep until woken: when every P rests (then a resting worker keeps the clock).
pub(crate) fn sysmon_sleeps() -> bool {
    let mut resting = RESTING.lock();
    // A timer can outlive the last worker that looked for the earliest one: `release` rests a P without a worker.
    resting.sysmon_asleep = SPIN.idle() as usize >= procs::in_service()
        && spare() > 0
        && kept() <= procs::earliest_timer()
        && !resting.is_unpolled()
        && inject::len() == 0;
    resting.sysmon_asleep
}

/// Descriptors are waited for and a P rests, but nobody sleeps in the poller: who did runs what it found, for long.
pub(crate) fn is_unpolled() -> bool {
    SPIN.idle() > 0 && RESTING.lock().is_unpolled()
}
