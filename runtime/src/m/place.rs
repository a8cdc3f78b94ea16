//! Where a thread begins that goes on in another's place: on the same processor.
//!
//! A preempted thread wakes its heir and goes to sleep. Left alone the kernel puts the heir where it last ran, or on a
//! processor that is idle at this very moment, and often two of them on one; the other processor then has nothing, and
//! nobody looks before the next tick, up to 4 ms later. (There is a hint for "I am about to sleep", but no futex gives
//! it.) So the heir is bound to the waker's processor while it sleeps, and takes that off itself when it runs: then it
//! is where it should be, and the kernel may move it as it likes.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};

use super::M;

type Set = libc::cpu_set_t;
const SIZE: usize = size_of::<Set>();
const WORDS: usize = SIZE / size_of::<u64>();

/// The processors a worker may run on, while it is bound to one.
pub(crate) struct Place {
    allowed: Cell<Option<Set>>,
}

impl Place {
    pub(crate) const fn new() -> Place {
        Place { allowed: Cell::new(None) }
    }
}

/// Binds `m`, which sleeps and is the caller's to wake, to this processor until it runs. What is refused is left as
/// it is. Async-signal-safe.
pub(crate) fn put_here(m: &M) {
    let tid = m.tid.load(Ordering::Relaxed);
    // Bound still if it could not be set free.
    let Some(allowed) = m.place.allowed.get().or_else(|| allowed(tid)) else { return };
    // SAFETY: ask for numbers; the sets are valid, and the call reads ours.
    unsafe {
        // Between threads of real time the heir would wait for as long as its waker finds something else to do.
        if libc::sched_getscheduler(0) != libc::SCHED_OTHER {
            return;
        }
        let Ok(here) = usize::try_from(libc::sched_getcpu()) else { return };
        // The program keeps it away from here, or it has no choice.
        if here >= 8 * SIZE || !libc::CPU_ISSET(here, &allowed) || libc::CPU_COUNT(&allowed) == 1 {
            return;
        }
        let mut only: Set = std::mem::zeroed();
        libc::CPU_SET(here, &mut only);
        if libc::sched_setaffinity(tid, SIZE, &only) == 0 {
            m.place.allowed.set(Some(allowed));
        }
    }
}

/// Lets `m`, the calling worker, go where it may again.
#[inline]
pub(crate) fn set_free(m: &M) {
    if let Some(allowed) = m.place.allowed.get() {
        let allowed = up_to_date(allowed);
        // SAFETY: reads our set.
        if unsafe { libc::sched_setaffinity(0, SIZE, &allowed) } == 0 {
            m.place.allowed.set(None);
        }
    }
}

/// Where a thread (0: this one) may run. None where there are more processors than the set has bits.
pub(crate) fn allowed(tid: libc::pid_t) -> Option<Set> {
    let mut set = MaybeUninit::<Set>::zeroed();
    // SAFETY: writes our set, for which zero is valid.
    unsafe { (libc::sched_getaffinity(tid, SIZE, set.as_mut_ptr()) == 0).then(|| set.assume_init()) }
}

// ---- when the machine, or its administrator, changes what is allowed ----

/// What a thread that is never bound may use, and what it might before the last change. A set that is written while it
/// is read has some words of each, which is as good: either was right a moment ago.
static NOW: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];
static BEFORE: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// To be called from time to time on a thread that is never bound: the kernel forgets that a set once given by us was
/// "all there are", and would keep a worker to it when there are more.
pub(crate) fn follow_machine() {
    let Some(set) = allowed(0) else { return };
    let is_new = words(&set).into_iter().zip(&NOW).any(|(word, now)| word != now.load(Ordering::Relaxed));
    if is_new {
        for (i, word) in words(&set).into_iter().enumerate() {
            BEFORE[i].store(NOW[i].swap(word, Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// What to give back to a worker that had `set`: that, unless it is what everybody had before the last change.
fn up_to_date(set: Set) -> Set {
    let was_common =
        words(&set).into_iter().zip(&BEFORE).all(|(word, before)| word == before.load(Ordering::Relaxed));
    if !was_common {
        return set;
    }
    let now: [u64; WORDS] = std::array::from_fn(|i| NOW[i].load(Ordering::Relaxed));
    // SAFETY: a set is an array of so many bits.
    unsafe { std::mem::transmute::<[u64; WORDS], Set>(now) }
}

fn words(set: &Set) -> [u64; WORDS] {
    // SAFETY: as above.
    unsafe { std::mem::transmute::<Set, [u64; WORDS]>(*set) }
}
