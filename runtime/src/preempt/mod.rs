//! Taking the processor from a goroutine that does not give it.
//!
//! A preempted goroutine stays where it is: on its thread, which sleeps inside the signal handler, in the middle of
//! whatever instruction it was. Only its P goes on, to the thread of the next goroutine. Nothing that the interrupted
//! code can see changes: thread-locals, malloc's caches, half-taken locks, red zone, vector registers. When the
//! scheduler comes to the goroutine again it hands a P back to the thread, and the handler returns. It is what the
//! kernel does when it deschedules a thread, and that is why any instruction will do. A goroutine changes threads only
//! where it parks by itself.
//!
//! ```text
//!   sysmon                      M1 (runs G, holds P)                M2 (spare)
//!   same tick for a slice,
//!   somebody waits ── SIGURG ─► handler: in the runtime? ─yes─► `pending`, looked at when it leaves
//!                               no: G is bound to M1 and queued
//!                               P ─────────────────────────────────► runs the next goroutine
//!                               sleeps in the handler                 …
//!                               ◄───────────────────────── P ─────── finds G: bound to M1: hands over, rests
//!                               returns into G
//! ```
//!
//! `docs/preemption.md` has the rules and what they were paid for.

pub(crate) mod rescue;
pub(crate) mod signal;

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::g::{G, State};
use crate::m::{self, M};
use crate::sched::{idle, inject, janitor, procs};

/// How long a goroutine may run while others wait, in nanoseconds; 0: for as long as it likes.
///
/// Preemption and rescue are asked for with `Builder::slice` until they have been through what issue 3 wants of them;
/// then 10 ms becomes the default.
static SLICE: AtomicU64 = AtomicU64::new(0);

/// The shortest slice: below this the machine does little else than preempt.
pub(crate) const SHORTEST_SLICE_NANOS: u64 = 100_000;

/// A goroutine that was just readied takes the P of one that has run for so long.
const MIN_SLICE_NANOS: u64 = 200_000;

/// Preemptions since the start, and those for which there was no thread.
pub(crate) static COUNT: AtomicU64 = AtomicU64::new(0);
pub(crate) static NO_THREAD: AtomicU64 = AtomicU64::new(0);

/// How long a goroutine may run while others wait; none: for as long as it likes.
pub(crate) fn slice() -> Option<u64> {
    match SLICE.load(Ordering::Relaxed) {
        0 => None,
        nanos => Some(nanos),
    }
}

pub(crate) fn set_slice(nanos: u64) {
    SLICE.store(nanos, Ordering::Relaxed);
}

/// How long a goroutine runs before a wake-up may take its P.
pub(crate) fn min_slice(slice: u64) -> u64 {
    MIN_SLICE_NANOS.min(slice)
}

/// Gives the P of `m` to the next goroutine and sleeps until the running goroutine `g` has one again. Called in the
/// signal handler, or when a goroutine leaves the runtime with a preemption pending: in both cases user code is
/// interrupted that may hold anything, so `g` stays on this thread.
///
/// Does nothing if nobody waits, or if there is no thread for the next one.
///
/// # Safety
///
/// `g` runs on `m`, which is in the runtime by exactly one level and has its P.
pub(crate) unsafe fn give_way(m: &'static M, g: &G) {
    let p = m.p();
    p.ripe.store(false, Ordering::Relaxed);
    let Some(heir) = find_heir(m) else { return };
    COUNT.fetch_add(1, Ordering::Relaxed);
    sleep_bound(m, g, || {
        // From here on another worker may find g and hand us its P: that waits in `handed` until we sleep.
        inject::put_preempted(g);
        crate::sched::call_if_resting();
        idle::bequeath(m, heir);
    });
}

/// Sleeps in the middle of the running goroutine `g`, bound to this thread, until a P is handed to `m` for it. `queue`
/// puts `g` where others find it.
fn sleep_bound(m: &M, g: &G, queue: impl FnOnce()) {
    let locked = !g.bound().is_null();
    g.bound.store(ptr::from_ref(m).cast_mut(), Ordering::Relaxed);
    g.set_state(State::Preempted);
    queue();
    idle::await_p(m);
    m.handed_g.set(ptr::null());
    if !locked {
        g.bound.store(ptr::null_mut(), Ordering::Relaxed);
    }
    g.set_state(State::Running);
    let p = m.p();
    p.tick.store(p.tick.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Who gets the P: a worker, and what it shall run first.
pub(crate) struct Heir {
    pub(crate) m: &'static M,
    pub(crate) g: *const G,
}

fn find_heir(m: &M) -> Option<Heir> {
    let p = m.p();
    // The heir may be in the middle of user code and not come to the scheduler: what a timer readies is found here.
    procs::run_due_timers();
    p.attend.store(false, Ordering::Relaxed);
    // With no spare thread a goroutine that has its own can still go on: look past those that have not.
    let tries = p.ring.len() + 2;
    for _ in 0..tries {
        // SAFETY: in the runtime with our P.
        let next = unsafe { p.take().or_else(|| inject::take(p, procs::in_service(), 1)) };
        let Some(next) = next else { break };
        // SAFETY: it was queued and is ours now.
        let bound = unsafe { (*next).bound() };
        if !bound.is_null() {
            // SAFETY: Ms are never freed.
            return Some(Heir { m: unsafe { &*bound }, g: next });
        }
        if let Some(spare) = idle::take_spare() {
            return Some(Heir { m: spare, g: next });
        }
        NO_THREAD.fetch_add(1, Ordering::Relaxed);
        janitor::want_worker();
        // SAFETY: in the runtime with our P.
        unsafe { p.put(next) };
    }
    None
}

/// A preemption was asked for while the goroutine was in the runtime; it leaves it now.
#[cold]
pub(crate) fn deferred(m: &'static M) {
    m.pending.store(false, std::sync::atomic::Ordering::Relaxed);
    if m.p.load(Ordering::Relaxed).is_null() {
        return;
    }
    let g = m::current_g();
    // SAFETY: the running G is alive.
    let g = unsafe { &*g };
    if g.is_scheduler() {
        return;
    }
    m.enter();
    // SAFETY: it runs here, one level in.
    unsafe { give_way(m, g) };
    m.leave_quietly();
}
