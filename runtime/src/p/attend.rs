//! Why a P's goroutine does not simply go on with the next one when it leaves.

use std::sync::atomic::{AtomicU8, Ordering};

/// A byte that every switch looks at; zero nearly always. So what is rare costs a switch nothing beside that look.
#[derive(Debug, Default)]
pub(crate) struct Attend(AtomicU8);

/// A timer is due, or the P was retired: go through the scheduler.
const DUE: u8 = 1;
/// Switches are recorded (`inspect/trace.rs`).
const TRACED: u8 = 2;
/// Waits are measured (`inspect/waits.rs`).
const MEASURED: u8 = 4;
/// A sample of turns and queueing is under way (`inspect/sample.rs`).
const SAMPLED: u8 = 8;

impl Attend {
    pub(crate) const fn new() -> Attend {
        Attend(AtomicU8::new(0))
    }

    #[inline(always)]
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed) & DUE != 0
    }

    pub(crate) fn set_due(&self) {
        self.0.fetch_or(DUE, Ordering::Relaxed);
    }

    /// What was due is seen to by the caller now.
    pub(crate) fn clear_due(&self) {
        // The exchange costs more than the look, and every 61st switch comes here.
        if self.is_due() {
            self.0.fetch_and(!DUE, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    pub(crate) fn is_traced(&self) -> bool {
        self.0.load(Ordering::Relaxed) & TRACED != 0
    }

    pub(crate) fn set_traced(&self, on: bool) {
        self.set(TRACED, on);
    }

    /// Whether anybody watches who leaves and who goes on.
    #[inline(always)]
    pub(crate) fn is_watched(&self) -> bool {
        self.0.load(Ordering::Relaxed) & (TRACED | MEASURED | SAMPLED) != 0
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.0.load(Ordering::Relaxed) & MEASURED != 0
    }

    pub(crate) fn set_measured(&self, on: bool) {
        self.set(MEASURED, on);
    }

    pub(crate) fn is_sampled(&self) -> bool {
        self.0.load(Ordering::Relaxed) & SAMPLED != 0
    }

    pub(crate) fn set_sampled(&self, on: bool) {
        self.set(SAMPLED, on);
    }

    fn set(&self, bit: u8, on: bool) {
        if on {
            self.0.fetch_or(bit, Ordering::Release);
        } else {
            self.0.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}
