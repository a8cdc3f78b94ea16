//! gander's locks and their kin: how do goroutines wait for each other?
//!
//! What [`std::sync`] has is here with its names and signatures, so that `use gander::sync::…` replaces
//! `use std::sync::…`. In place of a thread a goroutine may wait; then its thread goes on with others. All of it works
//! from ordinary threads too, before the runtime is started, while it runs, and after, and between the two.
//!
//! | as in `std::sync` | [`Mutex`] [`RwLock`] [`Condvar`] [`Once`] [`OnceLock`] [`LazyLock`] [`Barrier`] [`mpsc`] |
//! |---|---|
//! | std's own | [`Arc`] [`Weak`] [`atomic`] and the errors |
//! | as in Go | [`WaitGroup`] [`Semaphore`] [`SingleFlight`] [`Pool`] [`Map`] [`once_func()`] [`once_value()`] |
//! | and | [`Notify`] |
//!
//! Everything that waits in this room stands in a line (`line.rs`) by one function, with a deadline or without. The
//! protocols in `raw/` know no data, and loom checks them.

#![cfg_attr(loom, allow(dead_code, reason = "under loom there are only the protocols"))]

mod door;
mod line;
mod raw;

#[cfg(not(loom))]
mod barrier;
#[cfg(not(loom))]
mod condvar;
#[cfg(not(loom))]
mod lazy_lock;
#[cfg(not(loom))]
mod map;
#[cfg(not(loom))]
pub mod mpsc;
#[cfg(not(loom))]
mod mutex;
#[cfg(not(loom))]
mod notify;
#[cfg(not(loom))]
mod once;
#[cfg(not(loom))]
mod once_func;
#[cfg(not(loom))]
mod once_lock;
#[cfg(not(loom))]
mod payload;
#[cfg(not(loom))]
mod poison;
#[cfg(not(loom))]
mod pool;
#[cfg(not(loom))]
mod rwlock;
#[cfg(not(loom))]
mod semaphore;
#[cfg(not(loom))]
mod single_flight;
#[cfg(not(loom))]
mod wait_group;

pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak, atomic};

#[cfg(not(loom))]
#[allow(deprecated, reason = "so is std's")]
pub use self::once::ONCE_INIT;
#[cfg(not(loom))]
pub use self::{
    barrier::{Barrier, BarrierWaitResult},
    condvar::{Condvar, WaitTimeoutResult},
    lazy_lock::LazyLock,
    map::Map,
    mutex::{Mutex, MutexGuard},
    notify::Notify,
    once::{Once, OnceState},
    once_func::{once_func, once_value},
    once_lock::OnceLock,
    pool::Pool,
    rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard},
    semaphore::{OwnedPermit, Permit, Semaphore},
    single_flight::SingleFlight,
    wait_group::{Pass, WaitGroup},
};

/// Protocols that loom checks, for its tests.
#[doc(hidden)]
pub mod models {
    pub use crate::raw::counter::{Counter, OutOfRange, Reused};
    pub use crate::raw::mutex::RawMutex;
    pub use crate::raw::rwlock::RawRwLock;
    pub use crate::raw::semaphore::{RawSemaphore, TooMany};
}
