//! A clock that costs nothing to read: a word in memory, which others keep right.
//!
//! How long a goroutine has waited is asked for in dumps, to the second. A clock read at each park would cost more than
//! the park. So a goroutine that parks notes this word, which sysmon renews at each of its looks, 10 ms apart at the
//! most, and a worker when it wakes from a rest (sysmon may have slept with it).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// One tick is 2^24 nanoseconds, 16.8 ms: 32 bits of them last two years, and then start again.
const SHIFT: u32 = 24;

static NOW: AtomicU32 = AtomicU32::new(0);

/// The time as of a moment ago.
#[inline(always)]
pub(crate) fn coarse() -> u32 {
    NOW.load(Ordering::Relaxed)
}

/// It is `now` on the clock of [`timer`](crate::timer).
pub(crate) fn set(now: u64) {
    NOW.store((now >> SHIFT) as u32, Ordering::Relaxed);
}

/// How long it has been since `then`, at `now`; nothing if it came after that.
pub(crate) fn since(then: u32, now: u64) -> Duration {
    /// Half an hour: whoever looks took the time that long ago at most.
    const AHEAD: u32 = 1 << 17;
    let ticks = ((now >> SHIFT) as u32).wrapping_sub(then);
    let ticks = if ticks > u32::MAX - AHEAD { 0 } else { ticks };
    Duration::from_nanos(u64::from(ticks) << SHIFT)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn wraps_and_counts_on() {
        let now = (u64::from(u32::MAX) + 3) << SHIFT;
        assert_eq!(since(u32::MAX, now), Duration::from_nanos(3 << SHIFT));
        assert_eq!(since(2, now), Duration::ZERO);
        // It parked after the observer took the time.
        assert_eq!(since(3, now), Duration::ZERO);
    }
}
