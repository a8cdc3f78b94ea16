//! Where a future's waker waits to be woken.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use crate::entry::drop_quietly;
use crate::lock::Lock;

/// The waker of a future's latest poll, until somebody wakes it.
///
/// A waker is code of the program: it is cloned, woken and dropped without the lock.
#[derive(Debug, Default)]
pub struct WakerCell(Lock<Option<Waker>>);

impl WakerCell {
    /// A cell without a waker.
    pub const fn new() -> WakerCell {
        WakerCell(Lock::new(None))
    }

    /// Puts `waker` in the place of what was there. Whether nothing was: then whoever wakes has been here since the last
    /// call, if there was one.
    pub fn set(&self, waker: &Waker) -> bool {
        if self.0.lock().as_ref().is_some_and(|old| old.will_wake(waker)) {
            return false;
        }
        let new = waker.clone();
        let old = self.0.lock().replace(new);
        old.is_none()
    }

    /// Wakes what is there. A waker that panics is not for others to die of.
    pub fn wake(&self) {
        let Some(waker) = self.0.lock().take() else { return };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            drop_quietly(payload);
        }
    }

    /// Drops what is there.
    pub fn clear(&self) {
        let waker = self.0.lock().take();
        drop(waker);
    }
}
