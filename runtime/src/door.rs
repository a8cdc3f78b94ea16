//! The one door through which the protocols that loom checks take their atomics.
//!
//! Only self-contained protocols come through here (`p/ring.rs`, `sched/spin.rs`, `token.rs`); the rest of the
//! runtime has statics and assembly that loom cannot run.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering, fence};
