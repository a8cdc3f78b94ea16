//! How a worker that finds nothing comes to rest: on its futex, until the earliest timer, or in the poller; and how it is
//! called back.

use std::ptr;
use std::sync::atomic::Ordering;

use super::handing::{accept, hand, let_go, take_any, take_over};
use super::resting::{KEPT, RESTING};
use super::{SPIN, find, inject, janitor, procs, sysmon};
use crate::m::M;
use crate::p::P;
use crate::poll;
use crate::preempt;

/// Wakes a resting worker and gives it a resting P, to search for work. The caller has counted it as searching.
pub(crate) fn call_worker(woken_by: *const P) {
    loop {
        let mut resting = RESTING.lock();
        if let Some((p, wake_sysmon)) = resting.pop_p() {
            return match resting.pop_m() {
                Some((m, unkept)) => {
                    drop(resting);
                    m.spinning.set(true);
                    m.woken_by.store(woken_by.cast_mut(), Ordering::Relaxed);
                    hand(m, p);
                    if wake_sysmon {
                        sysmon::wake();
                    }
                    sysmon::mind(unkept);
                }
                None => {
                    drop(resting);
                    let _ = SPIN.found();
                    janitor::want_worker();
                    // Who has a thread of its own can go on; the janitor may have to wait for it.
                    // SAFETY: it was queued and is ours now.
                    match inject::take_bound().and_then(|g| unsafe { preempt::with_own_thread(g) }) {
                        Some(heir) => heir.inherit(p),
                        None => {
                            // The worker that the janitor starts takes an idle P and searches all queues.
                            let mut resting = RESTING.lock();
                            resting.push_p(p);
                            resting.sysmon_asleep |= wake_sysmon;
                            return;
                        }
                    }
                    if wake_sysmon {
                        sysmon::wake();
                    }
                }
            };
        }
        drop(resting);
        // While we counted as searching others kept quiet, and a P may have come to rest since.
        if !(SPIN.found() && SPIN.submitted()) {
            return;
        }
    }
}

/// A new worker takes an idle P, or rests.
pub(crate) fn first_rest(m: &'static M) {
    let took = take_idle(m);
    janitor::started();
    if !took {
        sleep(m);
    }
}

/// Takes an idle P and begins to search with it.
fn take_idle(m: &M) -> bool {
    let mut resting = RESTING.lock();
    let Some((p, wake_sysmon)) = resting.pop_p() else { return false };
    drop(resting);
    SPIN.search();
    m.spinning.set(true);
    take_over(m, p);
    if wake_sysmon {
        sysmon::wake();
    }
    true
}

/// The worker found nothing: it puts its P to rest and sleeps, and returns with a P.
pub(crate) fn rest(m: &'static M) {
    let mut resting = RESTING.lock();
    if m.p().retired.load(Ordering::Relaxed) {
        return;
    }
    resting.push_p(let_go(m));
    drop(resting);
    let searched = m.spinning.replace(false);
    SPIN.rested(searched);
    // From here on whoever submits sees our P at rest; what was submitted before, we see.
    if work_anywhere(m) && take_idle(m) {
        return;
    }
    if searched {
        find::blame(m);
    }
    // Whoever sleeps looks for the earliest timer.
    m.armed.set(u64::MAX);
    sleep(m);
}

/// Whether any queue has something that this worker could take.
fn work_anywhere(m: &M) -> bool {
    if inject::len() > 0 {
        return true;
    }
    let mut next_seen = false;
    for i in 0..procs::ever() {
        let p = procs::get(i);
        if !p.ring.is_empty() {
            return true;
        }
        next_seen |= !p.peek_next().is_null();
    }
    // A pair that wakes each other on one P nearly always shows a goroutine in the next slot: search for it once,
    // and then leave it to sysmon, or we would never rest.
    let again = next_seen && !m.searched_next.get();
    m.searched_next.set(again);
    again
}

/// Sleeps until handed a P, or until the earliest timer, or until the poller reports something, whichever is first;
/// returns with a P.
pub(super) fn sleep(m: &'static M) {
    // Whether it may keep the clock, or sleep in the poller.
    let mut may_serve = true;
    loop {
        let earliest = procs::earliest_timer();
        let mut resting = RESTING.lock();
        resting.push_m(m);
        let keeps = may_serve && earliest < KEPT.load(Ordering::Relaxed);
        if keeps {
            resting.keeper = m;
            KEPT.store(earliest, Ordering::Relaxed);
        }
        let polls = may_serve && resting.is_unpolled();
        if polls {
            resting.poller = m;
            resting.polled = true;
            m.polls.set(true);
        }
        drop(resting);
        // Who called between our P's coming to rest and ours found a P and no worker.
        if inject::len() > 0 && SPIN.submitted() {
            call_worker(ptr::null());
        }
        let until = if keeps { earliest } else { u64::MAX };
        if polls {
            match sleep_in_poller(m, until) {
                Slept::ReturnWithP => return,
                Slept::EveryPBusy => may_serve = false,
            }
            continue;
        }
        if !keeps {
            m.wake.wait();
            return accept(m);
        }
        if m.wake.wait_until(earliest) {
            return accept(m);
        }
        let mut resting = RESTING.lock();
        if !m.is_idle.get() {
            // Called at the last moment.
            drop(resting);
            m.wake.wait();
            return accept(m);
        }
        resting.remove_m(m);
        drop(resting);
        if take_idle(m) {
            // What was armed meanwhile relied on us.
            sysmon::mind(procs::next_timer_after(earliest));
            return;
        }
        // Every P is busy: sysmon sees to the timer, by taking one if need be.
        may_serve = false;
        sysmon::mind(earliest);
    }
}

enum Slept {
    ReturnWithP,
    EveryPBusy,
}

/// The part of [`sleep`] for the one that sleeps in the poller; until `until` if it keeps the clock, too.
fn sleep_in_poller(m: &'static M, until: u64) -> Slept {
    loop {
        let readied = poll::sleep_until(until);
        let mut resting = RESTING.lock();
        let called = !m.is_idle.get();
        if !called {
            if readied.is_empty() && crate::timer::now() < until {
                // A signal, or a late call for who slept here before.
                continue;
            }
            resting.remove_m(m);
        }
        resting.polled = false;
        drop(resting);
        if called {
            m.wake.wait();
            accept(m);
            // SAFETY: we have this P and are in the runtime.
            unsafe { readied.put(m.p()) };
            return Slept::ReturnWithP;
        }
        m.polls.set(false);
        // Without searching, if there is something to run: a search that ends well calls another worker, and the one
        // goroutine that most wake-ups bring needs only one.
        let has_p = if readied.is_empty() { take_idle(m) } else { take_any(m) };
        if has_p {
            // SAFETY: as above.
            let count = unsafe { readied.put(m.p()) };
            m.looks.set(count > 1);
            if count > 1 {
                super::call_if_resting();
            }
            if until != u64::MAX {
                sysmon::mind(procs::next_timer_after(until));
            }
            return Slept::ReturnWithP;
        }
        readied.inject();
        if until != u64::MAX {
            sysmon::mind(until);
        }
        return Slept::EveryPBusy;
    }
}
