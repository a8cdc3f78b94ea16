//! gander's timers: when does something happen?
//!
//! | to | use |
//! |---|---|
//! | wait for a while | [`sleep`](sleep()); [`sleep_ctx`] until a context is done; [`sleep_async`] in `async` code |
//! | have a moment in a `select!` | [`after`], [`at`]; [`Timer`] if it is to be moved |
//! | do something again and again | [`Ticker`]; [`tick`] if it is never to stop |
//! | have something done later | [`after_func`] |
//! | wait for a function no longer than so long | [`timeout`] |
//!
//! All of it works from goroutines, which park, and from ordinary threads, which block. The clock is the monotonic one.
//! The types of moments are the standard library's, so `gander::time` can stand where `std::time` stood.
//!
//! # What a timer costs
//!
//! The channels of timers and tickers hold no value and no place in any heap: whether one is due is decided when somebody
//! looks. Only who waits has an alarm, in his own frame. So a million timers cost their memory and nothing else, and one
//! that is dropped is gone. [`after_func`] is the exception, as nobody waits for it: what it starts is a node in a
//! processor's heap, and stays there until it is due or stopped. Futures have no frame: one that waits for a moment has
//! such a node until it is ready or dropped.
//!
//! The channels follow Go since 1.23 in that nothing is received that was stopped or reset before.

#![forbid(unsafe_code)]

mod after_func;
mod sleep;
mod sleep_async;
mod ticker;
mod timeout;
mod timer;

pub use after_func::after_func;
pub use sleep::sleep_ctx;
pub use sleep_async::{SleepFuture, sleep_async};
pub use ticker::{Ticker, tick};
pub use timeout::{Elapsed, timeout};
pub use timer::Timer;

pub use gander_chan::{after, at};
pub use gander_runtime::sleep;
pub use std::time::{Duration, Instant, SystemTime, SystemTimeError, UNIX_EPOCH};

/// No longer than three centuries, so that the sum with the clock is a moment: to go off never is to be stopped.
fn reachable(duration: Duration) -> Duration {
    duration.min(Duration::from_nanos(u64::MAX / 2))
}
