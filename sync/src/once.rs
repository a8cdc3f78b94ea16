//! What is to happen once.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU8, Ordering};

use gander_runtime::WaitReason;
use gander_runtime::inspect::{Owner, WaitPlace};
use gander_runtime::lock::{Guard, Lock};

use crate::line::{End, Line, Place, Until, Woken, stand};

/// An initialisation that runs once. [`std::sync::Once`], for goroutines and threads alike.
///
/// If it panics the `Once` is poisoned, as std's.
///
/// # Examples
///
/// ```
/// use gander_sync::Once;
///
/// static START: Once = Once::new();
/// let mut runs = 0;
/// for _ in 0..3 {
///     START.call_once(|| runs += 1);
/// }
/// assert_eq!(runs, 1);
/// ```
pub struct Once {
    state: AtomicU8,
    /// For those who look: who runs it.
    owner: Owner,
    line: Lock<Line>,
}

/// It has not run.
const FRESH: u8 = 0;
/// It has panicked.
const POISONED: u8 = 1;
/// It runs.
const RUNNING: u8 = 2;
/// It has run.
const DONE: u8 = 3;

impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

/// A [`Once`] that has not run. As [`std::sync::ONCE_INIT`].
#[deprecated = "replaced by `Once::new`, as in std"]
#[allow(clippy::declare_interior_mutable_const, reason = "std's is one: each use is a new one")]
pub const ONCE_INIT: Once = Once::new();

/// What [`Once::call_once_force`] tells its closure. As [`std::sync::OnceState`], which only std can make.
#[derive(Debug)]
pub struct OnceState {
    poisoned: bool,
}

impl OnceState {
    /// Whether an earlier run panicked.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

/// The right to run it; says at its end, by return or panic, what became of it.
struct Run<'a> {
    once: &'a Once,
    outcome: u8,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let mut woken = Woken::new();
        let mut line = self.once.line.lock();
        self.once.owner.leave();
        // Release: what it has done is seen by all who see that it is done.
        self.once.state.store(self.outcome, Ordering::Release);
        line.pop_all(&mut woken);
        drop(line);
        woken.ready();
    }
}

impl Once {
    /// One that has not run.
    #[inline]
    #[must_use]
    pub const fn new() -> Once {
        Once { state: AtomicU8::new(FRESH), owner: Owner::new(), line: Lock::new(Line::new()) }
    }

    /// Runs `f` if none has run here; when this returns one has, and what it did is seen.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine, blocks an ordinary thread, while another runs its closure; for ever, if that is the caller's
    /// own, further up.
    ///
    /// # Panics
    ///
    /// With `f`'s panic, which poisons the `Once`. If it is poisoned.
    #[inline]
    #[track_caller]
    pub fn call_once<F: FnOnce()>(&self, f: F) {
        if !self.is_completed() {
            let mut f = Some(f);
            self.call(false, &mut |_| f.take().expect("called once")());
        }
    }

    /// [`call_once`](Self::call_once), which also runs `f` if earlier ones panicked.
    ///
    /// # Blocking
    ///
    /// As [`call_once`](Self::call_once).
    ///
    /// # Panics
    ///
    /// With `f`'s panic.
    #[inline]
    pub fn call_once_force<F: FnOnce(&OnceState)>(&self, f: F) {
        if !self.is_completed() {
            let mut f = Some(f);
            self.call(true, &mut |state| f.take().expect("called once")(state));
        }
    }

    /// Whether one has run, to its end.
    #[inline]
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.state.load(Ordering::Acquire) == DONE
    }

    /// Waits until one has run.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    ///
    /// # Panics
    ///
    /// If it is poisoned, now or meanwhile.
    #[track_caller]
    pub fn wait(&self) {
        if !self.is_completed() {
            self.wait_slow(false);
        }
    }

    /// [`wait`](Self::wait), through panics, until one has run to its end.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    pub fn wait_force(&self) {
        if !self.is_completed() {
            self.wait_slow(true);
        }
    }

    #[cold]
    #[track_caller]
    fn wait_slow(&self, force: bool) {
        loop {
            let line = self.line.lock();
            let state = self.state.load(Ordering::Acquire);
            if state != DONE && (state != POISONED || force) {
                // The end of the next run wakes all in line.
                self.stand(line);
                continue;
            }
            drop(line);
            assert!(state == DONE, "a Once is poisoned: its closure panicked");
            return;
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn call(&self, force: bool, f: &mut dyn FnMut(&OnceState)) {
        loop {
            let state = self.state.load(Ordering::Acquire);
            match state {
                DONE => return,
                RUNNING => {
                    let line = self.line.lock();
                    // Whoever ends the run does so under the lock, and wakes all in line.
                    if self.state.load(Ordering::Acquire) == RUNNING {
                        self.stand(line);
                    }
                }
                POISONED if !force => panic!("a Once is poisoned: its closure panicked"),
                _ => {
                    if self.state.compare_exchange(state, RUNNING, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                        self.owner.enter();
                        let mut run = Run { once: self, outcome: POISONED };
                        f(&OnceState { poisoned: state == POISONED });
                        run.outcome = DONE;
                        return;
                    }
                }
            }
        }
    }

    /// Waits for the end of a run.
    fn stand(&self, line: Guard<'_, Line>) {
        let what = (WaitReason::OnceWait, WaitPlace::owned(&self.owner));
        let _: End<'_, Line> = stand(line, |line| line, Place::Last, 0, what, Until::WOKEN);
    }

    /// Forgets that it has run.
    pub(crate) fn reset(&mut self) {
        *self.state.get_mut() = FRESH;
    }

    /// Whether the last run panicked.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.state.load(Ordering::Relaxed) == POISONED
    }
}

impl Default for Once {
    fn default() -> Once {
        Once::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
