//! Again and again.

use std::fmt;
use std::time::{Duration, Instant};

use gander_chan::clock::Clock;
use gander_chan::{Receiver, never};

use crate::reachable;

/// A channel from which a value can be received each time a period has passed. Go's `time.Ticker`.
///
/// At most one value waits to be received; the others are left out, and those that follow stay on the grid of periods.
/// Each value is the moment at which it was due.
///
/// A ticker that is dropped is stopped and its channel closed.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_time::{Duration, Ticker};
///
/// let ticker = Ticker::new(Duration::from_millis(1));
/// let first = ticker.c().recv().unwrap();
/// let second = ticker.c().recv().unwrap();
/// assert!(second - first >= Duration::from_millis(1));
/// ticker.stop();
/// # });
/// ```
pub struct Ticker {
    clock: Clock,
}

impl Ticker {
    /// A ticker with its first value when `period` has passed.
    ///
    /// # Panics
    ///
    /// If the period is zero.
    #[track_caller]
    pub fn new(period: Duration) -> Ticker {
        assert!(!period.is_zero(), "a ticker's period is zero; it must be longer");
        let period = reachable(period);
        Ticker { clock: Clock::new(period, Some(period)) }
    }

    /// Its channel.
    pub fn c(&self) -> &Receiver<Instant> {
        self.clock.receiver()
    }

    /// Stops it: nothing is received from now on until it is reset, also if a value waited.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    pub fn stop(&self) {
        self.clock.stop();
    }

    /// Starts it anew with another period: the first value is due when that has passed from now. A value that waited is
    /// not received any more.
    ///
    /// # Blocking
    ///
    /// Never blocks.
    ///
    /// # Panics
    ///
    /// If the period is zero.
    #[track_caller]
    pub fn reset(&self, period: Duration) {
        assert!(!period.is_zero(), "a ticker's period is zero; it must be longer");
        let period = reachable(period);
        self.clock.reset(period, Some(period));
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticker").finish_non_exhaustive()
    }
}

/// The channel of a ticker that cannot be stopped. Go's `time.Tick`. It costs nothing while nobody waits for it.
///
/// With a period of zero nothing ever comes, as in Go (crossbeam-channel's, [`gander_chan::tick`], always has a value
/// then).
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_time::{Duration, tick};
///
/// let three = tick(Duration::from_millis(1)).iter().take(3).count();
/// assert_eq!(three, 3);
/// assert!(tick(Duration::ZERO).try_recv().is_err());
/// # });
/// ```
pub fn tick(period: Duration) -> Receiver<Instant> {
    if period.is_zero() { never() } else { gander_chan::tick(period) }
}
