//! The mutex's protocol: barging, until somebody starves.
//!
//! ```text
//!   bit        set                                         cleared
//!   LOCKED     by who takes it, running or not in line      by who unlocks; stays set in a hand-over
//!   QUEUED     by who goes into the line                    by who leaves the line empty
//!   WOKEN      by who wakes the first in line to try        by that one, when it has tried
//!   STARVING   by that one, if it failed and waits          by who hands over to the last, or to one
//!              since 1 ms or more                           that has not waited for 1 ms
//! ```
//!
//! *Normally* an unlock opens the lock and wakes the first in line, who then has to compete with whoever comes along.
//! Those have the better chances, for they run already: that is fast, as the lock goes on being used while the woken one
//! is on its way. One at a time is on its way, the others sleep on. It stands in front again if it fails.
//!
//! *Starving*, the lock stays locked when it is unlocked: it is the first one's in line, and newcomers join at the end.
//!
//! QUEUED, WOKEN (but for its clearing) and STARVING are written under the lock of the line. LOCKED by anybody, so every
//! write is a read-modify-write.

use crate::door::{
    AtomicU32, Guard, Lock, Ordering, Owner, Surroundings, WaitPlace, WaitReason, now, surroundings,
};
use crate::line::{End, Line, Place, Until, stand};

const LOCKED: u32 = 1;
const QUEUED: u32 = 2;
const WOKEN: u32 = 4;
const STARVING: u32 = 8;

/// Who has waited for so long starves. Go's. In models, where time stands still, all who were woken and failed.
const PATIENCE_NANOS: u64 = if cfg!(loom) { 0 } else { 1_000_000 };
/// Before it waits a task looks again so often, after so many pauses of the processor. Go's.
const LOOKS: u32 = 4;
const PAUSES: u32 = 30;

/// A mutex around nothing.
#[derive(Debug)]
pub struct RawMutex {
    state: AtomicU32,
    /// For those who look: who has it. Known from after the lock is taken until before it is let go.
    owner: Owner,
    /// Each asks for nothing and says since when it waits. The gift: that the lock is now its.
    line: Lock<Line>,
}

impl Default for RawMutex {
    fn default() -> RawMutex {
        RawMutex::new()
    }
}

impl RawMutex {
    /// An open lock.
    #[cfg(not(loom))]
    pub const fn new() -> RawMutex {
        RawMutex { state: AtomicU32::new(0), owner: Owner::new(), line: Lock::new(Line::new()) }
    }

    /// An open lock.
    #[cfg(loom)]
    pub fn new() -> RawMutex {
        RawMutex { state: AtomicU32::new(0), owner: Owner::new(), line: Lock::new(Line::new()) }
    }

    /// Takes the lock.
    #[inline]
    pub fn lock(&self) {
        if !self.take_open() {
            self.lock_slow(Until::WOKEN);
        }
        self.owner.enter();
    }

