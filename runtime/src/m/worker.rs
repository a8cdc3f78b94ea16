//! The life of a worker thread.

use std::io;
use std::ptr;
use std::sync::atomic::Ordering;

use memmap2::MmapMut;

use super::{M, sigstack};
use crate::lock::Lock;
use crate::preempt::signal;
use crate::sched::{self, STATS, janitor};

/// Starts a worker thread. It looks for an idle P by itself.
///
/// # Errors
/// No thread can be had, or no memory for one. Nothing that can fail is left to the thread itself: there nobody could
/// be told.
pub(crate) fn start_thread() -> io::Result<()> {
    let memory = sigstack::reserve()?;
    // Counted here and not when it runs: the next one may be started before.
    STATS.workers.fetch_add(1, Ordering::Relaxed);
    janitor::starting();
    let started = std::thread::Builder::new().name("gander-worker".into()).spawn(move || main(memory));
    if started.is_err() {
        janitor::started();
        STATS.workers.fetch_sub(1, Ordering::Relaxed);
    }
    started.map(drop)
}

fn main(mut memory: MmapMut) {
    sigstack::install(&mut memory);
    let m = retired().unwrap_or_else(|| {
        // Never freed: other threads may look at an M at any time.
        let m: &'static M = Box::leak(Box::new(M::new()));
        m.g0.m.set(m);
        m.enlist();
        m
    });
    gander_arch::set_current(std::ptr::from_ref(&m.g0).cast_mut().cast());
    signal::let_in();
    sched::work(m);
    // Its bound goroutine ended without unlocking: its thread's state is not to be inherited by anybody, so the thread
    // ends, and its thread-locals with it. Or too many rest.
    STATS.workers.fetch_sub(1, Ordering::Relaxed);
    m.tid.store(0, Ordering::Relaxed);
    gander_arch::set_current(std::ptr::null_mut());
    sigstack::remove(memory);
    retire(m);
}

// ---- an M outlives its thread, and serves another ----

/// Ms whose threads have ended, linked by `idle_next`.
static RETIRED: Lock<Option<&'static M>> = Lock::new(None);

/// The thread of `m` ends.
fn retire(m: &'static M) {
    debug_assert!(!m.has_p() && !m.is_idle.get());
    let mut retired = RETIRED.lock();
    m.idle_next.set(retired.map_or(ptr::null(), ptr::from_ref));
    *retired = Some(m);
}

/// An M without a thread, for the calling one: as new, but for what others may still read of it.
fn retired() -> Option<&'static M> {
    let mut retired = RETIRED.lock();
    let m = (*retired)?;
    // SAFETY: Ms are never freed.
    *retired = unsafe { m.idle_next.get().as_ref() };
    drop(retired);
    m.ending.set(false);
    m.bound.set(ptr::null());
    m.request.forget();
    m.g0.thread_pointer.set(gander_arch::thread_pointer());
    // SAFETY: asks for a number.
    m.tid.store(unsafe { libc::gettid() }, Ordering::Relaxed);
    Some(m)
}
