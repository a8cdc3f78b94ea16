//! To wait for a while in `async` code.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use gander_runtime::timer::{WakeAt, deadline_after, now};

/// [`sleep`](crate::sleep()) as a future: for `async` code, on whatever executor. It is ready when `duration` has passed
/// since this call, and stays ready; one too long for the clock never is.
///
/// The other timers have channels, and these are futures, too: `timer.c().recv_async()`, `ticker.c().recv_async()`.
///
/// # Blocking
///
/// Never blocks. Where no runtime runs a thread of gander's own minds the time.
///
/// # Panics
///
/// When polled, if that thread cannot be started.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_time::{Duration, Instant, sleep_async};
///
/// let start = Instant::now();
/// gander_runtime::block_on(async {
///     sleep_async(Duration::from_millis(2)).await;
/// });
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// # });
/// ```
pub fn sleep_async(duration: Duration) -> SleepFuture {
    SleepFuture { deadline: deadline_after(duration), alarm: None }
}

/// What [`sleep_async`] returns.
#[must_use = "futures do nothing unless polled"]
pub struct SleepFuture {
    deadline: u64,
    /// While it waits.
    alarm: Option<WakeAt>,
}

impl Future for SleepFuture {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline == u64::MAX {
            return Poll::Pending;
        }
        if now() >= self.deadline {
            self.alarm = None;
            return Poll::Ready(());
        }
        let deadline = self.deadline;
        self.alarm.get_or_insert_default().set(deadline, cx.waker());
        Poll::Pending
    }
}

impl fmt::Debug for SleepFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SleepFuture").finish_non_exhaustive()
    }
}