    /// Takes the lock, or gives up; whether it has it.
    #[inline]
    pub(crate) fn lock_until<'a>(&self, until: impl FnOnce() -> Until<'a>) -> bool {
        let locked = self.take_open() || self.lock_slow(until());
        if locked {
            self.owner.enter();
        }
        locked
    }

    /// For models: takes the lock, or gives up at any moment.
    #[cfg(loom)]
    pub fn lock_or_give_up(&self) -> bool {
        self.lock_until(|| Until::deadline(1))
    }

    /// Takes the lock if it is open.
    #[inline]
    pub fn try_lock(&self) -> bool {
        let locked = !self.is_locked() && self.take_open();
        if locked {
            self.owner.enter();
        }
        locked
    }

    #[inline(always)]
    fn take_open(&self) -> bool {
        self.state.fetch_or(LOCKED, Ordering::Acquire) & LOCKED == 0
    }

    /// Whether it was locked a moment ago.
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.state.load(Ordering::Relaxed) & LOCKED != 0
    }

    /// Opens the lock, or hands it over. The caller holds it; else others find it broken, but memory stays sound.
    #[inline]
    pub fn unlock(&self) {
        self.owner.leave();
        if self.state.load(Ordering::Relaxed) & STARVING != 0 {
            return self.hand_over(self.line.lock());
        }
        let before = self.state.fetch_sub(LOCKED, Ordering::Release);
        if before & (QUEUED | WOKEN) == QUEUED {
            self.wake_one();
        }
    }

    #[cold]
    #[inline(never)]
    fn lock_slow(&self, until: Until<'_>) -> bool {
        if self.spin() {
            return true;
        }
        let mut since = 0;
        let mut woken = 0;
        loop {
            // In models time stands still until one is woken: then deadlines are over.
            let clock = if cfg!(loom) { u64::from(woken) } else { now() };
            since = if since == 0 { clock } else { since };
            let is_late = until.is_over(clock);
            let mut join = if is_late { 0 } else { QUEUED };
            if woken != 0 && !is_late && clock - since >= PATIENCE_NANOS {
                join |= STARVING;
            }
            let line = self.line.lock();
            // Takes it if it is open. If not, who holds it will see, at the unlock, what is said here.
            let before = self.change(|state| match state & LOCKED {
                0 => (state & !woken) | LOCKED,
                _ => (state & !woken) | join,
            });
            if before & LOCKED == 0 {
                return true;
            }
            if is_late {
                return false;
            }
            let place = if woken != 0 { Place::First } else { Place::Last };
            let what = (WaitReason::MutexLock, WaitPlace::owned(&self.owner));
            match stand(line, |line| line, place, since, what, until) {
                End::Woken(true) => return true,
                End::Woken(false) => woken = WOKEN,
                End::GivenUp(line) => {
                    if line.is_empty() {
                        self.change(|state| state & !(QUEUED | STARVING));
                    }
                    return false;
                }
            }
            if self.take_woken() {
                return true;
            }
        }
    }

    /// Looks again a few times, where that may pay.
    fn spin(&self) -> bool {
        for _ in 0..LOOKS {
            let Surroundings { has_ready: false, others_run: true } = surroundings() else { return false };
            for _ in 0..PAUSES {
                std::hint::spin_loop();
            }
            if !self.is_locked() && self.take_open() {
                return true;
            }
        }
        false
    }

    /// A woken one's first try.
    fn take_woken(&self) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        state & LOCKED == 0
            && (self.state)
                .compare_exchange(state, (state & !WOKEN) | LOCKED, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
    }

    /// After an unlock that left somebody in line: wakes the first, unless that is already another's to do.
    #[cold]
    #[inline(never)]
    fn wake_one(&self) {
        let mut line = self.line.lock();
        let state = self.state.load(Ordering::Relaxed);
        if state & STARVING != 0 {
            // That was decided while we unlocked. If somebody has taken the lock since, it hands over.
            if self.take_open() {
                self.hand_over(line);
            }
            return;
        }
        if state & LOCKED != 0 || state & (QUEUED | WOKEN) != QUEUED {
            return;
        }
        let first = line.pop();
        let queued = if line.is_empty() { 0 } else { QUEUED };
        let woken = if first.is_some() { WOKEN } else { 0 };
        self.change(|state| (state & !QUEUED) | queued | woken);
        if let Some(first) = first {
            first.unlock_and_wake(line, false);
        }
    }

    /// Gives the lock, which is the caller's, to the first in line.
    #[cold]
    #[inline(never)]
    fn hand_over(&self, mut line: Guard<'_, Line>) {
        let Some(first) = line.pop() else {
            // They have all given up.
            self.change(|state| state & !(LOCKED | QUEUED | STARVING));
            return;
        };
        let queued = if line.is_empty() { 0 } else { QUEUED };
        let is_calm = queued == 0 || now().saturating_sub(first.ask()) < PATIENCE_NANOS;
        let starving = if is_calm { 0 } else { STARVING };
        self.change(|state| (state & !(QUEUED | STARVING)) | queued | starving);
        first.unlock_and_wake(line, true);
    }

    /// Changes the state, and returns what it was.
    #[inline]
    fn change(&self, f: impl Fn(u32) -> u32) -> u32 {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            match self.state.compare_exchange_weak(state, f(state), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return state,
                Err(now) => state = now,
            }
        }
    }
}
