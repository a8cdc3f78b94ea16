//! M: a worker thread of the operating system.

pub(crate) mod place;
pub(crate) mod seat;
pub(crate) mod sigstack;
mod worker;

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

use crate::futex::Event;
use crate::g::G;
use crate::p::P;
use crate::preempt::{self, Request};
use crate::switch::AfterSwitch;
use seat::Seat;

pub(crate) use worker::start_thread;

/// A worker. Never freed, so that a stale pointer to one is at worst out of date.
///
/// Fields in a `Cell` are touched by the worker's own thread only, or by whoever has just woken it for good
/// (`Event` orders the two); the atomics by anybody.
pub(crate) struct M {
    /// The P it has, and who may touch it now.
    pub(crate) seat: Seat<P>,
    /// What sysmon asks of it.
    pub(crate) request: Request,
    /// Its goroutine blocks without a P, in a list of [`rescue`](preempt::rescue)'s.
    pub(crate) away: preempt::rescue::Away,
    /// Where the preemption signal interrupted its goroutine, while it is in the handler: pc, sp, frame pointer, link
    /// register. For observers.
    pub(crate) interrupted: [AtomicUsize; 4],
    /// The kernel's id of its thread.
    pub(crate) tid: AtomicI32,
    /// The processor it was put on.
    pub(crate) place: place::Place,
    /// Its scheduler's context, on the thread's own stack.
    pub(crate) g0: G,
    /// What the landing side of a switch has to do.
    pub(crate) after: Cell<AfterSwitch>,
    /// Set to wake it when it is idle or waits for its bound goroutine.
    pub(crate) wake: Event,
    /// The goroutine it shall run first with the P it is handed: its bound one.
    pub(crate) handed_g: Cell<*const G>,
    /// The goroutine that is locked to it, or null.
    pub(crate) bound: Cell<*const G>,
    /// It searches other Ps for work.
    pub(crate) spinning: Cell<bool>,
    /// Its last search began because of a goroutine in somebody's next slot.
    pub(crate) searched_next: Cell<bool>,
    /// The P whose wake-up made it search: told when the search was in vain.
    pub(crate) woken_by: AtomicPtr<P>,
    /// Links of the list of idle Ms, under the scheduler's lock.
    pub(crate) idle_next: Cell<*const M>,
    pub(crate) idle_prev: Cell<*const M>,
    pub(crate) is_idle: Cell<bool>,
    /// It rests in the poller: to be woken there. Set under the scheduler's lock, cleared by itself when it goes on.
    pub(crate) polls: Cell<bool>,
    /// The poller may have something for it: the last look, or sleep there, brought more than it needed.
    pub(crate) looks: Cell<bool>,
    /// The earliest timer armed since it last ran out of work; see `sched/README.md`.
    pub(crate) armed: Cell<u64>,
    /// Its thread shall end: its bound goroutine ended without unlocking, or too many rest.
    pub(crate) ending: Cell<bool>,
    /// The worker made before it, in the list of all.
    before: AtomicPtr<M>,
    /// xorshift state for the order of stealing.
    random: Cell<u32>,
}

// SAFETY: see the type's documentation for who touches which field.
unsafe impl Sync for M {}
// SAFETY: likewise; it is made on one thread and used on another.
unsafe impl Send for M {}

impl M {
    /// A worker for the calling thread: its scheduler context takes this thread's thread pointer.
    pub(crate) fn new() -> M {
        static IDS: AtomicU32 = AtomicU32::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        M {
            seat: Seat::new(),
            request: Request::new(),
            away: preempt::rescue::Away::new(),
            interrupted: [const { AtomicUsize::new(0) }; 4],
            // SAFETY: asks for a number.
            tid: AtomicI32::new(unsafe { libc::gettid() }),
            place: place::Place::new(),
            g0: G::scheduler(),
            after: Cell::new(AfterSwitch::Nothing),
            wake: Event::new(),
            handed_g: Cell::new(ptr::null()),
            bound: Cell::new(ptr::null()),
            spinning: Cell::new(false),
            searched_next: Cell::new(false),
            woken_by: AtomicPtr::new(ptr::null_mut()),
            idle_next: Cell::new(ptr::null()),
            idle_prev: Cell::new(ptr::null()),
            is_idle: Cell::new(false),
            polls: Cell::new(false),
            looks: Cell::new(false),
            armed: Cell::new(u64::MAX),
            ending: Cell::new(false),
            before: AtomicPtr::new(ptr::null_mut()),
            random: Cell::new(id.wrapping_mul(0x9e37_79b9) | 1),
        }
    }

