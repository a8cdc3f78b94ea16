//! Counts goroutines that have finished, and says which was the last.

use std::sync::atomic::{AtomicU64, Ordering};

/// The count is kept above the sum, so that a finished goroutine costs one atomic addition with every peer.
const ONE: u64 = 1 << 40;

/// How many are still to finish, and the sum of what they said.
#[derive(Debug)]
pub struct Latch {
    state: AtomicU64,
    count: u64,
}

impl Latch {
    /// For so many. It lives as long as the program: nobody has to count who still uses it.
    pub fn new(count: u64) -> &'static Latch {
        Box::leak(Box::new(Latch { state: AtomicU64::new(0), count }))
    }

    /// For the next round, when all have finished.
    pub fn reset(&self) {
        self.state.store(0, Ordering::Relaxed);
    }

    /// One has finished, with this value. True for the last.
    pub fn finish(&self, value: u64) -> bool {
        self.state.fetch_add(ONE + value, Ordering::AcqRel) / ONE + 1 == self.count
    }

    /// The sum of the values so far.
    pub fn sum(&self) -> u64 {
        self.state.load(Ordering::Acquire) % ONE
    }

    /// How many have finished.
    pub fn finished(&self) -> u64 {
        self.state.load(Ordering::Acquire) / ONE
    }
}
