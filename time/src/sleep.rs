//! To wait for a while, or until somebody says that it is enough.

use std::time::Duration;

use gander_runtime::timer::deadline_after;
use gander_runtime::{Cancel, WaitReason, sleep};

/// Waits for at least `duration`, or until `ctx` is done.
///
/// # Blocking
///
/// Parks the goroutine; blocks an ordinary thread.
///
/// # Errors
///
/// If `ctx` is done: at once if it was before, also for a duration of zero.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// # use gander_runtime::{Cancel, Signal};
/// # struct Stop(Signal);
/// # impl Cancel for Stop {
/// #     type Error = &'static str;
/// #     fn signal(&self) -> Option<&Signal> { Some(&self.0) }
/// #     fn error(&self) -> &'static str { "stopped" }
/// # }
/// # let ctx = Stop(Signal::new());
/// use gander_time::{Duration, sleep_ctx};
///
/// assert_eq!(sleep_ctx(&ctx, Duration::from_millis(1)), Ok(()));
/// # ctx.0.fire();
/// assert!(sleep_ctx(&ctx, Duration::from_secs(3600)).is_err()); // cancelled meanwhile
/// # });
/// ```
pub fn sleep_ctx<C: Cancel + ?Sized>(ctx: &C, duration: Duration) -> Result<(), C::Error> {
    let Some(signal) = ctx.signal() else {
        sleep(duration);
        return Ok(());
    };
    if signal.is_fired() || !duration.is_zero() && signal.wait_until(WaitReason::Sleep, deadline_after(duration)) {
        return Err(ctx.error());
    }
    Ok(())
}
