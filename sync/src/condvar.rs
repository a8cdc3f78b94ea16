//! Conditions.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

use gander_runtime::inspect::WaitPlace;
use gander_runtime::lock::Lock;
use gander_runtime::timer::{deadline_after, now};
use gander_runtime::{Cancel, WaitReason};

use crate::line::{End, Line, Place, Until, Woken, stand};
use crate::mutex::MutexGuard;
use crate::poison::map;

/// Waiting until something has changed that a mutex guards. [`std::sync::Condvar`], for goroutines and threads alike.
///
/// Who waits is woken in order of arrival, and only by a notification: there are no spurious wake-ups. (Others may come
/// first to the mutex, so the condition is still to be looked at again: [`wait_while`](Self::wait_while) does.) It may be
/// used with several mutexes.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_sync::{Arc, Condvar, Mutex};
///
/// let pair = Arc::new((Mutex::new(false), Condvar::new()));
/// let theirs = Arc::clone(&pair);
/// gander_runtime::go(move || {
///     *theirs.0.lock().unwrap() = true;
///     theirs.1.notify_one();
/// });
/// let started = pair.1.wait_while(pair.0.lock().unwrap(), |started| !*started).unwrap();
/// assert!(*started);
/// # });
/// ```
pub struct Condvar {
    line: Lock<Line>,
    /// Somebody may be in line. Written under the lock. Who waits sets it before it gives up the mutex, so whoever
    /// changes the condition under that mutex later sees it.
    is_awaited: AtomicBool,
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

/// Whether a wait with a time limit ended by it. As [`std::sync::WaitTimeoutResult`], which only std can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was up before a notification came.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// A condition that nobody waits for.
    #[must_use]
    pub const fn new() -> Condvar {
        Condvar { line: Lock::new(Line::new()), is_awaited: AtomicBool::new(false) }
    }

