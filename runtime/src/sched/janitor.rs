//! The janitor: the thread for chores that may allocate, map memory or start threads, and so may have to wait for
//! a goroutine that holds malloc's lock. Nobody's progress depends on it while a spare worker is in stock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::{STATS, idle, procs};
use crate::futex::Event;
use crate::timer::now;

static EVENT: Event = Event::new();
static WANTED: AtomicBool = AtomicBool::new(false);

/// Resting workers to keep in stock, so that nobody waits for a thread to be started.
fn stock() -> usize {
    // A preemption takes a spare worker at once, and the next one may be asked for before a thread is started.
    if crate::preempt::slice().is_some() { 2 } else { 1 }
}
/// As many threads as Go allows.
const MOST_WORKERS: usize = 10_000;
/// Between two rounds of chores.
const ROUND_NANOS: u64 = 1_000_000_000;
/// Stacks looked at in one round.
const SCAVENGE: usize = 65_536;

/// Asks for one more worker.
pub(crate) fn want_worker() {
    WANTED.store(true, Ordering::Release);
    EVENT.set();
}

/// The thread.
pub(crate) fn main() {
    let mut round = now() + ROUND_NANOS;
    let mut retry = Duration::ZERO;
    loop {
        if retry.is_zero() {
            EVENT.wait_until(round);
        } else {
            std::thread::sleep(retry);
        }
        let wanted = WANTED.swap(false, Ordering::Acquire) || !retry.is_zero();
        retry = if wanted || idle::spare() < stock() { hire(retry) } else { Duration::ZERO };
        if now() >= round {
            round = now() + ROUND_NANOS;
            procs::follow_machine();
            if let Ok(config) = crate::runtime::running() {
                config.notice_libraries();
            }
            // A thread-local block is kept with its stack: laying it anew costs more than the pages, and libc may know it.
            gander_stack::scavenge(SCAVENGE, |_| false);
        }
    }
}

/// Starts workers until the stock is full. Returns how long to wait before trying again, zero if all went well.
fn hire(retry: Duration) -> Duration {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);
    static SAID: AtomicUsize = AtomicUsize::new(0);
    let workers = STATS.workers.load(Ordering::Relaxed);
    let problem = if workers >= MOST_WORKERS {
        format!("{workers} worker threads run, which is the most gander starts")
    } else {
        match crate::m::start_thread() {
            Ok(()) => return Duration::ZERO,
            Err(error) => format!(
                "cannot start a worker thread beside the {workers} that run: {error} (limits: RLIMIT_NPROC, \
                 kernel.threads-max, pids.max of the control group)"
            ),
        }
    };
    if SAID.swap(1, Ordering::Relaxed) == 0 {
        eprintln!("gander: {problem}; going on with these");
    }
    (retry * 2).clamp(FIRST, LONGEST)
}
