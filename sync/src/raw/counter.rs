//! A wait group's protocol: a counter, and who waits for its zero.

use crate::door::{AtomicUsize, Lock, Ordering, WaitPlace, WaitReason};
use crate::line::{End, Line, Place, Until, Woken, stand};

/// Somebody stands in line. Written under the lock of the line, and cleared with the step to zero.
const AWAITED: usize = 1;
/// One of what is counted.
const ONE: usize = 2;

/// A counter that can be waited for.
#[derive(Debug)]
pub struct Counter {
    state: AtomicUsize,
    line: Lock<Line>,
}

impl Default for Counter {
    fn default() -> Counter {
        Counter::new()
    }
}

/// The counter would be below zero, or beyond any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

/// The counter is counting again, and those who waited for its zero have not all gone on yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reused;

impl Counter {
    /// A counter at zero.
    #[cfg(not(loom))]
    pub const fn new() -> Counter {
        Counter { state: AtomicUsize::new(0), line: Lock::new(Line::new()) }
    }

    /// A counter at zero.
    #[cfg(loom)]
    pub fn new() -> Counter {
        Counter { state: AtomicUsize::new(0), line: Lock::new(Line::new()) }
    }

    /// Adds to the counter. The step to zero lets all go on that wait.
    pub fn add(&self, delta: isize) -> Result<(), OutOfRange> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let count = (state / ONE).checked_add_signed(delta).filter(|count| *count <= isize::MAX as usize);
            let count = count.ok_or(OutOfRange)?;
            if count == 0 && state & AWAITED != 0 {
                if self.finish(state) {
                    return Ok(());
                }
                state = self.state.load(Ordering::Relaxed);
                continue;
            }
            let next = (count * ONE) | (state & AWAITED);
            // Release: what is counted happened before the wait returns. Acquire: that of the others too, where this is
            // the last.
            match self.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
    }

    /// Steps from `state` to zero, where somebody waits; false if it has changed.
    #[cold]
    fn finish(&self, state: usize) -> bool {
        let mut woken = Woken::new();
        let mut line = self.line.lock();
        let is_ours = self.state.compare_exchange(state, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if is_ours {
            line.pop_all(&mut woken);
        }
        drop(line);
        woken.ready();
        is_ours
    }

    /// Waits until the counter is zero.
    pub fn wait(&self) -> Result<(), Reused> {
        self.wait_until(|| Until::WOKEN).map(|_| ())
    }

    /// Waits until the counter is zero, or gives up; whether it was zero.
    pub(crate) fn wait_until<'a>(&self, until: impl FnOnce() -> Until<'a>) -> Result<bool, Reused> {
        if self.count() == 0 {
            return Ok(true);
        }
        let until = until();
        let line = self.line.lock();
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            if state < ONE {
                return Ok(true);
            }
            // Whoever steps to zero from now on takes the lock, which we hold until we rest.
            match self.state.compare_exchange_weak(state, state | AWAITED, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        let what = (WaitReason::WaitGroupWait, WaitPlace::thing(&self.line));
        match stand(line, |line| line, Place::Last, 0, what, until) {
            // Others may wait again only when all have gone on.
            End::Woken(_) if self.count() != 0 => Err(Reused),
            End::Woken(_) => Ok(true),
            // That somebody is awaited stays said: the step to zero finds an empty line, if nobody else comes.
            End::GivenUp(_) => Ok(false),
        }
    }

    /// For models: [`wait`](Self::wait), which gives up at any moment; whether the counter was zero.
    #[cfg(loom)]
    pub fn wait_or_give_up(&self) -> Result<bool, Reused> {
        self.wait_until(|| Until::deadline(1))
    }

    /// The counter, as it was a moment ago.
    pub fn count(&self) -> usize {
        self.state.load(Ordering::Acquire) / ONE
    }
}
