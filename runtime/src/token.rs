//! The park token: one `unpark` is remembered, and none is lost between deciding to park and being parked
//! (`[park-token]`).
//!
//! ```text
//!            park: take ┌───────┐ unpark                 a task's address: that task is parked
//!            ┌──────────┤  SET  │◄────────┐
//!            ▼          └───────┘         │
//!        ┌───────┐ commit (compare-and-swap) ┌────────┐
//!        │ EMPTY ├──────────────────────────►│ a task │
//!        └───────┘◄──────────────────────────┴────────┘
//!                   unpark: readies the task
//! ```
//!
//! Checked under loom (`tests/loom_token.rs`).

use crate::door::{AtomicUsize, Ordering};

const EMPTY: usize = 0;
const SET: usize = 1;

/// A token and at most one task parked on it.
#[derive(Debug)]
pub struct Token {
    state: AtomicUsize,
}

impl Default for Token {
    fn default() -> Token {
        Token::new()
    }
}

impl Token {
    /// An empty token.
    pub fn new() -> Token {
        Token { state: AtomicUsize::new(EMPTY) }
    }

    /// Takes the token if it is set. Only the task that parks here may call it.
    pub fn take(&self) -> bool {
        // Acquire: what happened before the unpark happened before this return.
        self.state.load(Ordering::Relaxed) == SET && self.state.swap(EMPTY, Ordering::Acquire) == SET
    }

    /// Parks `task` here; called when it has come to rest. False: the token was set meanwhile and is now taken,
    /// the task must go on.
    pub fn commit(&self, task: usize) -> bool {
        debug_assert!(task > SET);
        // Release: pairs with the acquire in `set`, so that the task's context is visible to whoever readies it.
        match self.state.compare_exchange(EMPTY, task, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => true,
            Err(_) => {
                self.state.swap(EMPTY, Ordering::Acquire);
                false
            }
        }
    }

    /// The task that is parked here, for a look.
    pub fn peek(&self) -> Option<usize> {
        Some(self.state.load(Ordering::Relaxed)).filter(|&state| state > SET)
    }

    /// Takes back a parked task, if nobody has taken it to ready it. Then the caller must ready it.
    pub fn withdraw(&self, task: usize) -> bool {
        self.state.compare_exchange(task, EMPTY, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Sets the token. If a task was parked here it is returned instead, and the caller must ready it.
    #[must_use = "the returned task waits to be readied"]
    pub fn set(&self) -> Option<usize> {
        // AcqRel: see `take` and `commit`. A parked task takes the token with it, so the state goes to EMPTY then.
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let next = if state == EMPTY || state == SET { SET } else { EMPTY };
            match self.state.compare_exchange_weak(state, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return (state > SET).then_some(state),
                Err(now) => state = now,
            }
        }
    }
}
