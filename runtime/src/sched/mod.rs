//! The scheduler. `README.md` in this folder tells the whole; this file holds its state and the worker's loop.

pub(crate) mod find;
pub(crate) mod handing;
pub(crate) mod idle;
pub(crate) mod inject;
pub(crate) mod janitor;
pub(crate) mod procs;
pub(crate) mod resting;
pub(crate) mod service;
pub(crate) mod spin;
pub(crate) mod sysmon;

use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::g::{G, State};
use crate::inspect::{trace, watch};
use crate::m::{self, M};
use crate::p::P;
use crate::preempt::Cause;
use crate::switch::{AfterSwitch, switch, switch_with_message};
use spin::Spin;

/// Who searches and who rests.
#[cfg(not(loom))]
pub(crate) static SPIN: Spin = Spin::new();
/// Loom's atomics cannot be made in a constant. The models use their own; this one only has to compile.
#[cfg(loom)]
pub(crate) static SPIN: std::sync::LazyLock<Spin> = std::sync::LazyLock::new(Spin::new);

/// Counters that belong to no P.
pub(crate) static STATS: Stats = Stats::new();

pub(crate) struct Stats {
    /// Worker threads alive.
    pub(crate) workers: AtomicUsize,
    /// Goroutines spawned from threads that have no P.
    pub(crate) spawned_outside: AtomicU64,
    /// Goroutines of the runtime's own, which are not counted as the program's.
    pub(crate) hidden: AtomicU64,
}

impl Stats {
    const fn new() -> Stats {
        Stats { workers: AtomicUsize::new(0), spawned_outside: AtomicU64::new(0), hidden: AtomicU64::new(0) }
    }
}

/// Every so many switches a worker looks at the global queue and the timers first, so that a pair of goroutines
/// that wake each other cannot keep the rest waiting.
pub(crate) const FAIRNESS: u32 = 61;

/// The loop of a worker, on its thread's own stack. Returns when the thread shall end.
pub(crate) fn work(m: &'static M) {
    idle::first_rest(m);
    while !m.ending.get() {
        let g = find::runnable(m);
        if !g.is_null() {
            // SAFETY: `runnable` hands it to us.
            unsafe { run(m, g) }
            // A goroutine of ours came back: it parked or ended and had nothing to switch to.
        }
    }
    handing::release(m);
}

/// Runs `g`, or hands it with our P to the only worker that may.
///
/// # Safety
///
/// `g` was handed to `m`, which is on its scheduler context.
unsafe fn run(m: &'static M, g: *const G) {
    // SAFETY: by contract.
    let g = unsafe { &*g };
    let bound = g.bound();
    if !bound.is_null() && !ptr::eq(bound, m) {
        // SAFETY: Ms are never freed.
        handing::hand_over(m, unsafe { &*bound }, g);
        return;
    }
    m.p().begin_turn();
    if m.p().attend.is_watched() {
        watch::ran(m.p(), g);
    }
    start(m, g);
    mind_timer(m);
    // SAFETY: we are g0 on our own stack, in the runtime; g is at rest.
    unsafe {
        switch(m, &m.g0, g, AfterSwitch::Nothing);
    }
}

/// A timer was armed here and this worker goes on with something else: make sure that somebody minds it.
#[inline(always)]
pub(crate) fn mind_timer(m: &M) {
    let armed = m.armed.get();
    if armed != u64::MAX {
        m.armed.set(u64::MAX);
        sysmon::mind(armed);
    }
}

/// A goroutine was put into a queue: calls a worker if a P rests.
#[inline(always)]
pub(crate) fn call_if_resting() {
    if SPIN.submitted() {
        idle::call_worker(ptr::null());
    }
}

