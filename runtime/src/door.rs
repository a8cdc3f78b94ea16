//! The one door through which the protocols that loom checks take their atomics.
//!
//! Only self-contained protocols come through here (`p/ring.rs`, `sched/spin.rs`, `m/seat.rs`, `token.rs`); the rest of
//! the runtime has statics and assembly that loom cannot run.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};

pub(crate) use std::sync::atomic::compiler_fence;

/// Waits a moment for another thread, which the kernel may have to run first.
#[inline(always)]
pub(crate) fn relax() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::thread::yield_now();
}
