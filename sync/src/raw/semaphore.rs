//! The semaphore's protocol: permits are given strictly in order of arrival.
//!
//! While somebody stands in line (QUEUED) newcomers join at the end, and permits that come back go to the first in line
//! as soon as there are enough for it. A large request so keeps small ones waiting, and does not starve. QUEUED is
//! written under the lock of the line, and while it is set so is the number of free permits.

use crate::door::{AtomicUsize, Guard, Lock, Ordering, WaitPlace, WaitReason};
use crate::line::{End, Line, Place, Until, Woken, stand};

const QUEUED: usize = 1;
const ONE: usize = 2;

/// The most permits there can be.
pub(crate) const MOST: usize = usize::MAX / ONE;

/// A number of permits.
#[derive(Debug)]
pub struct RawSemaphore {
    /// The free permits, and QUEUED.
    state: AtomicUsize,
    /// Each asks for so many.
    line: Lock<Line>,
}

/// More was given back than was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl RawSemaphore {
    /// So many free permits.
    #[cfg(not(loom))]
    pub const fn new(permits: usize) -> RawSemaphore {
        RawSemaphore { state: AtomicUsize::new(permits * ONE), line: Lock::new(Line::new()) }
    }

    /// So many free permits.
    #[cfg(loom)]
    pub fn new(permits: usize) -> RawSemaphore {
        RawSemaphore { state: AtomicUsize::new(permits * ONE), line: Lock::new(Line::new()) }
    }

    /// The free permits, as they were a moment ago.
    pub fn free(&self) -> usize {
        self.state.load(Ordering::Relaxed) / ONE
    }

    /// Takes `count` permits, if they are free and nobody stands in line.
    #[inline]
    pub fn try_acquire(&self, count: usize) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while let Some(next) = take(state, count) {
            match self.state.compare_exchange_weak(state, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Takes `count` permits, or stands in line for them `until` it gives up; whether it has them.
    pub(crate) fn acquire(&self, count: usize, until: Until<'_>) -> bool {
        let line = self.line.lock();
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let next = take(state, count);
            let queued = state | QUEUED;
            match self.state.compare_exchange_weak(
                state,
                next.unwrap_or(queued),
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) if next.is_some() => return true,
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        let what = (WaitReason::Semaphore, WaitPlace::thing(&self.line));
        match stand(line, |line| line, Place::Last, count as u64, what, until) {
            End::Woken(_) => true,
            End::GivenUp(line) => {
                // It may have been the one that the next had to wait for.
                self.serve(line, 0);
                false
            }
        }
    }

    /// For models: [`acquire`](Self::acquire), which gives up at any moment if it `may_give_up`.
    #[cfg(loom)]
    pub fn acquire_or_give_up(&self, count: usize, may_give_up: bool) -> bool {
        self.acquire(count, if may_give_up { Until::deadline(1) } else { Until::WOKEN })
    }

    /// Gives `count` permits back, of `size` in all.
    pub fn release(&self, count: usize, size: usize) -> Result<(), TooMany> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if count > size - state / ONE {
                return Err(TooMany);
            }
            if state & QUEUED != 0 {
                let line = self.line.lock();
                let now = self.state.load(Ordering::Relaxed);
                // While somebody stands in line and we have the lock, the state stays as it is.
                if now == state {
                    self.serve(line, count);
                    return Ok(());
                }
                state = now;
                continue;
            }
            let next = state + count * ONE;
            match self.state.compare_exchange_weak(state, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
    }

    /// Adds `more` to the free permits, and gives to those in line what there is.
    fn serve(&self, mut line: Guard<'_, Line>, more: usize) {
        let mut woken = Woken::new();
        // Acquire and release: what was done with permits that others gave back comes before what is done with them now.
        // Where nobody stands in line any more, others change the number too.
        let mut free = self.state.fetch_add(more * ONE, Ordering::AcqRel) / ONE + more;
        let mut given = 0;
        while let Some((count, waiter)) = line.pop_within(free as u64) {
            free -= count as usize;
            given += count as usize;
            woken.push(waiter);
        }
        self.state.fetch_sub(given * ONE, Ordering::AcqRel);
        if line.is_empty() {
            self.state.fetch_and(!QUEUED, Ordering::Release);
        }
        drop(line);
        woken.ready();
    }
}

/// What a state becomes when `count` are taken; none if there are too few, or others come first.
#[inline]
fn take(state: usize, count: usize) -> Option<usize> {
    if state & QUEUED != 0 { None } else { (state / ONE).checked_sub(count).map(|left| left * ONE) }
}