/// Books the start of a goroutine on this worker.
#[inline(always)]
fn start(m: &M, g: &G) {
    let p = m.p();
    p.tick.store(p.tick.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    crate::p::bump(&p.counts.switches);
    g.set_state(State::Running);
}

/// Leaves the running goroutine `g`: straight to the next one where there is one at hand, else to the scheduler.
/// Returns the worker on which `g` goes on.
///
/// # Safety
///
/// `g` runs on `m` in the runtime; see [`switch`] for `after`.
#[inline(always)]
pub(crate) unsafe fn leave(m: &'static M, g: &G, after: AfterSwitch) -> &'static M {
    let p = m.p();
    m.after.set(after);
    let must_look = must_look(p) || p.attend.any() || !g.bound().is_null();
    // SAFETY: we hold the P and are in the runtime.
    if !must_look && let Some(next) = unsafe { at_hand(p) } {
        start(m, next);
        // SAFETY: by contract; next is at rest and ours.
        return unsafe { switch_with_message(m, g, next) };
    }
    // SAFETY: by contract.
    unsafe { leave_slowly(m, g) }
}

/// [`leave`] where the scheduler has to look, or there is nothing at hand, or switches are recorded.
///
/// # Safety
///
/// As [`leave`]; the message lies in `m.after`.
#[inline(never)]
unsafe fn leave_slowly(m: &'static M, g: &G) -> &'static M {
    let p = m.p();
    if p.attend.is_watched() {
        watch::left(m, g);
        let must_look = must_look(p) || p.attend.is_due() || !g.bound().is_null();
        // SAFETY: we hold the P and are in the runtime.
        if !must_look && let Some(next) = unsafe { at_hand(p) } {
            watch::ran(p, next);
            start(m, next);
            // SAFETY: by contract; next is at rest and ours.
            return unsafe { switch_with_message(m, g, next) };
        }
    }
    // SAFETY: by contract; g0 rests since it switched to a goroutine on this worker.
    unsafe { switch_with_message(m, g, &m.g0) }
}

/// Whether it is the turn of those who wait elsewhere.
#[inline(always)]
fn must_look(p: &P) -> bool {
    p.tick.load(Ordering::Relaxed).wrapping_add(1).is_multiple_of(FAIRNESS)
}

/// Takes the goroutine that goes on when the running one leaves, if any worker may run it; begins a slice for it, or not.
///
/// # Safety
///
/// The caller has the private part of `p`.
#[inline(always)]
unsafe fn at_hand(p: &P) -> Option<&'static G> {
    let mut next = p.take_next();
    // Whoever was readied by this goroutine goes on with its slice: a pair that wakes each other shares one.
    let inherits = !next.is_null();
    if !inherits {
        // SAFETY: by contract.
        next = unsafe { p.ring.pop() }.map_or(ptr::null(), <*mut G>::cast_const);
    }
    // SAFETY: it was in our queue and is ours now.
    let next = unsafe { next.as_ref() }?;
    if !next.bound().is_null() {
        // SAFETY: by contract. It goes back to where it came from; the scheduler will find it first.
        unsafe { p.put_next(next) };
        return None;
    }
    if !inherits {
        p.begin_turn();
    }
    Some(next)
}

/// Makes a goroutine ready: it goes to the next slot of the caller's P, or to the global queue where the caller
/// has none.
///
/// # Safety
///
/// The goroutine waits, and the caller is the one that may ready it, once.
#[inline]
pub(crate) unsafe fn ready(g: *const G) {
    // SAFETY: by contract it is ours until it is in a queue.
    unsafe { (*g).set_state(State::Runnable) };
    match m::current() {
        Some(m) => {
            m.enter();
            let p = m.p();
            // SAFETY: in the runtime with our P; `g` is ours to hand over.
            unsafe { p.put_next(g) };
            if p.attend.is_traced() {
                // SAFETY: nobody takes from our next slot while we are in the runtime.
                trace::readied(Some(p), unsafe { (*g).id.get() });
            }
            if SPIN.resting() {
                call_after_ready(p);
            } else if p.ripe.load(Ordering::Relaxed) {
                // No P rests, and the running goroutine has had its minimum: the readied one takes this P.
                p.ripe.store(false, Ordering::Relaxed);
                m.request.defer(Cause::WakeUp);
            }
            m.leave();
        }
        None => {
            // SAFETY: it is ours until it is in a queue.
            let id = unsafe { (*g).id.get() };
            inject::put_batch(&[g.cast_mut()]);
            if trace::is_on() {
                trace::readied(None, id);
            }
            if SPIN.submitted() {
                idle::call_worker(ptr::null());
            } else if SPIN.idle() == 0 {
                sysmon::kick();
            }
        }
    }
}

/// A goroutine that was just readied usually runs next on this very P, when the one that readied it parks. To
/// wake another worker for it each time would cost more than it wins, so a P whose calls were in vain keeps quiet
/// for a while; sysmon looks after the case that the running goroutine does not park.
#[cold]
fn call_after_ready(p: &crate::p::P) {
    let quiet = p.quiet.load(Ordering::Relaxed);
    if quiet > 0 && p.ring.is_empty() {
        p.quiet.store(quiet - 1, Ordering::Relaxed);
        return;
    }
    if SPIN.submitted() {
        idle::call_worker(p);
    }
}

/// Puts a fresh goroutine where it runs soon, and calls a worker for it.
///
/// # Safety
///
/// As [`ready`]; the caller is in the runtime if it is on a worker.
#[inline]
pub(crate) unsafe fn submit(m: Option<&M>, g: *const G) {
    let p: *const crate::p::P = match m {
        Some(m) => {
            // SAFETY: in the runtime with our P.
            unsafe { m.p().put_next(g) };
            if m.p().attend.is_traced() {
                // SAFETY: nobody takes from our next slot while we are in the runtime.
                trace::spawned(Some(m.p()), unsafe { &*g });
            }
            m.p()
        }
        None => {
            if trace::is_on() {
                // SAFETY: it is ours until it is in a queue.
                trace::spawned(None, unsafe { &*g });
            }
            inject::put_batch(&[g.cast_mut()]);
            ptr::null()
        }
    };
    if SPIN.submitted() {
        idle::call_worker(p);
    }
}
