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
//!   same turn for a slice,
//!   somebody waits ── SIGURG ─► handler: in the runtime? ─yes─► owed: looked at when it leaves
//!                               no: G is bound to M1 and queued
//!                               P ─────────────────────────────────► runs the next goroutine
//!                               sleeps in the handler                 …
//!                               ◄───────────────────────── P ─────── finds G: bound to M1: hands over, rests
//!                               returns into G
//! ```
//!
//! | file | answers |
//! |---|---|
//! | `mod.rs` | what giving way is, and who gets the P |
//! | `watch.rs` | whose turn is over, and who is asked (on sysmon) |
//! | `request.rs` | what is asked of a worker |
//! | `signal.rs` | the signal and its handler |
//! | `rescue.rs` | threads that sleep in the kernel lose their P |
//! | `hold.rs` | how user code holds preemption off |
//!
//! `docs/preemption.md` has the rules and what they were paid for.

pub(crate) mod hold;
pub(crate) mod request;
pub(crate) mod rescue;
pub(crate) mod signal;
pub(crate) mod watch;

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::g::{G, State};
use crate::inspect::trace;
use crate::m::{self, M};
use crate::p::P;
use crate::sched::{handing, inject, janitor, procs};

pub(crate) use request::{Cause, Request};

/// How long a goroutine may run while others wait, in nanoseconds; 0: for as long as it likes.
static SLICE: AtomicU64 = AtomicU64::new(0);

/// The slice of a program that asks for none.
pub(crate) const DEFAULT_SLICE_NANOS: u64 = 10_000_000;

/// The shortest slice: below this the machine does little else than preempt.
pub(crate) const SHORTEST_SLICE_NANOS: u64 = 100_000;

/// Preemptions since the start; those of them for somebody who was readied; and those that did not happen because there
/// was no thread for the next goroutine.
pub(crate) static COUNT: AtomicU64 = AtomicU64::new(0);
pub(crate) static WAKE_UPS: AtomicU64 = AtomicU64::new(0);
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

