//! One moment, that can be moved.

use std::fmt;
use std::time::{Duration, Instant};

use gander_chan::Receiver;
use gander_chan::clock::Clock;

use crate::after_func::{self, Func};
use crate::reachable;

/// A moment to come. Then a value can be received from its channel, or its function is called. Go's `time.Timer`.
///
/// Made by [`Timer::new`] it has a channel; made by [`after_func`](crate::after_func()) it has a function.
///
/// The channel says of itself that it has room for nothing and holds nothing, also when a value can be received.
/// Whatever was due before a [`stop`](Timer::stop) or a [`reset`](Timer::reset) and had not been received is not received
/// after it. The value is the moment at which the timer was due.
///
/// A timer that is dropped is stopped and its channel closed, so who receives from a clone gets an error; a function is
/// still called.
///
/// # Examples
///
/// A time limit that starts anew whenever something comes:
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_time::{Duration, Timer};
///
/// let limit = Duration::from_millis(20);
/// let (tx, rx) = gander_chan::bounded(0);
/// gander_runtime::go(move || (0..3).for_each(|i| tx.send(i).unwrap()));
/// let idle = Timer::new(limit);
/// let mut sum = 0;
/// while let Ok(i) = rx.recv() {
///     idle.reset(limit);
///     sum += i;
/// }
/// assert!(idle.c().recv().is_ok());
/// assert_eq!(sum, 3);
/// # });
/// ```
pub struct Timer(Kind);

enum Kind {
    Channel(Clock),
    Func(Func),
}

impl Timer {
    /// A timer that is due when `duration` has passed.
    pub fn new(duration: Duration) -> Timer {
        Timer(Kind::Channel(Clock::new(reachable(duration), None)))
    }

    pub(crate) fn of_func(func: Func) -> Timer {
        Timer(Kind::Func(func))
    }

    /// Its channel. That of a timer with a function never has anything.
    ///
    /// # Examples
    ///
    /// ```
    /// use gander_time::{Duration, Instant, Timer};
    ///
    /// let start = Instant::now();
    /// let timer = Timer::new(Duration::from_millis(2));
    /// let due = timer.c().recv().unwrap();
    /// assert!(start + Duration::from_millis(2) <= due && due <= Instant::now());
    /// ```
    pub fn c(&self) -> &Receiver<Instant> {
        match &self.0 {
            Kind::Channel(clock) => clock.receiver(),
            Kind::Func(_) => after_func::no_channel(),
        }
    }

    /// Stops it. True if it was running: of a channel, if the value has not been received, also when it was due; of a
    /// function, if it will not be called now. It does not wait for a function that has been called.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn stop(&self) -> bool {
        match &self.0 {
            Kind::Channel(clock) => clock.stop(),
            Kind::Func(func) => func.stop(),
        }
    }

    /// Makes it due when `duration` has passed from now, also for those who already wait at its channel. Answers as
    /// [`stop`](Timer::stop): false if it had been stopped, its value received, or its function called.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn reset(&self, duration: Duration) -> bool {
        match &self.0 {
            Kind::Channel(clock) => clock.reset(reachable(duration), None),
            Kind::Func(func) => func.reset(duration),
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}
