//! A bell: rung by anybody, heard by the one task that waits for it.
//!
//! ```text
//!   waiter                                ringer
//!   reset: not set                        changes something
//!   looks whether there is something      ring: set; whoever waits is readied
//!   wait: returns at once if set
//! ```
//!
//! What was rung between the reset and the wait is not lost.

#![allow(unsafe_code, reason = "the claim of the waiting task lies on its stack")]

use std::io;

use gander_runtime::lock::{Guard, Lock};
use gander_runtime::{Claim, Task, WaitReason, wait_cancellable};

use crate::err;
use crate::fd::End;

/// How a wait ends that was rung for.
const RUNG: usize = 1;

pub(crate) struct Bell {
    reason: WaitReason,
    state: Lock<State>,
}

struct State {
    is_set: bool,
    /// Who waits. The claim is there for as long as it stands here: its task takes it away before its frame goes.
    waiting: Option<(Task, *const Claim)>,
}

// SAFETY: the pointer is to a claim that may be used by whoever has the lock.
unsafe impl Send for State {}

impl Bell {
    /// One that has not been rung. `reason`: what whoever waits for it says it waits for.
    pub(crate) fn new(reason: WaitReason) -> Bell {
        Bell { reason, state: Lock::new(State { is_set: false, waiting: None }) }
    }

    /// Forgets that it was rung. Only for the one who waits for it.
    pub(crate) fn reset(&self) {
        self.state.lock().is_set = false;
    }

    /// Ends the wait of who waits, or the next one.
    pub(crate) fn ring(&self) {
        let mut state = self.state.lock();
        state.is_set = true;
        if let Some((task, claim)) = state.waiting.take() {
            // SAFETY: it stood here, so the claim is there. If we win it the task rests until we ready it.
            unsafe {
                if (*claim).claim(RUNG) {
                    Guard::unlock_and_ready(state, task);
                }
            }
        }
    }

    /// Waits until it has been rung since the last reset, or until the clock shows `deadline`: the caller looks. One task
    /// at a time.
    ///
    /// # Errors
    ///
    /// If `end` fires.
    pub(crate) fn wait(&self, deadline: u64, end: End<'_>) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.is_set {
            return Ok(());
        }
        let claim = Claim::new();
        state.waiting = Some((Task::current(), &raw const claim));
        let lock = Guard::leak(state);
        // SAFETY: the claim can be won when the lock is let go, by the landing side; who wins it readies us once. The lock
        // comes before a timer heap's and a signal's: under those nobody rings.
        let winner =
            unsafe { wait_cancellable(self.reason, deadline, end, &claim, || lock.raw().unlock_handed_over()) };
        if winner != RUNG {
            // Somebody may be about to try for the claim, under the lock.
            self.state.lock().waiting = None;
        }
        if winner == Claim::CANCELLED { Err(err::cancelled()) } else { Ok(()) }
    }
}
