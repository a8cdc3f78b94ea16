//! To wake a future at a moment.

use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::Call;
use crate::waker::WakerCell;

/// Wakes a future when its moment has come. Dropped, it wakes nobody any more. Where no runtime runs it works, too, as a
/// [`Call`] does.
pub struct WakeAt {
    call: Call,
    waker: Arc<WakerCell>,
    /// What the call was last set to.
    when: Option<u64>,
}

impl WakeAt {
    /// One that wakes nobody yet.
    pub fn new() -> WakeAt {
        let waker = Arc::new(WakerCell::new());
        let theirs = Arc::clone(&waker);
        WakeAt { call: Call::new(move |_| theirs.wake()), waker, when: None }
    }

    /// Has `waker` woken when the clock of [`now`](super::now) shows `when`, in place of whom and when it was before.
    ///
    /// # Panics
    ///
    /// If no runtime runs and the thread that minds the timers then cannot be started.
    pub fn set(&mut self, when: u64, waker: &Waker) {
        // The waker is there before the call is set. If there was none the call has rung, and is set again.
        if self.waker.set(waker) || self.when != Some(when) {
            self.call.set(when);
            self.when = Some(when);
        }
    }
}

impl Default for WakeAt {
    fn default() -> WakeAt {
        WakeAt::new()
    }
}

impl fmt::Debug for WakeAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeAt").finish_non_exhaustive()
    }
}

impl Drop for WakeAt {
    fn drop(&mut self) {
        self.call.clear();
        // The call may be ringing at this moment: it finds nobody.
        self.waker.clear();
    }
}
