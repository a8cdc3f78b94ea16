//! Barriers.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use gander_runtime::WaitReason;
use gander_runtime::inspect::WaitPlace;
use gander_runtime::lock::Lock;

use crate::line::{End, Line, Place, Until, Woken, stand};

/// Where tasks wait for each other until there are so many. [`std::sync::Barrier`], for goroutines and threads alike.
///
/// # Examples
///
/// ```
/// # gander_runtime::run(|| {
/// use gander_sync::Barrier;
///
/// let barrier = Barrier::new(3);
/// let leaders = gander_runtime::scope(|s| {
///     let all: Vec<_> = (0..3).map(|_| s.spawn(|| barrier.wait().is_leader())).collect();
///     all.into_iter().map(|one| one.join().unwrap()).filter(|leads| *leads).count()
/// });
/// assert_eq!(leaders, 1);
/// # });
/// ```
pub struct Barrier {
    state: Lock<State>,
    size: usize,
}

#[derive(Debug)]
struct State {
    line: Line,
    /// How many stand in it.
    count: usize,
}

impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

/// What a wait at a [`Barrier`] returns. As [`std::sync::BarrierWaitResult`], which only std can make.
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// True for one of those that went on together: the last to come.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl fmt::Debug for BarrierWaitResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarrierWaitResult").field("is_leader", &self.0).finish()
    }
}

impl Barrier {
    /// A barrier for `n` tasks. One for 0 is as one for 1.
    #[inline]
    #[must_use]
    pub const fn new(n: usize) -> Barrier {
        Barrier { state: Lock::new(State { line: Line::new(), count: 0 }), size: n }
    }

    /// Waits until so many wait. Then all go on, and the barrier is as new.
    ///
    /// # Blocking
    ///
    /// Parks the goroutine; blocks an ordinary thread.
    pub fn wait(&self) -> BarrierWaitResult {
        let mut state = self.state.lock();
        if state.count + 1 < self.size {
            state.count += 1;
            let what = (WaitReason::BarrierWait, WaitPlace::thing(&self.state));
            let _: End<'_, State> = stand(state, |state| &mut state.line, Place::Last, 0, what, Until::WOKEN);
            return BarrierWaitResult(false);
        }
        let mut woken = Woken::new();
        state.line.pop_all(&mut woken);
        state.count = 0;
        drop(state);
        woken.ready();
        BarrierWaitResult(true)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}
