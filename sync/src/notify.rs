//! Notifications without a condition.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

use gander_runtime::inspect::WaitPlace;
use gander_runtime::lock::Lock;
use gander_runtime::timer::deadline_after;
use gander_runtime::{Cancel, WaitReason};

use crate::line::{End, Line, Place, Until, Woken, stand};

/// Lets tasks wait for a notification, and keeps one for who comes too late. (tokio's `Notify`, for goroutines and
/// threads.)
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_sync::{Arc, Notify};
///
/// let ready = Arc::new(Notify::new());
/// let theirs = Arc::clone(&ready);
/// gander_runtime::go(move || theirs.notify_one());
/// ready.wait();
/// # });
/// ```
pub struct Notify {
    state: Lock<State>,
}

#[derive(Debug)]
struct State {
    line: Line,
    /// A notification that nobody waited for. Then nobody is in line.
    is_kept: bool,
}

impl UnwindSafe for Notify {}
impl RefUnwindSafe for Notify {}

impl Notify {
    /// One that nobody has notified.
    #[inline]
    #[must_use]
    pub const fn new() -> Notify {
        Notify { state: Lock::new(State { line: Line::new(), is_kept: false }) }
    }

    /// Waits for a notification, or takes the one that was kept.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    pub fn wait(&self) {
        self.wait_until(Until::WOKEN);
    }

    /// [`wait`](Self::wait)s for at most `timeout`; whether there was a notification. One that comes when the time is
    /// up is for the next.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(Until::deadline(deadline_after(timeout)))
    }

    /// [`wait`](Self::wait)s unless `ctx` is cancelled first, or already. A notification that comes after that is for the
    /// next.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, until `ctx` is cancelled.
    ///
    /// # Errors
    ///
    /// `ctx`'s, if it is cancelled: also where a notification was kept, which stays.
    pub fn wait_ctx<C: Cancel + ?Sized>(&self, ctx: &C) -> Result<(), C::Error> {
        if !ctx.is_cancelled() && self.wait_until(Until::signal(ctx.signal())) { Ok(()) } else { Err(ctx.error()) }
    }

    /// Takes the notification that was kept, if there is one.
    pub fn try_wait(&self) -> bool {
        std::mem::take(&mut self.state.lock().is_kept)
    }

    fn wait_until(&self, until: Until<'_>) -> bool {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.is_kept) {
            return true;
        }
        let what = (WaitReason::NotifyWait, WaitPlace::thing(&self.state));
        let end = stand(state, |state| &mut state.line, Place::Last, 0, what, until);
        matches!(end, End::Woken(_))
    }

    /// Wakes the one that waits longest. If nobody waits, the next wait returns at once; any number of notifications
    /// that nobody waits for count as one.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn notify_one(&self) {
        let mut state = self.state.lock();
        match state.line.pop() {
            Some(first) => first.unlock_and_wake(state, true),
            None => state.is_kept = true,
        }
    }

    /// Wakes all that wait now. Nothing is kept for those who come later.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn notify_waiters(&self) {
        let mut woken = Woken::new();
        self.state.lock().line.pop_all(&mut woken);
        woken.ready();
    }
}

impl Default for Notify {
    fn default() -> Notify {
        Notify::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").finish_non_exhaustive()
    }
}