    /// Unlocks the mutex and waits for a notification, in one step; then locks the mutex again.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the guard is in the error.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.wait_until(guard, Until::WOKEN).0
    }

    /// [`wait`](Self::wait)s for as long as the condition holds.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the guard is in the error.
    pub fn wait_while<'a, T: ?Sized, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: F,
    ) -> LockResult<MutexGuard<'a, T>>
    where
        F: FnMut(&mut T) -> bool,
    {
        while condition(&mut *guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// [`wait`](Self::wait)s for at most `timeout` (longer, if the mutex is not free then).
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the guard is in the error.
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let (guard, result) = self.wait_until(guard, Until::deadline(deadline_after(timeout)));
        map(guard, |guard| (guard, result))
    }

    /// [`wait_timeout`](Self::wait_timeout) of so many milliseconds, with `true` for a notification. As
    /// [`std::sync::Condvar::wait_timeout_ms`].
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the guard is in the error.
    #[deprecated = "replaced by `wait_timeout`, as in std"]
    pub fn wait_timeout_ms<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        ms: u32,
    ) -> LockResult<(MutexGuard<'a, T>, bool)> {
        let answer = self.wait_timeout(guard, Duration::from_millis(ms.into()));
        map(answer, |(guard, result)| (guard, !result.timed_out()))
    }

    /// [`wait`](Self::wait)s for as long as the condition holds, for at most `timeout` in all. The condition has the
    /// last word: the time is called up only if it still holds.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the guard is in the error.
    pub fn wait_timeout_while<'a, T: ?Sized, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)>
    where
        F: FnMut(&mut T) -> bool,
    {
        let deadline = deadline_after(timeout);
        loop {
            if !condition(&mut *guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            if now() >= deadline {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            let (locked, result) = self.wait_until(guard, Until::deadline(deadline));
            guard = map(locked, |guard| (guard, result))?.0;
        }
    }

    /// [`wait`](Self::wait)s unless `ctx` is cancelled first, or already. The mutex is locked again in any case, and `ctx`
    /// does not end the wait for that.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, until `ctx` is cancelled (longer, if the mutex is not free then).
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the guard is in the error. Beside the guard: `ctx`'s, if it was cancelled before a
    /// notification came.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gander_runtime::Cancel;
    /// use std::sync::PoisonError;
    ///
    /// use gander_sync::{Condvar, Mutex};
    ///
    /// /// Takes a job, unless `ctx` is cancelled first (a `gander::context::Context`, say).
    /// fn take<C: Cancel>(jobs: &Mutex<Vec<u32>>, filled: &Condvar, ctx: &C) -> Result<u32, C::Error> {
    ///     let mut queue = jobs.lock().unwrap_or_else(PoisonError::into_inner);
    ///     loop {
    ///         if let Some(job) = queue.pop() {
    ///             return Ok(job);
    ///         }
    ///         let (locked, result) = filled.wait_ctx(queue, ctx).unwrap_or_else(PoisonError::into_inner);
    ///         result?;
    ///         queue = locked;
    ///     }
    /// }
    /// ```
    #[allow(clippy::type_complexity, reason = "that of `wait_timeout`, with a result in the place of a flag")]
    pub fn wait_ctx<'a, T: ?Sized, C: Cancel + ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        ctx: &C,
    ) -> LockResult<(MutexGuard<'a, T>, Result<(), C::Error>)> {
        if ctx.is_cancelled() {
            return Ok((guard, Err(ctx.error())));
        }
        let (guard, result) = self.wait_until(guard, Until::signal(ctx.signal()));
        map(guard, |guard| (guard, if result.timed_out() { Err(ctx.error()) } else { Ok(()) }))
    }

    /// [`wait`](Self::wait)s for as long as the condition holds, unless `ctx` is cancelled first. The condition has the last
    /// word: the cancellation counts only if it still holds.
    ///
    /// # Blocking
    ///
    /// As [`wait_ctx`](Self::wait_ctx).
    ///
    /// # Errors
    ///
    /// As [`wait_ctx`](Self::wait_ctx).
    #[allow(clippy::type_complexity, reason = "that of `wait_timeout`, with a result in the place of a flag")]
    pub fn wait_ctx_while<'a, T: ?Sized, C: Cancel + ?Sized, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        ctx: &C,
        mut condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, Result<(), C::Error>)>
    where
        F: FnMut(&mut T) -> bool,
    {
        while condition(&mut *guard) {
            if ctx.is_cancelled() {
                return Ok((guard, Err(ctx.error())));
            }
            guard = self
                .wait_until(guard, Until::signal(ctx.signal()))
                .0
                .map_err(|error| PoisonError::new((error.into_inner(), Ok(()))))?;
        }
        Ok((guard, Ok(())))
    }

    /// Wakes the one that waits longest, if any.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn notify_one(&self) {
        if !self.is_awaited.load(Ordering::Relaxed) {
            return;
        }
        let mut line = self.line.lock();
        let first = line.pop();
        self.is_awaited.store(!line.is_empty(), Ordering::Relaxed);
        if let Some(first) = first {
            first.unlock_and_wake(line, true);
        }
    }

    /// Wakes all that wait now.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn notify_all(&self) {
        if !self.is_awaited.load(Ordering::Relaxed) {
            return;
        }
        let mut woken = Woken::new();
        let mut line = self.line.lock();
        line.pop_all(&mut woken);
        self.is_awaited.store(false, Ordering::Relaxed);
        drop(line);
        woken.ready();
    }

    fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        until: Until<'_>,
    ) -> (LockResult<MutexGuard<'a, T>>, WaitTimeoutResult) {
        let (guard, timed_out) = guard.without(|mutex| {
            // While the line is locked nobody can miss us, although the mutex is open a little before we stand in it.
            let line = self.line.lock();
            self.is_awaited.store(true, Ordering::Relaxed);
            mutex.unlock();
            let what = (WaitReason::CondWait, WaitPlace::thing(&self.line));
            match stand(line, |line| line, Place::Last, 0, what, until) {
                End::Woken(_) => false,
                End::GivenUp(line) => {
                    self.is_awaited.store(!line.is_empty(), Ordering::Relaxed);
                    true
                }
            }
        });
        (guard, WaitTimeoutResult(timed_out))
    }
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
