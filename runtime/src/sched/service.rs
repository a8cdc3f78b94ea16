//! Which Ps are in service: how one leaves it, with what it has, and comes back (`set_procs`, and what the kernel allows).

use std::ptr;
use std::sync::atomic::Ordering;

use super::handing::let_go;
use super::idle::{call_worker, sleep};
use super::resting::RESTING;
use super::{SPIN, inject, procs, sysmon};
use crate::m::M;
use crate::p::P;

/// Puts the Ps `0..count` into service and all others out of it. Called with the Ps made.
pub(crate) fn set_service(count: usize) {
    let mut resting = RESTING.lock();
    for i in 0..procs::ever() {
        let p = procs::get(i);
        if i >= count {
            p.retired.store(true, Ordering::Relaxed);
            if p.is_idle.get() {
                resting.remove_p(p);
                p.out.set(true);
            } else {
                p.attend.set_due();
            }
        } else {
            p.retired.store(false, Ordering::Relaxed);
            if p.out.replace(false) {
                resting.push_p(p);
            }
        }
    }
    procs::set_in_service(count);
    let wake_sysmon = std::mem::take(&mut resting.sysmon_asleep);
    drop(resting);
    for _ in 0..count {
        if SPIN.submitted() {
            call_worker(ptr::null());
        }
    }
    if wake_sysmon {
        sysmon::wake();
    }
}

/// Takes a retired P out of service: what it has goes to the global queue, its timers stay and are looked at by
/// others. Returns with another P, in time.
pub(crate) fn retire(m: &'static M) {
    let p = m.p();
    let mut moved = false;
    // SAFETY: we hold p and are in the runtime.
    while let Some(g) = unsafe { p.take() } {
        inject::put_batch(&[g.cast_mut()]);
        moved = true;
    }
    // SAFETY: likewise.
    unsafe { (*p.stacks.get()).flush() };
    let resting = RESTING.lock();
    if !p.retired.load(Ordering::Relaxed) {
        // Back in service meanwhile.
        return;
    }
    let_go(m).out.set(true);
    drop(resting);
    // While we searched others kept quiet: the last searcher asks on their behalf.
    let last = m.spinning.replace(false) && SPIN.found();
    if (moved || last || p.timers.earliest() != u64::MAX) && SPIN.submitted() {
        call_worker(ptr::null());
    }
    sleep(m);
}

/// Takes a retired P that nobody holds out of service. False if it is back in service.
pub(super) fn put_out(p: &P) -> bool {
    // SAFETY: nobody holds p but we, in the runtime.
    unsafe {
        while let Some(g) = p.take() {
            inject::put_batch(&[g.cast_mut()]);
        }
        (*p.stacks.get()).flush();
    }
    let resting = RESTING.lock();
    if !p.retired.load(Ordering::Relaxed) {
        return false;
    }
    p.out.set(true);
    drop(resting);
    if SPIN.submitted() {
        call_worker(ptr::null());
    }
    true
}

/// Makes every P look at the timers at its next switch.
pub(crate) fn attend_all() {
    for i in 0..procs::ever() {
        procs::get(i).attend.set_due();
    }
}
