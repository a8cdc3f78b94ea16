//! M: a worker thread of the operating system.

pub(crate) mod sigstack;
mod worker;

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering, compiler_fence};

use crate::futex::Event;
use crate::g::G;
use crate::p::P;
use crate::preempt;
use crate::switch::AfterSwitch;

pub(crate) use worker::start_thread;

/// Somebody reaches into the private part of its P: wait until it is done.
const SEIZED: u32 = 1;
/// Its P was taken while it was blocked: win one back.
const DETACHED: u32 = 2;

/// A worker. Never freed, so that a stale pointer to one is at worst out of date.
///
/// Fields in a `Cell` are touched by the worker's own thread only, or by whoever has just woken it for good
/// (`Event` orders the two); the atomics by anybody.
pub(crate) struct M {
    /// How often preemption is held off; not 0 = in the runtime. Written by its own thread only.
    nest: AtomicU32,
    /// Why it has to stop at its next entry to the runtime: [`SEIZED`], [`DETACHED`].
    attention: AtomicU32,
    /// A preemption was asked for while it was in the runtime: looked at when it leaves.
    pub(crate) pending: AtomicBool,
    /// The turn of its P that the last preemption was asked for.
    pub(crate) preempt_tick: AtomicU32,
    /// The kernel's id of its thread.
    pub(crate) tid: AtomicI32,
    /// The P it has, or null.
    pub(crate) p: AtomicPtr<P>,
    /// Its scheduler's context, on the thread's own stack.
    pub(crate) g0: G,
    /// What the landing side of a switch has to do.
    pub(crate) after: Cell<AfterSwitch>,
    /// Set to wake it when it is idle or waits for its bound goroutine.
    pub(crate) wake: Event,
    /// The P it is handed with that.
    pub(crate) handed: AtomicPtr<P>,
    /// The goroutine it shall run first with that P: its bound one.
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
    /// The earliest timer armed since it last ran out of work; see `sched/README.md`.
    pub(crate) armed: Cell<u64>,
    /// Its thread shall end: its bound goroutine ended without unlocking.
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
            nest: AtomicU32::new(1),
            attention: AtomicU32::new(0),
            pending: AtomicBool::new(false),
            preempt_tick: AtomicU32::new(0),
            // SAFETY: asks for a number.
            tid: AtomicI32::new(unsafe { libc::gettid() }),
            p: AtomicPtr::new(ptr::null_mut()),
            g0: G::scheduler(),
            after: Cell::new(AfterSwitch::Nothing),
            wake: Event::new(),
            handed: AtomicPtr::new(ptr::null_mut()),
            handed_g: Cell::new(ptr::null()),
            bound: Cell::new(ptr::null()),
            spinning: Cell::new(false),
            searched_next: Cell::new(false),
            woken_by: AtomicPtr::new(ptr::null_mut()),
            idle_next: Cell::new(ptr::null()),
            idle_prev: Cell::new(ptr::null()),
            is_idle: Cell::new(false),
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

    /// Whether its P was taken, or given up, because it is blocked. For observers.
    pub(crate) fn is_detached(&self) -> bool {
        self.attention.load(Ordering::Relaxed) & DETACHED != 0
    }

    /// Its P. Only for its own thread, while it has one.
    #[inline(always)]
    pub(crate) fn p(&self) -> &'static P {
        let p = self.p.load(Ordering::Relaxed);
        debug_assert!(!p.is_null());
        // SAFETY: Ps are never freed; a running worker has one.
        unsafe { &*p }
    }

    /// Enters the runtime: preemption and thieves of private things are held off until [`M::leave`].
    #[inline(always)]
    pub(crate) fn enter(&self) {
        self.nest.store(self.nest.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        // Partner of the heavy fence in `shut_out`: either it sees our nest, or we see its flag.
        crate::asym::light();
        if self.attention.load(Ordering::Acquire) != 0 {
            self.attend();
        }
    }

    #[cold]
    fn attend(&self) {
        while self.attention.load(Ordering::Acquire) & SEIZED != 0 {
            std::hint::spin_loop();
        }
        if self.attention.load(Ordering::Relaxed) & DETACHED != 0 {
            debug_assert_eq!(self.nest.load(Ordering::Relaxed), 1);
            self.attention.store(0, Ordering::Relaxed);
            // SAFETY: Ms are never freed.
            preempt::rescue::reacquire(unsafe { &*ptr::from_ref(self) });
        }
    }

    /// Whether it is in the runtime. For its own thread's signal handler.
    pub(crate) fn is_inside(&self) -> bool {
        self.nest.load(Ordering::Relaxed) != 0
    }

    /// Leaves the runtime by one level.
    #[inline(always)]
    pub(crate) fn leave(&self) {
        // What was done inside stays before this store for a signal handler on this thread and, by release, for
        // whoever seizes next.
        compiler_fence(Ordering::SeqCst);
        let nest = self.nest.load(Ordering::Relaxed) - 1;
        self.nest.store(nest, Ordering::Release);
        if nest == 0 && self.pending.load(Ordering::Relaxed) {
            // SAFETY: Ms are never freed.
            preempt::deferred(unsafe { &*ptr::from_ref(self) });
        }
    }

    /// Leaves the runtime by one level without looking for a pending preemption.
    pub(crate) fn leave_quietly(&self) {
        compiler_fence(Ordering::SeqCst);
        self.nest.store(self.nest.load(Ordering::Relaxed) - 1, Ordering::Release);
    }

    /// Leaves the runtime altogether: the landing of a goroutine after a switch, which ends every hold that its
    /// leaver had (they were handed over).
    #[inline(always)]
    pub(crate) fn leave_all(&self) {
        compiler_fence(Ordering::SeqCst);
        // A preemption that was asked for before the switch was meant for another goroutine.
        self.pending.store(false, Ordering::Relaxed);
        self.nest.store(0, Ordering::Release);
    }

    /// Tries to keep this worker out of the runtime while `f` runs on another thread, if it is out of it now and
    /// has `p`. For reaching into the private part of its P: rare, costs a system call.
    pub(crate) fn seize<R>(&self, p: *const P, f: impl FnOnce() -> R) -> Option<R> {
        let answer = self.shut_out(p)?.then(f);
        self.attention.store(0, Ordering::Release);
        answer
    }

    /// Takes `p` from this worker if it is out of the runtime; it will notice at its next entry. For sysmon.
    pub(crate) fn detach(&self, p: &P) -> bool {
        let Some(out) = self.shut_out(p) else { return false };
        if out {
            self.p.store(ptr::null_mut(), Ordering::Relaxed);
            p.m.store(ptr::null_mut(), Ordering::Relaxed);
        }
        self.attention.store(if out { DETACHED } else { 0 }, Ordering::Release);
        out
    }

    /// This worker gives up its P by itself, in the runtime, for a blocking call.
    pub(crate) fn detached(&self) {
        // A thief may be at the bar: it finds us inside and lifts the bar, and must not lift this with it.
        while self.attention.compare_exchange_weak(0, DETACHED, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            std::thread::yield_now();
        }
    }

    /// Bars the worker's entry to the runtime. None if somebody else does; else whether it is out of the runtime
    /// and has `p`. The caller must store `attention` soon.
    fn shut_out(&self, p: *const P) -> Option<bool> {
        self.attention.compare_exchange(0, SEIZED, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        // Partner of the light fence in `enter`.
        crate::asym::heavy();
        // In the runtime it may change anything, and may give up its P; outside it can do neither, and now it
        // cannot come in.
        Some(self.nest.load(Ordering::Acquire) == 0 && ptr::eq(self.p.load(Ordering::Relaxed), p))
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