/// Gives the P of `m` to the next goroutine and sleeps until the running goroutine `g` has one again. Called in the
/// signal handler, or when a goroutine lets preemption in again that was asked for meanwhile: in both cases user code
/// is interrupted that may hold anything, so `g` stays on this thread.
///
/// Does nothing if nobody waits, or if there is no thread for the next one.
///
/// # Safety
///
/// `g` runs on `m`, which is in the runtime by exactly one level and has its P.
pub(crate) unsafe fn give_way(m: &'static M, g: &G, cause: Cause) {
    let p = m.p();
    // SAFETY: in the runtime with our P.
    let Some(heir) = (unsafe { find_heir_of_running(p, cause) }) else { return };
    COUNT.fetch_add(1, Ordering::Relaxed);
    if cause == Cause::WakeUp {
        WAKE_UPS.fetch_add(1, Ordering::Relaxed);
        p.kicks.store(p.kicks.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
    if p.attend.is_traced() {
        trace::preempted(p, g);
    }
    sleep_bound(m, g, || {
        // From here on another worker may find g and hand us its P: that waits in `handed` until we sleep.
        inject::put_preempted(g);
        crate::sched::call_if_resting();
        crate::m::place::put_here(heir.m);
        heir.inherit(handing::let_go(m));
    });
}

/// The goroutine of `m` was interrupted in a system call that goes on when the handler returns: to sleep here would
/// only have it sleep there later. It goes back to the call without its P.
///
/// # Safety
///
/// A goroutine runs on `m`, which is in the runtime by exactly one level and has its P.
pub(crate) unsafe fn step_aside(m: &'static M) {
    // SAFETY: in the runtime with our P.
    let Some(heir) = (unsafe { find_heir_of_running(m.p(), Cause::Slice) }) else { return };
    rescue::COUNT.fetch_add(1, Ordering::Relaxed);
    if trace::is_on() {
        trace::rescued(m.p());
    }
    heir.inherit(handing::let_go(m));
    m.seat.announce();
    rescue::watch(m);
}

/// Sleeps in the middle of the running goroutine `g`, bound to this thread, until a P is handed to `m` for it. `queue`
/// puts `g` where others find it.
fn sleep_bound(m: &M, g: &G, queue: impl FnOnce()) {
    let locked = !g.bound().is_null();
    g.bound.store(ptr::from_ref(m).cast_mut(), Ordering::Relaxed);
    g.set_state(State::Preempted);
    // Not in the handler only: where preemption is let in again, after any call of ours, a system call of the program's
    // may have failed just now. The block is the same when we return, for we stay on this thread.
    // SAFETY: errno is this thread-local block's.
    let errno = unsafe { *libc::__errno_location() };
    queue();
    handing::await_p(m);
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    m.handed_g.set(ptr::null());
    if !locked {
        g.bound.store(ptr::null_mut(), Ordering::Relaxed);
    }
    g.set_state(State::Running);
    // What was owed was owed by another turn.
    m.request.forget();
    let p = m.p();
    p.begin_turn();
    if p.attend.is_traced() {
        trace::ran(p, g);
    }
    // Others look at the tick to see whether anything moves here.
    p.tick.store(p.tick.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Who gets a P: a worker, and what it shall run first; null: what it finds.
pub(crate) struct Heir {
    pub(crate) m: &'static M,
    pub(crate) g: *const G,
}

impl Heir {
    /// Gives it the P, which is the caller's.
    pub(crate) fn inherit(self, p: &'static P) {
        p.begins_soon();
        handing::send_off(self.m, p, self.g);
    }
}

/// Who goes on in the place of the goroutine that runs now.
///
/// # Safety
///
/// The calling worker is in the runtime with `p`.
unsafe fn find_heir_of_running(p: &'static P, cause: Cause) -> Option<Heir> {
    p.ripe.store(false, Ordering::Relaxed);
    if cause == Cause::Slice {
        // Who waits in the next slot shares the slice that is over.
        let next = p.take_next();
        if !next.is_null() {
            // SAFETY: by contract.
            unsafe { p.put(next) };
        }
    }
    // The heir may be in the middle of user code and not come to the scheduler: what a timer readies is found here.
    procs::run_due_timers();
    p.attend.clear_due();
    let first = match cause {
        // The ring, which comes next, is not to be the only one that is served: who has begun is to end, and who was
        // readied outside has waited as long.
        Cause::Slice => match p.turn.load(Ordering::Relaxed) % 4 {
            0 => inject::take_preempted(),
            2 => inject::take_woken(),
            _ => None,
        },
        // Whoever was readied, here or elsewhere, comes before those who wait for their first slice.
        Cause::WakeUp => {
            let next = p.take_next();
            if next.is_null() { inject::take_woken() } else { Some(next) }
        }
    };
    // SAFETY: by contract.
    unsafe { find_heir(p, first) }
}

/// Who can go on with `p`: `first` if that is somebody, or the next in line.
///
/// # Safety
///
/// The caller has the private part of `p`, and `first` is its to hand over.
pub(crate) unsafe fn find_heir(p: &P, first: Option<*const G>) -> Option<Heir> {
    // SAFETY: by contract, for all three; the ring is empty when the last is asked.
    let first = first
        .or_else(|| unsafe { p.take().or_else(|| inject::take(p, procs::in_service(), 1)).or_else(|| steal(p)) })?;
    // SAFETY: it was queued and is ours now.
    if let Some(heir) = unsafe { with_own_thread(first) } {
        return Some(heir);
    }
    // The last spare worker is for those who were readied: most of them pause soon and give it back. Whoever has not begun
    // may compute, and then it is gone until the janitor has started another, if it may.
    // SAFETY: likewise.
    let has_begun = unsafe { !(*first).m.get().is_null() };
    if let Some(spare) = handing::take_spare(if has_begun { 0 } else { 1 }) {
        return Some(Heir { m: spare, g: first });
    }
    // Without a spare thread a goroutine that has its own can still go on: look past those that have not.
    NO_THREAD.fetch_add(1, Ordering::Relaxed);
    janitor::want_worker();
    // SAFETY: by contract.
    unsafe { p.put(first) };
    for _ in 0..p.ring.len() {
        // SAFETY: by contract.
        let Some(next) = (unsafe { p.ring.pop() }) else { break };
        // SAFETY: it was queued and is ours now.
        if let Some(heir) = unsafe { with_own_thread(next) } {
            return Some(heir);
        }
        // SAFETY: by contract.
        unsafe { p.put(next) };
    }
    // SAFETY: it was queued and is ours now.
    inject::take_bound().and_then(|next| unsafe { with_own_thread(next) })
}

/// Takes from the ring of another P: one that computes alone is not to have a P for itself while others share one.
///
/// # Safety
///
/// The caller has the private part of `p`, whose ring is empty.
unsafe fn steal(p: &P) -> Option<*const G> {
    (0..procs::ever())
        .map(procs::get)
        .filter(|victim| !ptr::eq(*victim, p))
        // SAFETY: by contract, and it is not the victim's.
        .find_map(|victim| unsafe { victim.ring.steal_into(&p.ring) })
        .map(<*mut G>::cast_const)
}

/// The heir that `g` is if it is bound to a thread, which sleeps then.
///
/// # Safety
///
/// `g` was queued and is the caller's to hand over.
pub(crate) unsafe fn with_own_thread(g: *const G) -> Option<Heir> {
    // SAFETY: by contract it is alive; Ms are never freed.
    unsafe { (*g).bound().as_ref() }.map(|m| Heir { m, g })
}

/// A preemption was asked for while it was held off; now it is let in.
#[cold]
pub(crate) fn deferred(m: &'static M) {
    // SAFETY: the running G is alive.
    let g = unsafe { &*m::current_g() };
    if g.is_scheduler() || g.holds.load(Ordering::Relaxed) > 0 {
        return;
    }
    let Some(cause) = m.request.take_pending() else { return };
    if !m.has_p() {
        return;
    }
    m.enter();
    if m.has_p() {
        // SAFETY: it runs here, one level in, with a P.
        unsafe { give_way(m, g, cause) };
    }
    m.leave_quietly();
}
