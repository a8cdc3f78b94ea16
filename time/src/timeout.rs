//! To wait for a function, but not for long.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use gander_chan::bounded;

/// The time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up")
    }
}

impl Error for Elapsed {}

/// Runs `f` in a goroutine of its own and returns its result, unless that takes longer than `duration`.
///
/// What happens to `f` when the time is up: it goes on to its end, and its result is dropped. A function cannot be stopped
/// from outside without leaving what it holds in pieces. One that is to stop takes a context, and hands it to what it
/// waits with: `let ctx = parent.with_timeout(d)`.
///
/// # Blocking
///
/// Parks the goroutine; blocks an ordinary thread. Not longer than `duration`, and what it takes to be woken.
///
/// # Errors
///
/// [`Elapsed`] if the time was up.
///
/// # Panics
///
/// With `f`'s panic, if that comes in time (later it is only reported by the panic hook); if `f` calls
/// [`exit`](gander_runtime::exit), the caller exits. If the goroutine cannot be made, or no runtime runs.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_time::{Duration, Elapsed, sleep, timeout};
///
/// assert_eq!(timeout(Duration::from_secs(10), || 6 * 7), Ok(42));
/// let slow = timeout(Duration::from_millis(1), || sleep(Duration::from_secs(1)));
/// assert_eq!(slow, Err(Elapsed));
/// # });
/// ```
#[track_caller]
pub fn timeout<F, T>(duration: Duration, f: F) -> Result<T, Elapsed>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let (tx, rx) = bounded(0);
    gander_runtime::go(move || {
        // The result of one that is late is dropped here, by the goroutine that made it. If that panics, or the result is
        // a panic, there is nobody to be told.
        let result = catch_unwind(AssertUnwindSafe(f));
        if let Err(late) = tx.send(result) {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(late))).map_err(std::mem::forget);
        }
    });
    match rx.recv_timeout(duration) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(payload)) => resume_unwind(payload),
        Err(_) => Err(Elapsed),
    }
}
