//! When to wake another worker: Go's spinning protocol, with the cost on the rare side.
//!
//! The promise: *no goroutine waits in a queue while a P is idle and nobody is on the way.* Two parties race:
//!
//! ```text
//!   submitter                                  a worker about to rest
//!   1 put the goroutine into a queue           1 say so: idle += 1, spinning -= 1
//!   2 light fence                              2 heavy fence
//!   3 look at idle and spinning                3 look at every queue once more
//! ```
//!
//! With the fences one of the two sees the other: either the submitter sees the resting worker's P (and calls
//! somebody), or the worker sees the goroutine (and takes its P back). At most one worker is called at a time:
//! while somebody searches, submitters keep quiet, and a searcher that finds work calls the next one.
//!
//! Checked under loom (`tests/loom_spin.rs`), where both fences are full.

use crate::asym;
use crate::door::{AtomicU32, Ordering};

/// How many workers search and how many Ps rest.
#[derive(Debug)]
pub struct Spin {
    searching: AtomicU32,
    idle: AtomicU32,
}

impl Spin {
    /// Nobody searches, no P rests.
    #[cfg(not(loom))]
    pub const fn new() -> Spin {
        Spin { searching: AtomicU32::new(0), idle: AtomicU32::new(0) }
    }

    /// Nobody searches, no P rests.
    #[cfg(loom)]
    pub fn new() -> Spin {
        Spin { searching: AtomicU32::new(0), idle: AtomicU32::new(0) }
    }

    /// How many Ps rest, for bookkeeping.
    pub fn idle(&self) -> u32 {
        self.idle.load(Ordering::Relaxed)
    }

    /// How many workers search.
    pub fn searching(&self) -> u32 {
        self.searching.load(Ordering::Relaxed)
    }

    /// Called after a goroutine was put into a queue. True: the caller must call a worker, which is already
    /// counted as searching.
    #[inline(always)]
    pub fn submitted(&self) -> bool {
        self.resting() && self.call()
    }

    /// Called after a goroutine was put into a queue: whether a P rests that could run it.
    #[inline(always)]
    pub fn resting(&self) -> bool {
        // Partner of the heavy fence in `rested`.
        asym::light();
        self.idle.load(Ordering::Relaxed) != 0
    }

    #[cold]
    fn call(&self) -> bool {
        self.searching.load(Ordering::Relaxed) == 0
            && self.searching.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// A worker begins to search by itself.
    pub fn search(&self) {
        self.searching.fetch_add(1, Ordering::AcqRel);
    }

    /// A searcher found work. True: it was the last, and must ask [`submitted`](Self::submitted) on behalf of
    /// whatever else there is.
    #[must_use]
    pub fn found(&self) -> bool {
        self.searching.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// A P came to rest; its worker must call [`rested`](Self::rested) and then look at every queue once more.
    pub fn rest(&self) {
        self.idle.fetch_add(1, Ordering::AcqRel);
    }

    /// Ends a search, if it was one, and orders what was announced before what is looked at next.
    pub fn rested(&self, searched: bool) {
        if searched {
            self.searching.fetch_sub(1, Ordering::AcqRel);
        }
        // Partner of the light fence in `submitted`.
        asym::heavy();
    }

    /// A resting P was taken into service.
    pub fn resume(&self) {
        self.idle.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Default for Spin {
    fn default() -> Spin {
        Spin::new()
    }
}
