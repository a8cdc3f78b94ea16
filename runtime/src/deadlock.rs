//! All goroutines are asleep: nothing in this process will wake any of them, and the process says so and ends, as Go's.
//!
//! Never wrongly. It is only said if, at two moments between which nothing ran,
//!
//! * the main goroutine was started by `main` or `run`, and has not returned: its thread does nothing but wait for it;
//! * every goroutine waits for something that only another goroutine can do ([`WaitReason::ends_inside`]);
//! * no P has anything to run, no worker is anywhere but at rest, and no timer is set, not even one nobody waits for;
//! * the process has no thread but gander's and those that wait in `main` or `run`. Another one may hold one end of a
//!   channel, whether or not it ever used it.
//!
//! In every other case it is silent. A signal handler of the program's could still wake a goroutine, if it did what is not
//! async-signal-safe.
//!
//! sysmon suspects it when everybody has rested for a moment; the janitor makes sure.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

use crate::fatal;
use crate::futex::nap;
use crate::inspect::registry::{Depth, for_each};
use crate::inspect::{GoroutineState, quit};
use crate::sched::{SPIN, inject, janitor, procs};
use crate::timer::call;
use crate::{entry, m};

/// So long everybody rests before it is suspected.
pub(crate) const GRACE_NANOS: u64 = 10_000_000;
/// Between the two looks.
const BETWEEN_MICROS: u64 = 20_000;

/// Threads that wait for a main goroutine which has not ended.
static ENTRIES: AtomicUsize = AtomicUsize::new(0);
/// sysmon has asked for a look.
static SUSPECTED: AtomicBool = AtomicBool::new(false);
/// The threads that are neither workers nor the program's.
static HELPERS: [AtomicI32; 3] = [const { AtomicI32::new(0) }; 3];

/// A thread waits for a main goroutine; dropped by that goroutine when it ends, before the thread goes on.
pub(crate) struct Entry(());

impl Entry {
    pub(crate) fn new() -> Entry {
        ENTRIES.fetch_add(1, Ordering::SeqCst);
        Entry(())
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        ENTRIES.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The calling thread is gander's, and not a worker.
pub(crate) fn note_helper() {
    // SAFETY: asks for a number.
    let tid = unsafe { libc::gettid() };
    for helper in &HELPERS {
        if helper.compare_exchange(0, tid, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
            return;
        }
    }
    debug_assert!(false, "more helpers than there is room for");
}

/// Whether a look could find anything. For sysmon, when everybody rests.
pub(crate) fn is_possible() -> bool {
    ENTRIES.load(Ordering::Relaxed) > 0 && procs::earliest_timer() == u64::MAX
}

/// Everybody has rested for [`GRACE_NANOS`].
pub(crate) fn suspect() {
    SUSPECTED.store(true, Ordering::Relaxed);
    janitor::wake();
}

/// Whether a look was asked for. For the janitor.
pub(crate) fn is_suspected() -> bool {
    SUSPECTED.swap(false, Ordering::Relaxed)
}

/// Ends the process if all goroutines are asleep.
pub(crate) fn check() {
    let Some(before) = Asleep::look() else { return };
    nap(BETWEEN_MICROS);
    if Asleep::look().as_ref() != Some(&before) || !has_only_own_threads(before.entries) {
        return;
    }
    // Once more, after the look at the threads: one of them may have readied somebody and ended.
    if Asleep::look().as_ref() == Some(&before) {
        let all = quit::all();
        fatal::exit(format!("fatal error: all goroutines are asleep - deadlock!\n\n{all}").trim_end());
    }
}

/// What stays the same as long as nothing runs.
#[derive(PartialEq, Eq)]
struct Asleep {
    entries: usize,
    goroutines: usize,
    turns: u64,
}

impl Asleep {
    /// None: somebody is awake, or will be.
    fn look() -> Option<Asleep> {
        let entries = ENTRIES.load(Ordering::SeqCst);
        let sleeps = entries > 0
            && SPIN.idle() as usize >= procs::in_service()
            && SPIN.searching() == 0
            && inject::len() == 0
            && procs::earliest_timer() == u64::MAX
            && !call::is_any_set_or_due()
            && m::all().all(|m| m.seat.p().is_null() && !m.seat.is_detached());
        if !sleeps {
            return None;
        }
        let mut turns = 0u64;
        for i in 0..procs::ever() {
            let p = procs::get(i);
            if p.has_work() {
                return None;
            }
            turns = turns.wrapping_add(p.counts.switches.load(Ordering::Acquire));
        }
        let (mut goroutines, mut all_wait) = (0, true);
        for_each(Depth::Header, |goroutine| {
            goroutines += 1;
            all_wait &= matches!(goroutine.state, GoroutineState::Waiting(reason) if reason.ends_inside());
        });
        let is_whole = goroutines > 0 && goroutines == entry::num_goroutines();
        (is_whole && all_wait).then_some(Asleep { entries, goroutines, turns })
    }
}

/// Whether the process has no threads but ours and `entries` others.
fn has_only_own_threads(entries: usize) -> bool {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return false };
    let mut others = 0;
    for task in tasks {
        let tid = task.ok().and_then(|task| task.file_name().to_str()?.parse::<i32>().ok());
        let Some(tid) = tid else { return false };
        let is_ours = HELPERS.iter().any(|helper| helper.load(Ordering::SeqCst) == tid)
            || m::all().any(|m| m.tid.load(Ordering::Relaxed) == tid);
        others += usize::from(!is_ours);
    }
    others == entries
}
