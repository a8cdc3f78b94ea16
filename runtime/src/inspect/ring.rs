//! Where events lie: a ring that one thread at a time writes and anybody copies, without waiting for each other.
//!
//! The newest `capacity` events are there. A copier looks at the count before and after: what the writer may have
//! overwritten meanwhile is thrown away.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// An event: when, what (the low byte) with something more, and two words of its own.
pub(crate) type Words = [u64; 4];

pub(crate) struct Ring {
    /// Events ever written.
    count: AtomicU64,
    slots: Box<[[AtomicU64; 4]]>,
}

impl Ring {
    /// An empty one for so many events, a power of two.
    pub(crate) fn new(capacity: usize) -> Ring {
        assert!(capacity.is_power_of_two());
        let slots = (0..capacity).map(|_| [const { AtomicU64::new(0) }; 4]).collect();
        Ring { count: AtomicU64::new(0), slots }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// How many were ever written.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Writes one. Only one thread at a time, each after the other's last.
    #[inline]
    pub(crate) fn write(&self, event: Words) {
        let count = self.count.load(Ordering::Relaxed);
        let slot = &self.slots[count as usize & (self.slots.len() - 1)];
        // Partner of the fence in `copy_from`: who sees a word of this event sees that the count was `count` at least.
        fence(Ordering::Release);
        for (to, word) in slot.iter().zip(event) {
            to.store(word, Ordering::Relaxed);
        }
        self.count.store(count + 1, Ordering::Release);
    }

    /// Copies what is left of the events from number `from` on, the last `most` of them; says how many were left out.
    pub(crate) fn copy_from(&self, from: u64, most: usize, out: &mut Vec<Words>) -> u64 {
        let end = self.count.load(Ordering::Acquire);
        let from = from.min(end);
        let begin = from.max(end.saturating_sub(self.slots.len().min(most) as u64));
        let at = out.len();
        out.extend((begin..end).map(|i| {
            let slot = &self.slots[i as usize & (self.slots.len() - 1)];
            slot.each_ref().map(|word| word.load(Ordering::Relaxed))
        }));
        fence(Ordering::Acquire);
        // The writer may be in the middle of the next one.
        let now = self.count.load(Ordering::Relaxed) + 1;
        let overwritten = now.saturating_sub(self.slots.len() as u64).saturating_sub(begin).min(end - begin);
        out.drain(at..at + overwritten as usize);
        begin - from + overwritten
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_and_counts_the_lost() {
        let ring = Ring::new(8);
        let mut out = Vec::new();
        assert_eq!(ring.copy_from(0, usize::MAX, &mut out), 0);
        assert!(out.is_empty());
        (0..5).for_each(|i| ring.write([i; 4]));
        assert_eq!(ring.copy_from(2, usize::MAX, &mut out), 0);
        assert_eq!(out, [[2; 4], [3; 4], [4; 4]]);
        (5..20).for_each(|i| ring.write([i; 4]));
        out.clear();
        // One less than fit: the writer could be at the oldest.
        assert_eq!(ring.copy_from(0, usize::MAX, &mut out), 13);
        assert_eq!(out.first().zip(out.last()), Some((&[13; 4], &[19; 4])));
        assert_eq!(ring.copy_from(0, 2, &mut out), 18);
        assert_eq!(out.len(), 9);
        assert_eq!(ring.copy_from(99, usize::MAX, &mut out), 0);
    }

    #[test]
    fn copies_are_whole_while_it_is_written() {
        let ring = Ring::new(16);
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                for i in 0.. {
                    ring.write([i; 4]);
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let mut out = Vec::new();
            for _ in 0..2000 {
                out.clear();
                ring.copy_from(0, usize::MAX, &mut out);
                for pair in out.windows(2) {
                    assert_eq!(pair[0], [pair[0][0]; 4]);
                    assert_eq!(pair[0][0] + 1, pair[1][0]);
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
