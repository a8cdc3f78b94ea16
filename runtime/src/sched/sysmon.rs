//! sysmon: the thread that looks after what nobody else would notice.
//!
//! It needs no P, takes no lock that a preempted goroutine could hold, and never allocates: others' progress may
//! depend on it (`[signal-quiet]`).

use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::{SPIN, idle, procs, resting};
use crate::deadlock;
use crate::futex::{Event, nap};
use crate::inspect::clock;
use crate::poll::Duty;
use crate::preempt;
use crate::preempt::rescue::Chase;
use crate::preempt::watch::{self, Turns};
use crate::timer::now;

static EVENT: Event = Event::new();
/// When it wakes by itself, at the latest.
static WAKES_AT: AtomicU64 = AtomicU64::new(0);

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
    if deadline < resting::kept() && deadline < WAKES_AT.load(Ordering::Relaxed) {
        EVENT.set();
    }
}

/// A goroutine was readied outside any P while all are busy: one of them is to be taken.
pub(crate) fn kick() {
    if preempt::slice().is_some() && watch::kicked() {
        EVENT.set();
    }
}

/// The thread.
pub(crate) fn main() {
    /// It looks at most so often, however often it is woken.
    const REST_NANOS: u64 = 50_000;
    be_prompt();
    deadlock::note_helper();
    let mut turns = Turns::new();
    let mut chase = Chase::new();
    let mut duty = Duty::new();
    let mut pause = watch::SHORTEST_NANOS;
    loop {
        // Before the look at the timers: a thread that has no P can arm one while everybody rests, and wakes us if it
        // is earlier than this.
        WAKES_AT.store(u64::MAX, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if resting::sysmon_sleeps() {
            sleep();
        }
        let start = now();
        clock::set(start);
        let (look_again, waits) = turns.look(start);
        // Nobody was called when a goroutine was readied into a next slot (see `quiet`), or the call was late: here
        // at the latest somebody is.
        let (poll_again, reported) = duty.look(start);
        let called = (waits || reported) && SPIN.submitted();
        if called {
            idle::call_worker(ptr::null());
        }
        pause = if called { watch::SHORTEST_NANOS } else { (pause * 2).min(watch::LONGEST_NANOS) };
        let look_again =
            look_again.min(poll_again).min(chase.look(start)).min(start + pause).max(start + REST_NANOS);
        WAKES_AT.store(look_again, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        // What is due already was just seen to.
        let until = procs::next_timer_after(start).min(look_again);
        WAKES_AT.store(until, Ordering::Relaxed);
        EVENT.wait_until(until);
        if now() < start + REST_NANOS {
            nap(REST_NANOS / 1000);
        }
    }
}

/// Sleeps until woken, while everybody rests.
fn sleep() {
    if deadlock::is_possible() {
        if EVENT.wait_until(now() + deadlock::GRACE_NANOS) {
            return;
        }
        deadlock::suspect();
    }
    EVENT.wait();
}

/// Asks the kernel to run this thread soon after it wakes. All are hints, and any may be refused.
///
/// Among equals the kernel lets a thread that wakes wait for up to 4 ms when others are owed more time, however short
/// its turns are: beside busy loops one wake-up in thirty. Real-time priority is never owed anything. It is had by
/// root, and within RLIMIT_RTPRIO; sysmon rests after each look, so nobody is kept waiting.
fn be_prompt() {
    #[repr(C)]
    #[derive(Default)]
    struct SchedAttr {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let size = size_of::<SchedAttr>() as u32;
    let mut attr = SchedAttr::default();
    let first_in_line = libc::sched_param { sched_priority: 1 };
    // SAFETY: all read and set numbers of the calling thread; the second but last writes our local.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1u64);
        let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
        if libc::sched_setscheduler(0, policy, &first_in_line) == 0 {
            return;
        }
        // Short turns. Everything else, niceness above all, is to stay as it is.
        if libc::syscall(libc::SYS_sched_getattr, 0, &mut attr, size, 0) == 0 {
            attr.runtime = 100_000;
            libc::syscall(libc::SYS_sched_setattr, 0, &attr, 0);
        }
    }
}
