//! sysmon: the thread that looks after what nobody else would notice.
//!
//! It needs no P, takes no lock that a preempted goroutine could hold, and never allocates: others' progress may
//! depend on it (`[signal-quiet]`).

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::{SPIN, idle, inject, procs};
use crate::futex::Event;
use crate::timer::now;

static EVENT: Event = Event::new();
/// When it wakes by itself, at the latest.
static WAKES_AT: AtomicU64 = AtomicU64::new(0);

const SHORTEST_NANOS: u64 = 100_000;
const LONGEST_NANOS: u64 = 10_000_000;

/// Wakes it from its sleep without an end.
pub(crate) fn wake() {
    EVENT.set();
}

/// Sees to it that somebody looks when `deadline` comes: a resting worker, or sysmon.
pub(crate) fn mind(deadline: u64) {
    if deadline == u64::MAX {
        return;
    }
    // Partner of the fence in `main`: the timer was armed before, or sysmon sees it after.
    fence(Ordering::SeqCst);
    if deadline < idle::kept() && deadline < WAKES_AT.load(Ordering::Relaxed) {
        EVENT.set();
    }
}

/// The thread.
pub(crate) fn main() {
    // One nanosecond: timers that only sysmon minds are late by what it sleeps too long.
    // SAFETY: sets a number of the calling thread.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1u64);
    }
    let mut interval = SHORTEST_NANOS;
    loop {
        if idle::sysmon_sleeps() {
            WAKES_AT.store(u64::MAX, Ordering::Relaxed);
            EVENT.wait();
            interval = SHORTEST_NANOS;
            continue;
        }
        let start = now();
        WAKES_AT.store(start + interval, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let until = procs::earliest_timer().clamp(start + 1_000, start + interval);
        WAKES_AT.store(until, Ordering::Relaxed);
        EVENT.wait_until(until);
        interval = if look() { SHORTEST_NANOS } else { (interval * 2).min(LONGEST_NANOS) };
    }
}

/// One look around. True if there was something to do.
fn look() -> bool {
    let now = now();
    let mut work = inject::len() > 0;
    let mut due = false;
    for i in 0..procs::ever() {
        let p = procs::get(i);
        work |= p.has_work();
        due |= p.timers.earliest() <= now;
    }
    if due {
        // The P whose timer it is may be stuck.
        idle::attend_all();
    }
    // Nobody was called when a goroutine was readied into a next slot (see `quiet`), or the call was late: here at
    // the latest somebody is.
    let call = (work || due) && SPIN.submitted();
    if call {
        idle::call_worker(ptr::null());
    }
    call
}
