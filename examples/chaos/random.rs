//! Numbers that a seed decides.

use std::time::Duration;

/// xorshift64*.
pub(crate) struct Random(u64);

impl Random {
    /// The `lane`-th sequence of a seed.
    pub(crate) fn new(seed: u64, lane: u64) -> Random {
        let mut random = Random((seed ^ lane.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    /// A sequence of its own for somebody who goes his own way.
    pub(crate) fn fork(&mut self) -> Random {
        Random(self.next() | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    /// A number from `low` to `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Up to so many microseconds.
    pub(crate) fn micros(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.below(most + 1))
    }

    /// Lets time pass, in one way or another, or does not.
    pub(crate) fn dawdle(&mut self) {
        match self.below(12) {
            0 => gander::sleep(self.micros(300)),
            1 => gander::yield_now(),
            2 => (0..self.below(3000)).for_each(|_| std::hint::spin_loop()),
            _ => {}
        }
    }
}
