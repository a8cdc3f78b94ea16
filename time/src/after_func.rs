//! A function that is called later.

use std::panic::Location;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use gander_chan::{Receiver, never};
use gander_runtime::go_surely;
use gander_runtime::leak::Family;
use gander_runtime::timer::{Call, deadline_after};

use crate::timer::Timer;

/// Calls `f`, in a goroutine of its own, when `duration` has passed; and again each time the timer is
/// [`reset`](Timer::reset) and due. Go's `time.AfterFunc`.
///
/// Dropping the timer does not stop it: `after_func(d, f);` is enough. If the function panics it is as if a goroutine
/// started by [`go`](gander_runtime::go()) had.
///
/// Where no runtime runs the function is called on an ordinary thread of its own.
///
/// # Blocking
///
/// Never blocks. Calls do not hold each other up.
///
/// # Panics
///
/// If no runtime runs and the thread that minds the timers then cannot be started.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_time::{Duration, after_func};
///
/// let (tx, rx) = gander_chan::bounded(1);
/// after_func(Duration::from_millis(1), move || tx.send("now").unwrap());
/// assert_eq!(rx.recv(), Ok("now"));
///
/// let never = after_func(Duration::from_secs(3600), || unreachable!());
/// assert!(never.stop());
/// # });
/// ```
#[track_caller]
pub fn after_func(duration: Duration, f: impl Fn() + Send + Sync + 'static) -> Timer {
    let (f, at, family) = (Arc::new(f), Location::caller(), Family::current());
    let call = Call::new(move |_| {
        let f = f.clone();
        let f = move || {
            family.join();
            f();
        };
        go_surely(f, at);
    });
    call.set(deadline_after(duration));
    Timer::of_func(Func(call))
}

/// What a timer with a function is made of.
#[derive(Debug)]
pub(crate) struct Func(Call);

impl Func {
    pub(crate) fn stop(&self) -> bool {
        self.0.clear()
    }

    pub(crate) fn reset(&self, duration: Duration) -> bool {
        self.0.set(deadline_after(duration))
    }
}

/// The channel of timers that have a function.
pub(crate) fn no_channel() -> &'static Receiver<Instant> {
    static NEVER: LazyLock<Receiver<Instant>> = LazyLock::new(never);
    &NEVER
}
