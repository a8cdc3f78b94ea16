//! The janitor: the thread for chores that may allocate, map memory or start threads, and so may have to wait for
//! a goroutine that holds malloc's lock. Nobody's progress depends on it while a spare worker is in stock.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::{SPIN, STATS, handing, idle, procs, resting};
use crate::deadlock;
use crate::futex::Event;
use crate::inspect::quit;
use crate::m::place;
use crate::preempt::{rescue, signal};
use crate::timer::now;

static EVENT: Event = Event::new();
/// Wakes it even while it waits to try again.
static URGENT: Event = Event::new();
/// A worker that is blocked keeps its P, because none rests to take it.
static STUCK: AtomicBool = AtomicBool::new(false);
static WANTED: AtomicBool = AtomicBool::new(false);
/// Resting workers to keep in stock: each preemption of a goroutine that never was preempted before takes one for good,
/// and the next may come before a thread is started.
static STOCK: AtomicUsize = AtomicUsize::new(FEWEST_IN_STOCK);
const FEWEST_IN_STOCK: usize = 2;
const MOST_IN_STOCK: usize = 32;

/// The most workers, those aside that are away in a blocking call.
static CAP: AtomicUsize = AtomicUsize::new(DEFAULT_CAP);
/// As many threads as Go allows.
const DEFAULT_CAP: usize = 10_000;

/// Workers that were started and do not rest or run yet.
static STARTING: AtomicUsize = AtomicUsize::new(0);

/// Between two rounds of chores.
const ROUND_NANOS: u64 = 1_000_000_000;
/// Stacks looked at in one round.
const SCAVENGE: usize = 65_536;

pub(crate) fn set_cap(cap: usize) {
    CAP.store(cap, Ordering::Relaxed);
}

/// The most workers, those aside that are away in a blocking call.
pub(crate) fn cap() -> usize {
    CAP.load(Ordering::Relaxed)
}

/// Asks for one more worker: somebody looked for one in vain.
pub(crate) fn want_worker() {
    if !WANTED.swap(true, Ordering::AcqRel) {
        EVENT.set();
    }
}

/// A worker is blocked with its P, and nobody rests to take that: one more is needed, at the cap as well, for one that is
/// blocked does not count. (It will not be counted from the moment its P is taken; until then there is one too many.)
pub(crate) fn want_rescuer() {
    want_worker();
    if !STUCK.swap(true, Ordering::AcqRel) {
        URGENT.set();
    }
}

/// `left` workers rest after one was taken.
pub(crate) fn one_less(left: usize) {
    if left < STOCK.load(Ordering::Relaxed) / 2 + 1 {
        EVENT.set();
    }
}

/// A worker is being started.
pub(crate) fn starting() {
    STARTING.fetch_add(1, Ordering::Relaxed);
}

/// It has started, or could not.
pub(crate) fn started() {
    STARTING.fetch_sub(1, Ordering::Relaxed);
}

/// Wakes it. Async-signal-safe.
pub(crate) fn wake() {
    EVENT.set();
}

/// The thread.
pub(crate) fn main() {
    deadlock::note_helper();
    gander_stack::set_builder(wake);
    let mut round = now() + ROUND_NANOS;
    let mut retry = Duration::ZERO;
    loop {
        if retry.is_zero() {
            EVENT.wait_until(round);
        } else {
            URGENT.wait_until(now() + retry.as_nanos() as u64);
        }
        if quit::is_asked() {
            quit::quit();
        }
        retry = stock_up(retry);
        gander_stack::build_ahead();
        if deadlock::is_suspected() {
            deadlock::check();
        }
        if now() >= round {
            round = now() + ROUND_NANOS;
            // Whoever preempts a lot of fresh goroutines again will be missed again.
            STOCK.store((STOCK.load(Ordering::Relaxed) / 2).max(FEWEST_IN_STOCK), Ordering::Relaxed);
            do_chores();
        }
    }
}

/// Lets a part of those go who rest since a time when many were needed.
fn send_some_home() {
    /// So many may rest for ever: a thread at rest costs some 20 KiB.
    const MAY_STAY: usize = 64;
    /// So long one needs to leave, with the P that the next one is to take.
    const LEAVES: Duration = Duration::from_micros(200);
    let rest = resting::spare();
    let stay = MAY_STAY.max(STOCK.load(Ordering::Relaxed)).max(rest - rest / 4);
    while handing::send_home(stay) {
        std::thread::sleep(LEAVES);
    }
}

fn do_chores() {
    send_some_home();
    procs::follow_machine();
    place::follow_machine();
    // The last foreign thread may have ended since everybody went to sleep.
    deadlock::check();
    if let Ok(config) = crate::runtime::running() {
        config.notice_libraries();
    }
    // A thread-local block is kept with its stack: laying it anew costs more than the pages, and libc may know it.
    gander_stack::scavenge(SCAVENGE, |_| false);
    if signal::was_taken() {
        eprintln!(
            "gander: another handler was installed for the preemption signal: goroutines are no longer preempted \
             (Builder::preempt_signal chooses another signal)"
        );
    }
}

/// Hires until the stock is full. Returns how long to wait before trying again, zero if all went well.
fn stock_up(retry: Duration) -> Duration {
    if WANTED.swap(false, Ordering::AcqRel) {
        if resting::spare() == 0 {
            // They are taken faster than we start them: start more at a time.
            STOCK.store((STOCK.load(Ordering::Relaxed) * 2).min(MOST_IN_STOCK), Ordering::Relaxed);
        } else if SPIN.submitted() {
            // One came to rest after it was looked for.
            idle::call_worker(ptr::null());
        }
    }
    let there = resting::spare() + STARTING.load(Ordering::Relaxed);
    for _ in there..STOCK.load(Ordering::Relaxed) {
        let retry = hire(retry);
        if !retry.is_zero() {
            return retry;
        }
    }
    Duration::ZERO
}

/// Starts a worker. Returns how long to wait before trying again, zero if all went well.
fn hire(retry: Duration) -> Duration {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);
    static SAID: AtomicBool = AtomicBool::new(false);
    let workers = STATS.workers.load(Ordering::Relaxed);
    let most = cap().saturating_add(usize::from(STUCK.swap(false, Ordering::AcqRel)));
    let problem = if workers.saturating_sub(rescue::away()) >= most {
        format!("{workers} worker threads run, which is the most it may start (Builder::max_threads)")
    } else {
        match crate::m::start_thread() {
            Ok(()) => return Duration::ZERO,
            Err(error) => format!(
                "cannot start a worker thread beside the {workers} that run: {error} (limits: RLIMIT_NPROC, RLIMIT_AS, \
                 kernel.threads-max, pids.max of the control group)"
            ),
        }
    };
    if !SAID.swap(true, Ordering::Relaxed) {
        eprintln!("gander: {problem}; going on with these");
    }
    (retry * 2).clamp(FIRST, LONGEST)
}