    /// Adds it to the list of all workers, for good.
    fn enlist(&'static self) {
        let mut newest = NEWEST.load(Ordering::Relaxed);
        loop {
            self.before.store(newest, Ordering::Relaxed);
            let me = ptr::from_ref(self).cast_mut();
            match NEWEST.compare_exchange_weak(newest, me, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => newest = now,
            }
        }
    }

    /// Its P. Only for its own thread, while it has one.
    #[inline(always)]
    pub(crate) fn p(&self) -> &'static P {
        let p = self.seat.p();
        debug_assert!(!p.is_null());
        // SAFETY: Ps are never freed; a running worker has one.
        unsafe { &*p }
    }

    /// Whether it has a P. For its own thread.
    pub(crate) fn has_p(&self) -> bool {
        !self.seat.p().is_null()
    }

    /// Enters the runtime: preemption and thieves of private things are held off until [`M::leave`].
    #[inline(always)]
    pub(crate) fn enter(&self) {
        if self.seat.enter() {
            self.attend();
        }
    }

    #[cold]
    fn attend(&self) {
        if self.seat.attend() {
            // SAFETY: Ms are never freed.
            preempt::rescue::reacquire(unsafe { &*ptr::from_ref(self) });
        }
    }

    /// Leaves the runtime by one level.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        if self.seat.leave() && self.request.is_pending() {
            // SAFETY: Ms are never freed.
            preempt::deferred(unsafe { &*ptr::from_ref(self) });
        }
    }

    /// Leaves the runtime by one level without looking for a pending preemption.
    pub(crate) fn leave_quietly(&self) {
        self.seat.leave();
    }

    /// Leaves the runtime altogether: the landing of a goroutine after a switch, which ends every hold that its
    /// leaver had (they were handed over).
    #[inline(always)]
    pub(crate) fn leave_all(&self) {
        // A preemption that was asked for before the switch was meant for another goroutine.
        self.request.forget();
        self.seat.leave_all();
    }

    /// A random number for this worker's own thread.
    pub(crate) fn random(&self) -> u32 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x
    }
}

/// The worker made last.
static NEWEST: AtomicPtr<M> = AtomicPtr::new(ptr::null_mut());

/// All workers there ever were, the newest first. One whose thread has ended has no `tid`. Async-signal-safe.
pub(crate) fn all() -> impl Iterator<Item = &'static M> {
    // SAFETY: Ms are never freed, and never leave the list.
    let deref = |m: *mut M| unsafe { m.as_ref() };
    std::iter::successors(deref(NEWEST.load(Ordering::Acquire)), move |m| deref(m.before.load(Ordering::Relaxed)))
}

/// The goroutine (or scheduler context) that runs on this thread; null on a thread that is not a worker.
#[inline(always)]
pub(crate) fn current_g() -> *const G {
    gander_arch::current().cast()
}

/// The worker this code runs on, or none on a thread that is not ours.
///
/// `[tls-fresh]`: the answer is stale after the next switch of the calling goroutine. While it runs in the
/// runtime (`enter`) it does not switch but where it says so.
#[inline(always)]
pub(crate) fn current() -> Option<&'static M> {
    let g = current_g();
    if g.is_null() {
        return None;
    }
    // SAFETY: the running G is alive, and `m` was set by the worker that runs it; Ms are never freed.
    unsafe { Some(&*(*g).m.get()) }
}

/// Holds preemption off, on a worker.
#[inline(always)]
pub(crate) fn hold_preemption() {
    if let Some(m) = current() {
        m.enter();
    }
}

/// Undoes one [`hold_preemption`].
#[inline(always)]
pub(crate) fn release_preemption() {
    if let Some(m) = current() {
        m.leave();
    }
}
