//! What sysmon does for the poller.

use super::{is_wanted, look};
use crate::sched::idle;

/// What sysmon remembers of it.
pub(crate) struct Duty {
    /// When to look at it next.
    look_at: u64,
    /// Nobody slept in it at the last look, though there was a P to do so.
    unpolled: bool,
}

impl Duty {
    pub(crate) fn new() -> Duty {
        Duty { look_at: 0, unpolled: false }
    }

    /// Looks at the poller if nobody else may have for long, and sees to it that somebody does. Returns when to look
    /// again, and whether a worker is to be called.
    pub(crate) fn look(&mut self, now: u64) -> (u64, bool) {
        /// As often as Go.
        const LONGEST_NANOS: u64 = 10_000_000;
        if !is_wanted() {
            return (u64::MAX, false);
        }
        let mut call = false;
        if now >= self.look_at {
            self.look_at = now + LONGEST_NANOS;
            let readied = look();
            call = !readied.is_empty();
            readied.inject();
        }
        // Who slept there runs what it found. Twice in a row, it runs it for long: somebody else shall go and sleep
        // there.
        let unpolled = idle::is_unpolled();
        call |= std::mem::replace(&mut self.unpolled, unpolled) && unpolled;
        (self.look_at, call)
    }
}
