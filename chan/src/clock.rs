//! Channels that the clock sends into: [`after`], [`at`], [`tick`], and the clock that timers and tickers are made of.
//!
//! Nothing sends: the value comes to be when it is received. So a clock costs nothing while nobody waits for it:
//!
//! ```text
//!   when ──────────► due: a receive takes the value `when`, and `when` moves on by whole periods past now
//!        period          (one-shot: the period is endless, and so `when` is never again)
//! ```
//!
//! * At most one value is there to be received: the earliest that has not been. Those missed after it are lost, and
//!   the later ones keep to the same grid.
//! * Who waits stands in the channel's queue, and has an alarm of its own for `when`. Then it looks again: it finds
//!   the value, or somebody was faster and it waits on.
//! * Whoever changes `when` wakes all who wait, and they look again. So no alarm outlives what it was set for, and
//!   no value is received that was taken back.

use std::time::{Duration, Instant};

use gander_runtime::timer::{deadline_at, now};

use crate::buffer::Buffer;
use crate::chan::Receiver;
use crate::count::share_receiver;
use crate::state::Core;
use crate::transfer::Channel;

/// When the next value is due, and what it says.
#[derive(Debug)]
pub(crate) struct Dial {
    /// When the earliest value that has not been received is due; `NEVER` if none will be.
    when: u64,
    period: u64,
    /// One moment on both clocks: the runtime's counts nanoseconds, the values are the standard library's.
    anchor: (u64, Instant),
}

/// No moment, and a period without end.
pub(crate) const NEVER: u64 = u64::MAX;

impl Dial {
    /// Due when `delay` has passed, and then every `period`.
    fn after(delay: Duration, period: Option<Duration>) -> Dial {
        // The standard library's first: so values say moments that are not later than when they come.
        let instant = Instant::now();
        let begin = now();
        Dial {
            when: begin.saturating_add(nanos(delay)),
            period: period.map_or(NEVER, nanos),
            anchor: (begin, instant),
        }
    }

    /// Never due.
    fn off() -> Dial {
        Dial { when: NEVER, period: NEVER, anchor: (0, Instant::now()) }
    }

    /// When the next value is due.
    pub(crate) fn when(&self) -> u64 {
        self.when
    }

    /// Takes the value that is due.
    pub(crate) fn take(&mut self) -> Option<Instant> {
        if self.when == NEVER {
            return None;
        }
        let now = now();
        let late = now.checked_sub(self.when)?;
        let value = self.instant(self.when);
        self.when = match late.checked_div(self.period) {
            Some(missed) => self.when.saturating_add(self.period.saturating_mul(missed + 1)),
            None => now,
        };
        Some(value)
    }

    /// Whether there is a value to take.
    pub(crate) fn is_due(&self) -> bool {
        self.when != NEVER && now() >= self.when
    }

    /// Sets it to other times. Whether a value was outstanding, if only to be received.
    fn set(&mut self, other: Dial) -> bool {
        std::mem::replace(self, other).when != NEVER
    }

    /// A moment of the runtime's clock on the standard library's.
    fn instant(&self, nanos: u64) -> Instant {
        let (anchor, instant) = self.anchor;
        let there = if nanos >= anchor {
            instant.checked_add(Duration::from_nanos(nanos - anchor))
        } else {
            instant.checked_sub(Duration::from_nanos(anchor - nanos))
        };
        there.unwrap_or(instant)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

/// A channel of a clock. `capacity`: what it says of itself.
fn channel(dial: Dial, capacity: usize) -> Receiver<Instant> {
    Receiver::of(share_receiver(Channel::new(Buffer::bounded(0), Core::of_clock(dial, capacity))))
}

/// A channel that holds one value when `duration` has passed: the moment when that was. It never closes.
///
/// As a time limit in `select!`. One that is dropped before costs nothing more.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let then = gander_chan::after(Duration::from_millis(5)).recv().unwrap();
/// assert!(start + Duration::from_millis(5) <= then && then <= Instant::now());
/// # });
/// ```
pub fn after(duration: Duration) -> Receiver<Instant> {
    channel(Dial::after(duration, None), 1)
}

/// A channel that holds one value from `when` on: `when`. It never closes.
///
/// # Examples
///
/// ```
/// use std::time::Instant;
///
/// let now = Instant::now();
/// let r = gander_chan::at(now);
/// assert_eq!(r.recv(), Ok(now));
/// assert!(r.try_recv().is_err());
/// ```
pub fn at(when: Instant) -> Receiver<Instant> {
    let due = deadline_at(when);
    channel(Dial { when: due, period: NEVER, anchor: (due, when) }, 1)
}

/// A channel that gets a value each time `period` has passed: the moment when that was. It never closes.
///
/// It holds one value at most. If that is not received before the next is due then the next is left out; the later
/// ones come when they would have come. With a period of zero there is always a value.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let ticks = gander_chan::tick(Duration::from_millis(2));
/// let first = ticks.recv().unwrap();
/// let second = ticks.recv().unwrap();
/// assert!(first >= start + Duration::from_millis(2));
/// assert!(second >= first + Duration::from_millis(2));
/// # });
/// ```
pub fn tick(period: Duration) -> Receiver<Instant> {
    channel(Dial::after(period, Some(period)), 1)
}

/// A clock that can be stopped and set, and its channel: what Go's timers and tickers are made of. For the room
/// `time`; programs use its `Timer` and `Ticker`.
///
/// The channel says of itself that it holds nothing and has room for nothing. What it delivers is the moment at which
/// the value was due: not before the delay had passed, and not after it is received. When the clock is dropped the
/// channel closes.
#[derive(Debug)]
pub struct Clock {
    receiver: Receiver<Instant>,
}

impl Clock {
    /// A clock that goes off when `delay` has passed, and then every `period`, or never again.
    pub fn new(delay: Duration, period: Option<Duration>) -> Clock {
        Clock { receiver: channel(Dial::after(delay, period), 0) }
    }

    /// A clock that is stopped.
    pub fn stopped() -> Clock {
        Clock { receiver: channel(Dial::off(), 0) }
    }

    /// Where its values are received.
    pub fn receiver(&self) -> &Receiver<Instant> {
        &self.receiver
    }

    /// Stops the clock: nothing is received after this, until it is reset. Whether it was on: whether it would still
    /// have gone off, or had and the value had not been received.
    pub fn stop(&self) -> bool {
        self.set(Dial::off())
    }

    /// Sets the clock to go off when `delay` has passed from now, and then every `period`, or never again; also for
    /// those who wait for it. A value that has not been received is taken back. Answers as [`stop`](Clock::stop).
    pub fn reset(&self, delay: Duration, period: Option<Duration>) -> bool {
        self.set(Dial::after(delay, period))
    }

    fn set(&self, dial: Dial) -> bool {
        self.receiver.channel().change_clock(|old| old.set(dial))
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.receiver.close();
    }
}
