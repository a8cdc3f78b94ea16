//! Poison: what a panic leaves behind in a lock. The errors are std's own.
//!
//! A goroutine that calls `exit` unwinds too, but nothing went wrong: locks that it holds are let go as by a return.
//!
//! Whether a task panics is asked of std. In own mode its count of panics is the goroutine's; in shared mode it is the
//! thread's, and a goroutine that parks while it unwinds stays on its thread and has it for itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LockResult, PoisonError};
use std::thread::panicking;

use gander_runtime::{is_exiting, not_exiting};

/// Whether a panic has come by.
#[derive(Debug, Default)]
pub(crate) struct Poison {
    failed: AtomicBool,
}

impl Poison {
    pub(crate) const fn new() -> Poison {
        Poison { failed: AtomicBool::new(false) }
    }

    /// What a guard remembers from its beginning: a panic that was there before is not its own.
    #[inline]
    pub(crate) fn watch(&self) -> Watch {
        let was_panicking = panicking();
        if !was_panicking {
            not_exiting();
        }
        Watch { was_panicking }
    }

    /// A guard that may have left the data in disorder has ended.
    #[inline]
    pub(crate) fn done(&self, watch: &Watch) {
        if !watch.was_panicking && panicking() && !is_exiting() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn clear(&self) {
        self.failed.store(false, Ordering::Relaxed);
    }

    /// `value` as good or as poisoned.
    #[inline]
    pub(crate) fn wrap<T>(&self, value: T) -> LockResult<T> {
        if self.get() { Err(PoisonError::new(value)) } else { Ok(value) }
    }
}

#[derive(Debug)]
pub(crate) struct Watch {
    was_panicking: bool,
}

/// Maps what is locked, poisoned or not.
pub(crate) fn map<T, U>(result: LockResult<T>, f: impl FnOnce(T) -> U) -> LockResult<U> {
    match result {
        Ok(value) => Ok(f(value)),
        Err(error) => Err(PoisonError::new(f(error.into_inner()))),
    }
}
