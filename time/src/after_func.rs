//! A function that is called later.

use std::panic::Location;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use gander_chan::{Receiver, never};
use gander_runtime::go_surely;
use gander_runtime::leak::Family;
use gander_runtime::timer::{Call, deadline_after, is_ringing};

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
    let (at, family) = (Location::caller(), Family::current());
    let f = Arc::new(Owned { f: Some(f), at });
    let call = Call::new(move |_| {
        let f = f.clone();
        let f = move || {
            family.join();
            f.f.as_ref().expect("there until dropped")();
        };
        go_surely(f, at);
    });
    call.set(deadline_after(duration));
    Timer::of_func(Func(call))
}

/// The program's function. What it owns is dropped by the program's code, which is not to hold up other timers: who
/// rings may be the last to let go, if the goroutine was faster.
struct Owned<F: Send + 'static> {
    f: Option<F>,
    at: &'static Location<'static>,
}

impl<F: Send + 'static> Drop for Owned<F> {
    fn drop(&mut self) {
        let f = self.f.take();
        if is_ringing() {
            go_surely(move || drop(f), self.at);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Who rings is the last to let go of a function: others drop what that owns.
    #[test]
    fn dropped_elsewhere() {
        struct Tell(gander_chan::Sender<bool>);
        impl Drop for Tell {
            fn drop(&mut self) {
                self.0.send(is_ringing()).unwrap();
            }
        }
        let try_it = || {
            let (tx, rx) = gander_chan::bounded(1);
            let owned = Owned { f: Some(Tell(tx)), at: Location::caller() };
            let last = std::sync::Mutex::new(Some(owned));
            let call = Call::new(move |_| {
                assert!(is_ringing());
                drop(last.lock().unwrap().take());
            });
            call.set(deadline_after(Duration::ZERO));
            assert_eq!(rx.recv(), Ok(false));
        };
        // By a thread, then by a goroutine.
        try_it();
        gander_runtime::run(try_it);
    }
}
