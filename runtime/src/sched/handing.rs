//! How a P goes from one M to another: let go, handed with a wake-up, accepted, taken from the list, put there.

use std::ptr;
use std::sync::atomic::Ordering;

use super::idle::{call_worker, sleep};
use super::resting::{RESTING, spare};
use super::service::put_out;
use super::{SPIN, inject, janitor, procs, sysmon};
use crate::g::G;
use crate::inspect::clock;
use crate::m::{M, place};
use crate::p::P;
use crate::poll;
use crate::preempt;

/// Gives `p` to `m`, which is the calling thread's.
pub(super) fn take_over(m: &M, p: &P) {
    // While everybody rested nobody did.
    clock::set(crate::timer::now());
    m.seat.take(p);
    p.m.store(ptr::from_ref(m).cast_mut(), Ordering::Release);
}

/// Takes the P from `m`, which is the calling thread's.
pub(crate) fn let_go(m: &M) -> &'static P {
    m.p().m.store(ptr::null_mut(), Ordering::Relaxed);
    // SAFETY: Ps are never freed.
    unsafe { &*m.seat.let_go() }
}

/// Wakes `m` with a P. Nobody else may touch `m` until it runs.
pub(super) fn hand(m: &M, p: &P) {
    let polls = m.polls.get();
    m.seat.hand(p);
    m.wake.set();
    if polls {
        poll::call_sleeper();
    }
}

/// Takes what was handed with the wake-up.
pub(super) fn accept(m: &M) {
    place::set_free(m);
    m.polls.set(false);
    // SAFETY: handed Ps are live and nobody else's.
    let p = unsafe { &*m.seat.accept() };
    p.m.store(ptr::from_ref(m).cast_mut(), Ordering::Release);
}

/// Wakes a spare worker, or the one that `g` is bound to, with a P and what to run first.
pub(crate) fn send_off(m: &M, p: &P, g: *const G) {
    m.handed_g.set(g);
    hand(m, p);
}

/// Sleeps until handed a P.
pub(crate) fn await_p(m: &M) {
    m.wake.wait();
    accept(m);
}

/// Takes an idle P, without searching.
pub(crate) fn take_any(m: &M) -> bool {
    let mut resting = RESTING.lock();
    let Some((p, wake_sysmon)) = resting.pop_p() else { return false };
    drop(resting);
    take_over(m, p);
    if wake_sysmon {
        sysmon::wake();
    }
    true
}

/// Gives up the P, for a blocking call or for good: to a resting worker if there is something to run, else to the list.
pub(crate) fn release(m: &M) {
    let p = let_go(m);
    if p.has_work() || inject::len() > 0 {
        return pass_on(p);
    }
    let mut resting = RESTING.lock();
    if p.retired.load(Ordering::Relaxed) {
        drop(resting);
        return pass_on(p);
    }
    resting.push_p(p);
    let unpolled = resting.is_unpolled();
    drop(resting);
    // As `rest`: what was submitted before we said so, nobody else has seen.
    SPIN.rested(false);
    let waits = unpolled || inject::len() > 0 || (0..procs::ever()).any(|i| procs::get(i).has_work());
    if waits && SPIN.submitted() {
        call_worker(ptr::null());
    }
    sysmon::mind(p.timers.earliest());
}

/// Gives a P that nobody holds to a resting worker; to the list if there is none.
pub(super) fn pass_on(p: &'static P) {
    if p.retired.load(Ordering::Relaxed) && put_out(p) {
        return;
    }
    // A thief takes from the next slot only what its holder leaves there for long, and now there is none.
    let next = p.take_next();
    if !next.is_null() {
        // SAFETY: nobody holds p but we, in the runtime.
        unsafe { p.put(next) };
    }
    let mut resting = RESTING.lock();
    if let Some((m, unkept)) = resting.pop_m() {
        drop(resting);
        hand(m, p);
        sysmon::mind(unkept);
        return;
    }
    drop(resting);
    // SAFETY: nobody holds p but we, in the runtime.
    if let Some(heir) = unsafe { preempt::find_heir(p, None) } {
        return heir.inherit(p);
    }
    RESTING.lock().push_p(p);
    janitor::want_worker();
}

/// Hands our P and `g` to the worker `g` is bound to, and rests without a P.
pub(crate) fn hand_over(m: &'static M, bound: &M, g: &G) {
    let p = let_go(m);
    p.begins_soon();
    place::put_here(bound);
    send_off(bound, p, g);
    sleep(m);
}

/// Waits for the bound goroutine of this worker; the P goes to another worker meanwhile.
pub(crate) fn await_bound(m: &M) -> *const G {
    super::mind_timer(m);
    pass_on(let_go(m));
    m.wake.wait();
    accept(m);
    m.handed_g.replace(ptr::null())
}

/// Takes a resting worker out, to be sent off with a P, if more than so many rest.
pub(crate) fn take_spare(stay: usize) -> Option<&'static M> {
    let mut resting = RESTING.lock();
    if spare() <= stay {
        return None;
    }
    let (m, unkept) = resting.pop_m()?;
    drop(resting);
    janitor::one_less(spare());
    sysmon::mind(unkept);
    Some(m)
}

/// Puts back what [`take_spare`] gave: the worker still sleeps.
pub(crate) fn put_back_spare(m: &'static M) {
    RESTING.lock().push_m(m);
}

/// Sends a resting worker home if more than `stay` rest: its thread ends. It takes a resting P along, for a worker wakes
/// with one; if there is none somebody may need the thread soon. True: there may be more.
pub(crate) fn send_home(stay: usize) -> bool {
    let mut resting = RESTING.lock();
    if spare() <= stay {
        return false;
    }
    let Some(m) = resting.without_duty() else { return false };
    let Some((p, wake_sysmon)) = resting.pop_p() else { return false };
    resting.remove_m(m);
    drop(resting);
    m.ending.set(true);
    hand(m, p);
    if wake_sysmon {
        sysmon::wake();
    }
    true
}
