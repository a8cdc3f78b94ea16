//! What sysmon does for the poller.

use std::sync::atomic::Ordering;

use super::{is_wanted, look};
use crate::sched::{procs, resting};

/// What sysmon remembers of it.
pub(crate) struct Duty {
    /// When to look at it next.
    look_at: u64,
    /// How often goroutines had been switched to at the last look, if nobody slept in it then.
    unpolled_at: Option<u32>,
}

impl Duty {
    pub(crate) fn new() -> Duty {
        Duty { look_at: 0, unpolled_at: None }
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
        // Who slept there runs what it found. If it still runs the same, it runs it for long: somebody else shall go and
        // sleep there.
        let unpolled_at = resting::is_unpolled().then(switches);
        let before = std::mem::replace(&mut self.unpolled_at, unpolled_at);
        call |= unpolled_at.is_some() && unpolled_at == before;
        (self.look_at, call)
    }
}

/// How often all Ps have switched to a goroutine.
fn switches() -> u32 {
    (0..procs::ever()).map(|i| procs::get(i).tick.load(Ordering::Relaxed)).fold(0, u32::wrapping_add)
}
