//! Waiting until a number of things are done.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use gander_runtime::timer::deadline_after;
use gander_runtime::{Builder, Cancel};

use crate::line::Until;
use crate::raw::counter::{Counter, OutOfRange, Reused};

/// Waits until a number of things are done. (Go's `sync.WaitGroup`.)
///
/// A clone is the same group. What is counted is what [`add`](Self::add) and [`done`](Self::done) say, or goroutines
/// that [`go`](Self::go) starts, or [`Pass`]es: those count by themselves, also when they are cloned, dropped, or lost
/// in a panic.
///
/// A group can be used again when all that waited have gone on.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_sync::{Arc, WaitGroup, atomic::{AtomicU32, Ordering}};
///
/// let (group, sum) = (WaitGroup::new(), Arc::new(AtomicU32::new(0)));
/// for i in 1..=10 {
///     let sum = Arc::clone(&sum);
///     group.go(move || {
///         sum.fetch_add(i, Ordering::Relaxed);
///     });
/// }
/// group.wait();
/// assert_eq!(sum.load(Ordering::Relaxed), 55);
/// # });
/// ```
#[derive(Clone)]
pub struct WaitGroup {
    counter: Arc<Counter>,
}

impl UnwindSafe for WaitGroup {}
impl RefUnwindSafe for WaitGroup {}

impl WaitGroup {
    /// A group that counts nothing yet.
    #[must_use]
    pub fn new() -> WaitGroup {
        WaitGroup { counter: Arc::new(Counter::new()) }
    }

    /// Counts `delta` more things, or fewer. When nothing is left all go on that wait. To be called before the thing
    /// that it counts is started.
    ///
    /// # Panics
    ///
    /// If the counter would be negative, or larger than `isize::MAX`; then it stays as it is.
    #[track_caller]
    pub fn add(&self, delta: isize) {
        match self.counter.add(delta) {
            Ok(()) => {}
            Err(OutOfRange) if delta < 0 => panic!("sync: negative WaitGroup counter"),
            Err(OutOfRange) => panic!("sync: WaitGroup counter overflow"),
        }
    }

    /// One thing is done.
    ///
    /// # Panics
    ///
    /// If the counter would be negative; then it stays as it is.
    #[track_caller]
    pub fn done(&self) {
        self.add(-1);
    }

    /// Waits until the counter is zero. What was done before is seen then.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, while the counter is not zero.
    ///
    /// # Panics
    ///
    /// If something was added again, after the zero that this waited for and before this went on. To use a group again
    /// let all waits return first.
    #[track_caller]
    pub fn wait(&self) {
        self.wait_until(|| Until::WOKEN);
    }

    /// [`wait`](Self::wait)s for at most `timeout`; whether the counter was zero.
    ///
    /// # Blocking
    ///
    /// As [`wait`](Self::wait), for at most `timeout`.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(|| Until::deadline(deadline_after(timeout)))
    }

    /// [`wait`](Self::wait)s unless `ctx` is cancelled first, or already. What is counted goes on, and counts on.
    ///
    /// # Blocking
    ///
    /// As [`wait`](Self::wait), until `ctx` is cancelled.
    ///
    /// # Errors
    ///
    /// `ctx`'s, if it is cancelled: also where the counter is zero.
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_ctx<C: Cancel + ?Sized>(&self, ctx: &C) -> Result<(), C::Error> {
        if !ctx.is_cancelled() && self.wait_until(|| Until::signal(ctx.signal())) {
            Ok(())
        } else {
            Err(ctx.error())
        }
    }

    #[track_caller]
    fn wait_until<'a>(&self, until: impl FnOnce() -> Until<'a>) -> bool {
        match self.counter.wait_until(until) {
            Ok(is_zero) => is_zero,
            Err(Reused) => panic!("sync: WaitGroup is reused before previous Wait has returned"),
        }
    }

    /// Counts a goroutine that runs `f`, and starts it.
    ///
    /// It is done when it has ended, by return or by [`exit`](gander_runtime::exit). If `f` panics the process ends, or
    /// the hook for unhandled panics is called; only after that the goroutine counts as done, so a waiting `main` cannot
    /// return before the panic is out.
    ///
    /// # Panics
    ///
    /// If the goroutine cannot be made.
    #[track_caller]
    pub fn go(&self, f: impl FnOnce() + Send + 'static) {
        let spawned = Builder::new().go_keeping(self.pass(), f);
        spawned.unwrap_or_else(|error| panic!("failed to spawn a goroutine: {error}"));
    }

    /// Counts one thing, which is done when the pass is dropped.
    ///
    /// # Panics
    ///
    /// If the counter would be larger than `isize::MAX`.
    #[track_caller]
    pub fn pass(&self) -> Pass {
        self.add(1);
        Pass { group: self.clone() }
    }
}

impl Default for WaitGroup {
    fn default() -> WaitGroup {
        WaitGroup::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup").field("count", &self.counter.count()).finish()
    }
}

/// One of the things that a [`WaitGroup`] counts; dropped, it is done. A clone is one more.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_sync::WaitGroup;
///
/// let group = WaitGroup::new();
/// let pass = group.pass();
/// for _ in 0..3 {
///     let pass = pass.clone();
///     gander_runtime::go(move || drop(pass));
/// }
/// drop(pass);
/// group.wait();
/// # });
/// ```
#[must_use = "dropped, it is done"]
pub struct Pass {
    group: WaitGroup,
}

impl Clone for Pass {
    fn clone(&self) -> Pass {
        self.group.pass()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let done = self.group.counter.add(-1);
        // Somebody has said `done` for us. Not a second panic for that.
        assert!(done.is_ok() || std::thread::panicking(), "sync: negative WaitGroup counter");
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").finish_non_exhaustive()
    }
}
