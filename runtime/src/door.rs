//! The one door through which the protocols that loom checks take their atomics and locks.
//!
//! Only self-contained protocols come through here (`p/ring.rs`, `sched/spin.rs`, `m/seat.rs`, `token.rs`, `cancel.rs`);
//! the rest of the runtime has statics and assembly that loom cannot run.
//!
//! `cfg(loom)` says that this is a model; `cfg(shuttle)` beside it, that shuttle runs it and not loom: it tries random
//! orders, where there are too many for all of them, and does not know weak memory.

#[cfg(all(loom, not(shuttle)))]
use loom as checker;
#[cfg(all(loom, shuttle))]
use shuttle as checker;

#[cfg(loom)]
pub(crate) use checker::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};

#[cfg(not(loom))]
pub(crate) use crate::lock::Lock;

/// Stands in for the runtime's spin lock.
#[cfg(loom)]
#[derive(Debug)]
pub(crate) struct Lock<T>(checker::sync::Mutex<T>);

#[cfg(loom)]
impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Lock<T> {
        Lock(checker::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> checker::sync::MutexGuard<'_, T> {
        self.0.lock().expect("a model does not panic while it holds a lock")
    }
}

pub(crate) use std::sync::atomic::compiler_fence;

/// Waits a moment for another thread, which the kernel may have to run first.
#[inline(always)]
pub(crate) fn relax() {
    #[cfg(loom)]
    checker::thread::yield_now();
    #[cfg(not(loom))]
    std::thread::yield_now();
}
