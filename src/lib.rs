//! Goroutines for Rust (work in progress: the crate documentation is written last).

#![forbid(unsafe_code)]

pub use gander_macros::{main, test};
pub use gander_runtime::{
    Builder, Goroutine, GoroutineId, GoroutineLocal, JoinHandle, Scope, ScopedJoinHandle, SpawnError, StartError,
    UnhandledPanic, blocking, current, exit, go, goroutine_local, is_exit, is_goroutine, lock_os_thread,
    num_goroutines, park, park_timeout, procs, run, scope, set_procs, set_unhandled_panic_hook, sleep, spawn,
    take_unhandled_panic_hook, try_current, unlock_os_thread, yield_now,
};

/// Channels: how goroutines exchange values.
pub mod chan {
    pub use gander_chan::*;
}

#[doc(hidden)]
pub mod __private {
    pub use gander_runtime::{main, test, test_unit};
}

/// Deep recursions.
pub mod stack {
    pub use gander_runtime::{grow, grow_to, maybe_grow, remaining};
}

/// The examples of the README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
